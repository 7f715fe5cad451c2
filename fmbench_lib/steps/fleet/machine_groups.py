"""Which experiments share a machine: those of one instance type and region that need no port or device twice."""

from __future__ import annotations

from collections.abc import Sequence

from fmbench_lib.config import Config, Experiment
from fmbench_lib.config.platforms import platform_facts
from fmbench_lib.errors import InputError
from fmbench_lib.fleet.machine_task import Machine
from fmbench_lib.pricing.price_list import InstancePrice, PriceList
from fmbench_lib.runs.location import filled_in
from fmbench_lib.steps.endpoints.machine_sharing import needs_of

_SPOT = "spot"


def machines_of(config: Config, prices: PriceList) -> list[Machine]:
    """The machines that a config's experiments need, in the order of the config.

    Raises InputError for an experiment that does not run on a machine of the fleet.
    """
    for experiment in config.experiments:
        _check(experiment)
    if not config.run_steps.get("3_run_inference", True):
        raise InputError("run_steps switches 3_run_inference off, and a fleet is there to measure: switch it on")
    groups: list[list[Experiment]] = []
    for experiment in config.experiments:
        _group_for(config, experiment, groups).append(experiment)
    return [_machine(config, number, group, prices) for number, group in enumerate(groups, 1)]


def _group_for(config: Config, experiment: Experiment, groups: list[list[Experiment]]) -> list[Experiment]:
    """The first group that the experiment can join, else a new one."""
    needed = needs_of(config, experiment)
    for group in groups:
        same = _place(config, group[0]) == _place(config, experiment)
        if same and not any(needs_of(config, other) & needed for other in group):
            return group
    groups.append([])
    return groups[-1]


def _place(config: Config, experiment: Experiment) -> tuple[str | None, str | None]:
    return experiment.instance_type, filled_in(experiment.region) or filled_in(config.aws.region)


def _machine(config: Config, number: int, group: Sequence[Experiment], prices: PriceList) -> Machine:
    kind, region = _place(config, group[0])
    price = prices.lookup(kind)
    spot = isinstance(price, InstancePrice) and price.terms == _SPOT
    return Machine(f"machine-{number}", str(kind), region, spot, tuple(experiment.name for experiment in group))


def _check(experiment: Experiment) -> None:
    facts = platform_facts(experiment.platform)
    if not (facts.on_this_machine or facts.by_script):
        raise InputError(
            f"experiment {experiment.name}: platform {experiment.platform} serves it elsewhere, and a fleet is for "
            "experiments that run on the machine that measures them: leave it out here, measure it with `fmbench run`, "
            "and put the two beside each other with `fmbench compare`"
        )
    default = facts.defaults({}).get("instance_type")
    if not experiment.instance_type or experiment.instance_type == default:
        raise InputError(
            f"experiment {experiment.name}: write the instance_type of the machine to start, such as g5.2xlarge"
        )
    if (experiment.instance_count or 1) > 1:
        raise InputError(
            f"experiment {experiment.name}: instance_count is {experiment.instance_count}, and a fleet runs each "
            "experiment on one machine"
        )
