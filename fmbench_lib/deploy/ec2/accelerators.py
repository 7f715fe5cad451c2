"""The accelerators of a host: detected on this machine, set in the config, or known from the instance type."""

from __future__ import annotations

import json
import re
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from fmbench_lib.config import Experiment
from fmbench_lib.deploy.ec2.container import Devices
from fmbench_lib.deploy.instance_types import DeviceKind, accelerators_of
from fmbench_lib.errors import DeployError

_CORES_PER_NEURON_DEVICE = 2
"""For Inferentia2 and Trainium1; used where the driver does not report the number."""
_SYS = Path("/sys/class/neuron_device")
_DEV = Path("/dev")
_NEURON_LS_TIMEOUT_S = 20.0


@dataclass(frozen=True, slots=True)
class Host:
    """The accelerators that copies of a model can be placed on. `cores_per_device` is 1 for GPUs; on Neuron `tp_degree`
    counts cores."""

    devices: Devices
    cores_per_device: int = 1
    source: Literal["nvml", "neuron", "none", "config", "instance type"] = "none"


def find_host(experiment: Experiment) -> Host:
    """This machine's accelerators, restricted to what the config allows. Raises DeployError where the config names
    devices that the machine does not have."""
    configured = _configured_host(experiment)
    return _detected_host(experiment) if configured is None else configured


def planned_host(experiment: Experiment) -> Host:
    """The host that an experiment is planned for: what the config sets, else this machine if it has accelerators, else
    a machine of the experiment's instance type."""
    host = find_host(experiment)
    if host.source != "none":
        return host
    accelerators = accelerators_of(experiment.instance_type)
    if accelerators is None:
        return host
    kind, count, cores = accelerators
    return Host(_selected_devices(Devices(kind, tuple(range(count))), experiment), cores, "instance type")


def _configured_host(experiment: Experiment) -> Host | None:
    """The host as the config describes it; None where it has to be detected."""
    kind: DeviceKind | None = experiment.ec2.accelerators if experiment.ec2 is not None else None
    devices = experiment.ec2.devices if experiment.ec2 is not None else None
    if kind == "none":
        return Host(Devices(), 1, "config")
    if kind is None or devices is None:
        return None
    cores = _CORES_PER_NEURON_DEVICE if kind == "neuron" else 1
    accelerators = accelerators_of(experiment.instance_type)
    if accelerators is not None and accelerators[0] == kind:
        cores = accelerators[2]
    return Host(Devices(kind, _checked_indices(devices)), cores, "config")


def _detected_host(experiment: Experiment) -> Host:
    kind = experiment.ec2.accelerators if experiment.ec2 is not None else None
    hosts = [host for host in (_nvidia(), neuron_host()) if host is not None and kind in (None, host.devices.kind)]
    if not hosts:
        return Host(Devices())
    return replace(hosts[0], devices=_selected_devices(hosts[0].devices, experiment))


def _selected_devices(devices: Devices, experiment: Experiment) -> Devices:
    """The devices of a host that the config selects."""
    indices = experiment.ec2.devices if experiment.ec2 is not None else None
    if indices is None:
        return devices
    missing = [str(index) for index in indices if index not in devices.indices]
    if missing:
        available = ", ".join(map(str, devices.indices))
        raise DeployError(f"ec2.devices names {', '.join(missing)}; the host has {available}")
    return Devices(devices.kind, _checked_indices(indices))


def _checked_indices(devices: list[int]) -> tuple[int, ...]:
    if not devices:
        raise DeployError("ec2.devices is empty; write device numbers, or ec2.accelerators: none")
    if len(set(devices)) < len(devices):
        raise DeployError(f"ec2.devices lists a device twice: {', '.join(map(str, devices))}")
    return tuple(devices)


def _nvidia() -> Host | None:
    """The GPUs that the NVIDIA driver reports; None without a driver."""
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
        raise DeployError(f"cannot read the number of GPUs from the NVIDIA driver: {error}") from error
    finally:
        pynvml.nvmlShutdown()
    return Host(Devices("nvidia", tuple(range(count))), 1, "nvml") if count else None


def neuron_host(sys_folder: Path = _SYS, dev_folder: Path = _DEV) -> Host | None:
    """The Neuron devices of this machine, from the driver's folder and `neuron-ls`; None where it has none."""
    names = {path.name for folder in (sys_folder, dev_folder) if folder.is_dir() for path in folder.glob("neuron*")}
    indices = sorted(int(match[1]) for name in names if (match := re.fullmatch(r"neuron(\d+)", name)))
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
    """The cores of a device as reported by `neuron-ls`; None where it is not installed or its output is unusable."""
    command = ["neuron-ls", "--json-output"]
    try:
        process = subprocess.run(command, capture_output=True, timeout=_NEURON_LS_TIMEOUT_S, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return cores_in_neuron_ls(process.stdout.decode(errors="replace"))


def cores_in_neuron_ls(text: str) -> int | None:
    """The cores of a device (`nc_count`) in the JSON output of `neuron-ls`; None where it is missing or invalid."""
    try:
        listed = json.loads(text)
    except ValueError:
        return None
    devices = listed.get("mlas") if isinstance(listed, dict) else listed
    first = devices[0] if isinstance(devices, list) and devices else None
    count = first.get("nc_count") if isinstance(first, dict) else None
    return count if isinstance(count, int) and count > 0 else None
