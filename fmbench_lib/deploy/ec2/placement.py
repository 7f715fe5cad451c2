"""Copies of a model on a host: how many, on which devices, at which ports. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fmbench_lib.config import Experiment
from fmbench_lib.deploy.ec2.accelerators import Host
from fmbench_lib.deploy.ec2.container import DeviceKind, Devices
from fmbench_lib.errors import DeployError
from fmbench_lib.host.ports import wanted_port

_LAST_PORT = 65535


@dataclass(frozen=True, slots=True)
class Place:
    """Where one of `copies` runs. `tp_degree` counts GPUs or Neuron cores, and is 1 on a CPU; `cores` are the numbers
    of the CPU cores that are its share (first, behind the last), None where nothing has to be shared or is known."""

    index: int
    copies: int
    host_port: int
    devices: Devices
    tp_degree: int = 1
    device_cores: int = 0
    cores: tuple[int, int] | None = None

    @property
    def threads(self) -> int | None:
        """How many CPU cores this copy has for itself; None where that is left to the server."""
        return None if self.cores is None else self.cores[1] - self.cores[0]


def copies_on(experiment: Experiment, host: Host, tp_degree: int, times: int = 1) -> int:
    """How many copies `model_copies` means on a host, each with `tp_degree` accelerators, `times` over.

    Raises DeployError where they do not fit.
    """
    wanted = experiment.inference_spec.model_copies
    if host.devices.kind == "none":
        return wanted if isinstance(wanted, int) else 1
    there, needed = len(host.devices.indices), _devices_per_copy(host, tp_degree * times)
    degree = f"tp_degree {tp_degree}" + (f" times {times} by the server's own options" if times > 1 else "")
    have = f"{_counted(there, host)} ({_source(experiment, host)})"
    if needed > there:
        raise DeployError(f"{degree} needs {_counted(needed, host)}; there {_are(there)} {have}")
    if wanted == "auto":
        cores = there * host.cores_per_device
        if cores % (tp_degree * times):
            raise DeployError(
                f"model_copies auto gives one server {have}, which {degree} does not divide; "
                f"write {'a tp_degree that divides' if times == 1 else 'numbers whose product divides'} {cores}, "
                "or model_copies: max"
            )
        return 1
    if wanted == "max":
        return there // needed
    assert isinstance(wanted, int)
    if wanted * needed > there:
        raise DeployError(
            f"model_copies {wanted} with {degree} need {_counted(wanted * needed, host)}; "
            f"there {_are(there)} {have}, enough for {there // needed}"
        )
    return wanted


def places(
    experiment: Experiment,
    host: Host,
    tp_degree: int,
    *,
    usual_port: int,
    times: int = 1,
    ports: Sequence[int] | None = None,
    cores: int | None = None,
    equal_shares: bool = False,
) -> tuple[Place, ...]:
    """Where each copy runs, no two on a device or port. Raises DeployError where they do not fit.

    Each gets `tp_degree` accelerators, `times` over for other kinds of parallelism.
    `ports` are those that were claimed for the copies; without them they are planned from the one in `ep_name`, else
    from `usual_port`, upwards. `cores` are the CPU cores of the host, which its copies share where it has no
    accelerators. With `equal_shares` copies get all devices in equal parts, however few they need.
    """
    copies = copies_on(experiment, host, tp_degree, times)
    kind = host.devices.kind
    per_copy = 0 if kind == "none" else _devices_per_copy(host, tp_degree * times)
    if kind != "none" and (equal_shares or experiment.inference_spec.model_copies == "auto"):
        per_copy = len(host.devices.indices) // copies
    numbers = _ports(experiment, copies, ports, usual_port)
    share = cores // copies if cores is not None and kind == "none" and copies > 1 else None
    if share == 0:
        raise DeployError(f"model_copies {copies} are more than the {cores} cores of this CPU; write {cores} or fewer")
    return tuple(
        Place(
            index,
            copies,
            numbers[index],
            _share(host, index, per_copy),
            tp_degree if kind != "none" else 1,
            per_copy * host.cores_per_device,
            None if share is None else (index * share, (index + 1) * share),
        )
        for index in range(copies)
    )


def _share(host: Host, copy: int, per_copy: int) -> Devices:
    """The devices of a copy. Raises DeployError for Neuron devices with gaps between them, which are no neighbours."""
    kind, indices = host.devices.kind, host.devices.indices[copy * per_copy : (copy + 1) * per_copy]
    if kind != "neuron":
        return Devices(kind, indices)
    indices = tuple(sorted(indices))
    if indices != tuple(range(indices[0], indices[0] + per_copy)):
        raise DeployError(
            f"copy {copy + 1} would have Neuron devices {', '.join(map(str, indices))}: those of a container must "
            "follow one another; write such numbers in ec2.devices, in their order"
        )
    return Devices(kind, indices)


def named(count: int, kind: DeviceKind) -> str:
    """A number of devices in words."""
    noun = "GPU" if kind == "nvidia" else "Neuron device"
    return f"{count} {noun}{'s' if count != 1 else ''}"


def _devices_per_copy(host: Host, tp_degree: int) -> int:
    cores = host.cores_per_device
    if host.devices.kind == "neuron" and tp_degree > cores and tp_degree % cores:
        raise DeployError(
            f"tp_degree {tp_degree} counts Neuron cores, of which a device has {cores}; write a multiple of {cores}"
        )
    return -(-tp_degree // cores)


def _counted(count: int, host: Host) -> str:
    if host.devices.kind == "neuron":
        return f"{named(count, 'neuron')} of {host.cores_per_device} cores"
    return named(count, host.devices.kind)


def _are(count: int) -> str:
    return "is" if count == 1 else "are"


def _source(experiment: Experiment, host: Host) -> str:
    by = {"config": "by ec2.devices", "instance type": f"by the type {experiment.instance_type}"}
    return by.get(host.source, "found on this machine")


def _ports(experiment: Experiment, copies: int, ports: Sequence[int] | None, usual: int) -> Sequence[int]:
    if ports is None:
        first = wanted_port(experiment.ep_name) or usual
        ports = range(first, first + copies)
    if len(ports) != copies or len(set(ports)) != copies:
        raise DeployError(f"{copies} copies need as many ports, each its own; there are {', '.join(map(str, ports))}")
    if max(ports) > _LAST_PORT:
        raise DeployError(f"port {max(ports)} for copy {copies} is above {_LAST_PORT}; write a lower one in ep_name")
    return ports
