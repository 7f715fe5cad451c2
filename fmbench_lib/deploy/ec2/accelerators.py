"""The accelerators of a host: found on this machine, given by the config, or known of an instance type."""

from __future__ import annotations

import json
import re
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from fmbench_lib.config import Experiment
from fmbench_lib.deploy.ec2.container import DeviceKind, Devices
from fmbench_lib.deploy.ec2.instance_types import accelerators_of
from fmbench_lib.errors import DeployError

_CORES_PER_NEURON_DEVICE = 2
"""Of Inferentia2 and Trainium1, where the driver does not say."""
_SYS = Path("/sys/class/neuron_device")
_DEV = Path("/dev")
_NEURON_LS_TIMEOUT_S = 20.0


@dataclass(frozen=True, slots=True)
class Host:
    """What a machine has to place models on. `cores_per_device` is 1 for GPUs; `tp_degree` counts Neuron's cores."""

    devices: Devices
    cores_per_device: int = 1
    source: Literal["nvml", "neuron", "none", "config", "instance type"] = "none"


def find_host(experiment: Experiment) -> Host:
    """This machine, within what the config says of it. Raises DeployError where the two do not fit."""
    given = _given(experiment)
    return _found(experiment) if given is None else given


def planned_host(experiment: Experiment) -> Host:
    """The machine that an experiment is planned for: as the config gives it, else this one where it has accelerators,
    else one of the experiment's instance type."""
    host = find_host(experiment)
    if host.source != "none":
        return host
    known = accelerators_of(experiment.instance_type)
    if known is None:
        return host
    kind, count, cores = known
    return Host(_chosen(Devices(kind, tuple(range(count))), experiment), cores, "instance type")


def _given(experiment: Experiment) -> Host | None:
    """The host as the config gives it; None where it has to be looked at."""
    kind: DeviceKind | None = experiment.ec2.accelerators if experiment.ec2 is not None else None
    devices = experiment.ec2.devices if experiment.ec2 is not None else None
    if kind == "none":
        return Host(Devices(), 1, "config")
    if kind is None or devices is None:
        return None
    cores = _CORES_PER_NEURON_DEVICE if kind == "neuron" else 1
    known = accelerators_of(experiment.instance_type)
    if known is not None and known[0] == kind:
        cores = known[2]
    return Host(Devices(kind, _distinct(devices)), cores, "config")


def _found(experiment: Experiment) -> Host:
    wanted = experiment.ec2.accelerators if experiment.ec2 is not None else None
    found = [host for host in (_nvidia(), neuron_host()) if host is not None and wanted in (None, host.devices.kind)]
    if not found:
        return Host(Devices())
    return replace(found[0], devices=_chosen(found[0].devices, experiment))


def _chosen(devices: Devices, experiment: Experiment) -> Devices:
    """Of a host's devices those that the config wants."""
    wanted = experiment.ec2.devices if experiment.ec2 is not None else None
    if wanted is None:
        return devices
    missing = [str(index) for index in wanted if index not in devices.indices]
    if missing:
        there = ", ".join(map(str, devices.indices))
        raise DeployError(f"ec2.devices names {', '.join(missing)}; the host has {there}")
    return Devices(devices.kind, _distinct(wanted))


def _distinct(devices: list[int]) -> tuple[int, ...]:
    if not devices:
        raise DeployError("ec2.devices is empty; write the devices' numbers, or ec2.accelerators: none")
    if len(set(devices)) < len(devices):
        raise DeployError(f"ec2.devices names a device twice: {', '.join(map(str, devices))}")
    return tuple(devices)


def _nvidia() -> Host | None:
    """The GPUs that NVIDIA's driver knows; None without a driver."""
    try:
        import pynvml  # type: ignore[import-untyped]
    except ImportError:
        return None
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return None
    try:
        count = int(pynvml.nvmlDeviceGetCount())
    except pynvml.NVMLError as error:
        raise DeployError(f"NVIDIA's driver does not say how many GPUs there are: {error}") from error
    finally:
        pynvml.nvmlShutdown()
    return Host(Devices("nvidia", tuple(range(count))), 1, "nvml") if count else None


def neuron_host(sys_folder: Path = _SYS, dev_folder: Path = _DEV) -> Host | None:
    """The Neuron devices of this machine, from the driver's folder and `neuron-ls`; None where there are none."""
    names = {path.name for folder in (sys_folder, dev_folder) if folder.is_dir() for path in folder.glob("neuron*")}
    indices = sorted(int(found[1]) for name in names if (found := re.fullmatch(r"neuron(\d+)", name)))
    if not indices:
        return None
    cores = _cores_by_sys(sys_folder / f"neuron{indices[0]}" / "core_count")
    return Host(Devices("neuron", tuple(indices)), cores or _cores_by_neuron_ls() or _CORES_PER_NEURON_DEVICE, "neuron")


def _cores_by_sys(path: Path) -> int | None:
    try:
        text = path.read_text(encoding="ascii").strip()
    except OSError:
        return None
    return int(text) if text.isdecimal() and int(text) else None


def _cores_by_neuron_ls() -> int | None:
    """The cores of a device as `neuron-ls` says; None where it is not there or says nothing of use."""
    command = ["neuron-ls", "--json-output"]
    try:
        done = subprocess.run(command, capture_output=True, timeout=_NEURON_LS_TIMEOUT_S, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return cores_in_neuron_ls(done.stdout.decode(errors="replace"))


def cores_in_neuron_ls(text: str) -> int | None:
    """The cores of a device (`nc_count`) in the JSON of `neuron-ls`; None where it has no such thing."""
    try:
        listed = json.loads(text)
    except ValueError:
        return None
    devices = listed.get("mlas") if isinstance(listed, dict) else listed
    first = devices[0] if isinstance(devices, list) and devices else None
    count = first.get("nc_count") if isinstance(first, dict) else None
    return count if isinstance(count, int) and count > 0 else None
