"""Experiments that need the same part of this machine, and so run one after the other.

An experiment waits while one before it in the config, which has levels left to measure, needs a port or a device that
it needs too. The step that measures takes the other one down when its levels are done, and then deploys this one.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from fmbench_lib.config import Config, Experiment
from fmbench_lib.deploy import Endpoint
from fmbench_lib.deploy.endpoints_file import still_standing
from fmbench_lib.deploy.platform import Occupying
from fmbench_lib.errors import DeployError
from fmbench_lib.steps.platform_of import service_of


def needs_of(config: Config, experiment: Experiment) -> frozenset[str]:
    """What of this machine an experiment needs for itself; nothing where that cannot be told, which its own deployment
    then says."""
    try:
        service, experiment = service_of(config, experiment)
        return service.needs(experiment) if isinstance(service, Occupying) else frozenset()
    except DeployError:
        return frozenset()


def waiting(config: Config, names: Collection[str]) -> dict[str, str]:
    """Which of these experiments wait for others of them, each with the reason in words."""
    needs = {one.name: needs_of(config, one) for one in config.experiments if one.name in names}
    found = {}
    for place, (name, wanted) in enumerate(needs.items()):
        earlier = [other for other in list(needs)[:place] if needs[other] & wanted]
        if earlier:
            shared = sorted(set().union(*(needs[other] & wanted for other in earlier)))
            found[name] = f"waits for {', '.join(earlier)}, which needs {', '.join(shared)} too"
    return found


def in_the_way(config: Config, experiment: Experiment, known: Sequence[Endpoint]) -> list[Endpoint]:
    """The endpoints that the run has standing and that occupy what an experiment needs."""
    wanted = needs_of(config, experiment)
    others = {one.name: one for one in config.experiments if one.name != experiment.name}
    return [
        endpoint
        for endpoint in still_standing(known)
        if endpoint.experiment_name in others and needs_of(config, others[endpoint.experiment_name]) & wanted
    ]
