"""The containers that serve an experiment on a host, one per copy of the model. Touches no engine."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

from fmbench_lib.config import Experiment
from fmbench_lib.deploy.ec2.accelerators import Host
from fmbench_lib.deploy.ec2.container import Container, Devices
from fmbench_lib.deploy.ec2.placement import Placement, copies_on, device_count, placements
from fmbench_lib.deploy.ec2.stacks.base import Site, gets_all_devices
from fmbench_lib.deploy.ec2.stacks.parallelism import parallel_degrees
from fmbench_lib.deploy.ec2.stacks.plan_notes import plan_notes
from fmbench_lib.deploy.ec2.stacks.stack_table import container_type_of, stack_of
from fmbench_lib.deploy.instance_types import accelerators_of
from fmbench_lib.errors import DeployError

_KIND_NAMES = {"nvidia": "NVIDIA GPUs", "neuron": "Neuron devices", "none": "no accelerators"}


def containers_of(
    experiment: Experiment,
    host: Host,
    *,
    run_id: str,
    ports: Sequence[int] | None,
    folder: Path,
    folders: Sequence[Path],
    cores: int | None = None,
) -> tuple[Container, ...]:
    """The containers that serve an experiment on a host, one per copy. Raises DeployError for what does not fit.

    `ports` has `copies_of` entries, or is None to plan them. The files of each container go below `folder`; `folders`
    is where models are looked for; `cores` is the number of CPU cores that copies share on a host without accelerators.
    Notes on the plan as a whole are attached to the first container.
    """
    stack, usable = stack_of(experiment), _usable_host(experiment, host)
    tp_degree, other_parallelism = parallel_degrees(experiment, usable)
    copies = placements(
        experiment,
        usable,
        tp_degree,
        other_parallelism=other_parallelism,
        default_port=stack.port,
        ports=ports,
        cores=cores,
        equal_shares=gets_all_devices(experiment, stack),
    )
    first, *others = (_container(experiment, placement, run_id, folder, folders) for placement in copies)
    return replace(first, notes=(*first.notes, *plan_notes(experiment, host, usable, copies))), *others


def copies_of(experiment: Experiment, host: Host) -> int:
    """The number of containers that an experiment has on a host. Raises DeployError where they do not fit."""
    host = _usable_host(experiment, host)
    return copies_on(experiment, host, *parallel_degrees(experiment, host))


def _usable_host(experiment: Experiment, host: Host) -> Host:
    """The host as the stack sees it: one that runs on the CPU ignores the accelerators."""
    kinds, kind = stack_of(experiment).kinds, host.devices.kind
    expected = accelerators_of(experiment.instance_type)
    if kind == "none" and host.source == "none" and expected is not None and expected[0] in kinds:
        raise DeployError(
            f"{experiment.instance_type} has {device_count(expected[1], expected[0])}, but this machine has none: "
            "install the driver, or write ec2.accelerators: none to run on the CPU"
        )
    if kind in kinds:
        return host
    if "none" in kinds:
        return replace(host, devices=Devices(), cores_per_device=1)
    raise DeployError(
        f"container_type {container_type_of(experiment)} needs {' or '.join(_KIND_NAMES[name] for name in kinds)}; "
        f"the host has {_KIND_NAMES[kind]}: write another container_type, or, where they were not detected, "
        "ec2.accelerators and ec2.devices"
    )


def _container(
    experiment: Experiment, placement: Placement, run_id: str, folder: Path, folders: Sequence[Path]
) -> Container:
    name = f"fmbench-{run_id}-{_container_name_part(experiment.name)}-{placement.index + 1}"
    container = stack_of(experiment).serve(experiment, placement, Site(name, folder / name, folders))
    privileged = experiment.ec2 is not None and experiment.ec2.privileged_mode
    return replace(container, privileged=container.privileged or privileged)


def _container_name_part(experiment_name: str) -> str:
    """An experiment's name in characters that container names allow; a changed name gets a hash to stay unique."""
    plain = re.sub(r"[^a-zA-Z0-9_.-]+", "-", experiment_name).strip("-.")[:60]
    return plain if plain == experiment_name else f"{plain}-{sha256(experiment_name.encode()).hexdigest()[:6]}"
