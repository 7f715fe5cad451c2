"""Notes on a plan that can be made but may not be what was meant, or may not work on the machine."""

from __future__ import annotations

from collections.abc import Sequence

from fmbench_lib.config import Experiment
from fmbench_lib.deploy.ec2.accelerators import Host
from fmbench_lib.deploy.ec2.placement import Placement, device_count
from fmbench_lib.deploy.ec2.stacks.base import gets_all_devices
from fmbench_lib.deploy.ec2.stacks.parallelism import accelerators_on, server_degrees
from fmbench_lib.deploy.ec2.stacks.stack_table import container_type_of, stack_of
from fmbench_lib.deploy.instance_types import accelerators_of
from fmbench_lib.errors import DeployError


def plan_notes(experiment: Experiment, host: Host, usable: Host, copies: Sequence[Placement]) -> tuple[str, ...]:
    """What may not be meant, or may not work. Raises DeployError for what cannot work.

    :param usable: the host as the stack sees it, which may leave the host's accelerators out.
    """
    notes = []
    kind, devices = host.devices.kind, device_count(len(host.devices.indices), host.devices.kind)
    if host.source == "instance type":
        notes.append(f"planned for {experiment.instance_type} with {devices}: this machine has none")
    if kind != usable.devices.kind:
        notes.append(f"{devices} of the host not used: container_type {container_type_of(experiment)} runs on the CPU")
    expected = accelerators_of(experiment.instance_type)
    if host.source in ("nvml", "neuron") and expected is not None and expected[:2] != (kind, len(host.devices.indices)):
        notes.append(f"this machine has {devices}, {experiment.instance_type} {device_count(expected[1], expected[0])}")
    if usable.devices.kind != "none":
        notes += _degree_notes(experiment, usable, copies)
    return tuple(notes)


def _degree_notes(experiment: Experiment, host: Host, copies: Sequence[Placement]) -> list[str]:
    """Whether the parallelism in the server's own settings fits what each copy gets, and whether devices are unused."""
    notes = []
    configured, server = experiment.inference_spec.tp_degree, server_degrees(experiment)
    needed = 1 if server.tp_degree is None and configured is not None else server.accelerators
    kind, available = host.devices.kind, len(host.devices.indices)
    if configured is not None and needed > copies[0].device_cores:
        raise DeployError(
            f"tp_degree {configured} gives each copy {copies[0].device_cores} accelerators, but the server's own "
            f"settings ask for {needed}: write the same number in both"
        )
    if needed > accelerators_on(host):
        notes.append(
            f"the server's own options ask for {needed} accelerators, and {experiment.instance_type} has "
            f"{device_count(available, kind)}: it will not start there"
        )
    if configured is not None and 1 < needed < configured:
        notes.append(f"tp_degree is {configured}, but {needed} in the server's own settings")
    unused = available - sum(len(copy.devices.indices) for copy in copies)
    if experiment.inference_spec.model_copies == "max" and unused:
        notes.append(f"{device_count(unused, kind)} unused: too few for another copy")
    if experiment.inference_spec.model_copies == "auto":
        used = (configured or 1) * server.others if server.tp_degree is None else max(configured or 1, needed)
        notes += _idle_note(experiment, host, used)
    return notes


def _idle_note(experiment: Experiment, host: Host, accelerators: int) -> list[str]:
    """A note where one server that sees all devices, and needs so many accelerators, leaves some devices idle."""
    stack, available = stack_of(experiment), len(host.devices.indices)
    used = -(-accelerators // host.cores_per_device)
    if gets_all_devices(experiment, stack) or stack.uses_all_devices or stack.fills_devices or used >= available:
        return []
    return [
        f"uses {used} of the {device_count(available, host.devices.kind)} that it sees: model_copies auto is one "
        f"server; write model_copies: max for {available // used} copies"
    ]
