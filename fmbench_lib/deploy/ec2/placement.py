"""Placing copies of a model on a host: how many, on which devices, at which ports. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fmbench_lib.config import Experiment
from fmbench_lib.deploy.ec2.accelerators import Host
from fmbench_lib.deploy.ec2.container import Devices
from fmbench_lib.deploy.instance_types import DeviceKind
from fmbench_lib.errors import DeployError
from fmbench_lib.host.ports import wanted_port

_LAST_PORT = 65535


@dataclass(frozen=True, slots=True)
class Placement:
    """Where one of `copies` copies runs. `tp_degree` counts GPUs or Neuron cores, and is 1 on a CPU. `cores` is the
    copy's range of CPU cores (first, last + 1); None where copies do not have to share the CPU or the number of cores
    is unknown."""

    index: int
    copies: int
    host_port: int
    devices: Devices
    tp_degree: int = 1
    device_cores: int = 0
    cores: tuple[int, int] | None = None

    @property
    def threads(self) -> int | None:
        """The number of CPU cores reserved for this copy; None where the server decides."""
        return None if self.cores is None else self.cores[1] - self.cores[0]


def copies_on(experiment: Experiment, host: Host, tp_degree: int, other_parallelism: int = 1) -> int:
    """The number of copies that `model_copies` means on a host, each with `tp_degree * other_parallelism` accelerators.

    Raises DeployError where they do not fit.
    """
    requested = experiment.inference_spec.model_copies
    if host.devices.kind == "none":
        return requested if isinstance(requested, int) else 1
    accelerators_per_copy = tp_degree * other_parallelism
    available, needed = len(host.devices.indices), _devices_per_copy(host, accelerators_per_copy)
    parallelism = f"tp_degree {tp_degree}"
    if other_parallelism > 1:
        parallelism += f" times {other_parallelism} (set in the server's options)"
    inventory = f"{_count_with_cores(available, host)} ({_source(experiment, host)})"
    if needed > available:
        raise DeployError(f"{parallelism} needs {_count_with_cores(needed, host)}; the host has {inventory}")
    if requested == "auto":
        cores = available * host.cores_per_device
        if cores % accelerators_per_copy:
            divisor = "a tp_degree that divides" if other_parallelism == 1 else "numbers whose product divides"
            raise DeployError(
                f"model_copies auto gives all devices to one server: {inventory}, not divisible by {parallelism}; "
                f"write {divisor} {cores}, or model_copies: max"
            )
        return 1
    if requested == "max":
        return available // needed
    assert isinstance(requested, int)
    if requested * needed > available:
        raise DeployError(
            f"model_copies {requested} with {parallelism} needs {_count_with_cores(requested * needed, host)}; "
            f"the host has {inventory}, enough for {available // needed}"
        )
    return requested


def placements(
    experiment: Experiment,
    host: Host,
    tp_degree: int,
    *,
    default_port: int,
    other_parallelism: int = 1,
    ports: Sequence[int] | None = None,
    cores: int | None = None,
    equal_shares: bool = False,
) -> tuple[Placement, ...]:
    """The placement of each copy, no two on the same device or port. Raises DeployError where they do not fit.

    Each copy gets `tp_degree` accelerators, multiplied by `other_parallelism` for other kinds of parallelism. `ports`
    are the ports claimed for the copies; without them they are planned upwards from the port in `ep_name`, else from
    `default_port`. `cores` is the number of CPU cores of the host, which copies share where it has no accelerators.
    With `equal_shares` the copies get all devices in equal parts, however few they need.
    """
    copies = copies_on(experiment, host, tp_degree, other_parallelism)
    kind = host.devices.kind
    per_copy = 0 if kind == "none" else _devices_per_copy(host, tp_degree * other_parallelism)
    if kind != "none" and (equal_shares or experiment.inference_spec.model_copies == "auto"):
        per_copy = len(host.devices.indices) // copies
    host_ports = _ports(experiment, copies, ports, default_port)
    cores_per_copy = cores // copies if cores is not None and kind == "none" and copies > 1 else None
    if cores_per_copy == 0:
        raise DeployError(f"model_copies {copies} exceeds the {cores} cores of this CPU; write {cores} or fewer")
    return tuple(
        Placement(
            index,
            copies,
            host_ports[index],
            _devices_of_copy(host, index, per_copy),
            tp_degree if kind != "none" else 1,
            per_copy * host.cores_per_device,
            None if cores_per_copy is None else (index * cores_per_copy, (index + 1) * cores_per_copy),
        )
        for index in range(copies)
    )


def _devices_of_copy(host: Host, copy: int, per_copy: int) -> Devices:
    """The devices of a copy. Raises DeployError for Neuron devices that are not contiguous."""
    kind, indices = host.devices.kind, host.devices.indices[copy * per_copy : (copy + 1) * per_copy]
    if kind != "neuron":
        return Devices(kind, indices)
    indices = tuple(sorted(indices))
    if indices != tuple(range(indices[0], indices[0] + per_copy)):
        raise DeployError(
            f"copy {copy + 1} would get Neuron devices {', '.join(map(str, indices))}: a container's devices must be "
            "contiguous; list contiguous numbers in ec2.devices, in ascending order"
        )
    return Devices(kind, indices)


def device_count(count: int, kind: DeviceKind) -> str:
    """A number of devices as text: `2 GPUs`, `1 Neuron device`."""
    noun = "GPU" if kind == "nvidia" else "Neuron device"
    return f"{count} {noun}{'s' if count != 1 else ''}"


def _devices_per_copy(host: Host, tp_degree: int) -> int:
    cores = host.cores_per_device
    if host.devices.kind == "neuron" and tp_degree > cores and tp_degree % cores:
        raise DeployError(
            f"tp_degree {tp_degree} counts Neuron cores, and a device has {cores}; write a multiple of {cores}"
        )
    return -(-tp_degree // cores)


def _count_with_cores(count: int, host: Host) -> str:
    if host.devices.kind == "neuron":
        return f"{device_count(count, 'neuron')} of {host.cores_per_device} cores"
    return device_count(count, host.devices.kind)


def _source(experiment: Experiment, host: Host) -> str:
    sources = {"config": "set in ec2.devices", "instance type": f"instance type {experiment.instance_type}"}
    return sources.get(host.source, "detected on this machine")


def _ports(experiment: Experiment, copies: int, ports: Sequence[int] | None, default: int) -> Sequence[int]:
    if ports is None:
        first = wanted_port(experiment.ep_name) or default
        ports = range(first, first + copies)
    if len(ports) != copies or len(set(ports)) != copies:
        raise DeployError(f"{copies} copies need {copies} distinct ports, not {', '.join(map(str, ports))}")
    if max(ports) > _LAST_PORT:
        raise DeployError(f"port {max(ports)} for copy {copies} is above {_LAST_PORT}; write a lower one in ep_name")
    return ports
