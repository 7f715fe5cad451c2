"""Experiments that need the same port or device of this machine, and so run one after the other.

An experiment waits while an earlier one of the config that has levels left to measure needs a port or a device that it
needs too. The measuring step stops the earlier one when its levels are done, and then deploys the one that waited.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from fmbench_lib.config import Config, Experiment
from fmbench_lib.deploy import Endpoint
from fmbench_lib.deploy.endpoints_file import still_standing
from fmbench_lib.deploy.platform import Occupying
from fmbench_lib.errors import DeployError
from fmbench_lib.steps.run_inputs.platform_of import service_of


def needs_of(config: Config, experiment: Experiment) -> frozenset[str]:
    """The ports and devices of this machine that an experiment needs for itself. Empty where that cannot be found out:
    its own deployment then reports why."""
    try:
        service, experiment = service_of(config, experiment)
        return service.needs(experiment) if isinstance(service, Occupying) else frozenset()
    except DeployError:
        return frozenset()


def waiting(config: Config, names: Collection[str]) -> dict[str, str]:
    """Which of these experiments wait for others of them, each with the reason in words."""
    experiments = [experiment for experiment in config.experiments if experiment.name in names]
    needs = {experiment.name: needs_of(config, experiment) for experiment in experiments}
    reasons = {}
    for index, (name, needed) in enumerate(needs.items()):
        earlier = [other for other in list(needs)[:index] if needs[other] & needed]
        if earlier:
            shared = sorted(set().union(*(needs[other] & needed for other in earlier)))
            reasons[name] = f"waits for {', '.join(earlier)}, which needs {', '.join(shared)} too"
    return reasons


def in_the_way(config: Config, experiment: Experiment, known: Sequence[Endpoint]) -> list[Endpoint]:
    """The run's endpoints that are still up and occupy what an experiment needs."""
    needed = needs_of(config, experiment)
    others = {other.name: other for other in config.experiments if other.name != experiment.name}
    return [
        endpoint
        for endpoint in still_standing(known)
        if endpoint.experiment_name in others and needs_of(config, others[endpoint.experiment_name]) & needed
    ]
