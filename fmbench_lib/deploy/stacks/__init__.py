"""Serving stacks on EC2: one module for each, which makes an experiment's containers and touches no engine."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

from fmbench_lib.config import Experiment
from fmbench_lib.deploy.accelerators import Host
from fmbench_lib.deploy.container import Container, Devices
from fmbench_lib.deploy.placement import Place, copies_on, named, places
from fmbench_lib.deploy.stacks import djl, huggingface, llama_server, ollama, sglang, triton, vllm
from fmbench_lib.deploy.stacks.base import Site, Stack
from fmbench_lib.errors import DeployError

USUAL = "djl"
"""The container type of configs that name none."""

STACKS: dict[str, Stack] = {
    "vllm": vllm.CPU,
    "vllm_gpu": vllm.GPU,
    "djl": djl.STACK,
    "huggingface": huggingface.STACK,
    "triton": triton.STACK,
    "sglang": sglang.STACK,
    "ollama": ollama.STACK,
    "llama_server": llama_server.STACK,
}


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
    """The containers that serve an experiment on a host, one for each copy. Raises DeployError for what does not fit.

    `ports` are as many as `copies_of` says, or None to plan them; the files of each container go below `folder`;
    `folders` is where models are looked for; `cores` are the CPU cores that copies share on a host without
    accelerators.
    """
    stack, host = _stack(experiment), _usable(experiment, host)
    found = places(
        experiment,
        host,
        _tp_degree(experiment, host),
        usual_port=stack.port,
        ports=ports,
        cores=cores,
        equal_shares=stack.spreads and experiment.inference_spec.tp_degree is None,
    )
    doubts = _doubts(experiment, host)
    made = (_container(experiment, stack, place, run_id, folder, folders) for place in found)
    return tuple(replace(one, notes=(*one.notes, *doubts)) for one in made)


def copies_of(experiment: Experiment, host: Host) -> int:
    """How many containers an experiment has on a host. Raises DeployError where they do not fit."""
    host = _usable(experiment, host)
    return copies_on(experiment, host, _tp_degree(experiment, host))


def describe(container: Container) -> str:
    """A container on one line for each of: what runs where, its command, its files and notes."""
    lines = [
        f"{container.name}: {container.image} on {_devices_text(container.devices)}, "
        f"port {container.host_port} → {container.container_port}{container.path}"
        + (f", shared memory {container.shm_size}" if container.shm_size else "")
        + (", privileged" if container.privileged else "")
    ]
    command = shlex.join((*(container.entrypoint or ()), *container.command))
    lines += [f"  command: {command}"] * bool(command)
    lines += [f"  environment: {' '.join(f'{k}={v}' for k, v in container.environment.items())}"] * bool(
        container.environment
    )
    lines += [f"  files: {', '.join(container.files)}"] * bool(container.files)
    lines += [f"  mounts: {mount.source} → {mount.target}" for mount in container.mounts]
    lines += [f"  after the start: {request.meaning}" for request in container.after_start]
    lines += [f"  note: {note}" for note in container.notes]
    return "\n".join(lines)


def _devices_text(devices: Devices) -> str:
    if devices.kind == "none":
        return "the CPU"
    noun = "GPU" if devices.kind == "nvidia" else "Neuron device"
    return f"{noun}{'s' if len(devices.indices) > 1 else ''} {','.join(map(str, devices.indices))}"


def _stack(experiment: Experiment) -> Stack:
    kind = experiment.inference_spec.container_type or USUAL
    found = STACKS.get(kind)
    if found is None:
        raise DeployError(f"container_type {kind} is not served on EC2; write one of {', '.join(STACKS)}")
    return found


def _usable(experiment: Experiment, host: Host) -> Host:
    """The host as a stack sees it: one that computes on the CPU leaves the accelerators alone."""
    stack, kind = _stack(experiment), host.devices.kind
    if kind in stack.kinds:
        return host
    if "none" in stack.kinds:
        return replace(host, devices=Devices(), cores_per_device=1)
    names = {"nvidia": "NVIDIA GPUs", "neuron": "Neuron devices", "none": "no accelerators"}
    wanted = " or ".join(names[one] for one in stack.kinds)
    raise DeployError(
        f"container_type {experiment.inference_spec.container_type or USUAL} needs {wanted}; this host has "
        f"{names[kind]}. Write the right container_type, or ec2.accelerators and ec2.devices where they are not found"
    )


def _tp_degree(experiment: Experiment, host: Host) -> int:
    """Devices (Neuron: cores) per copy: as the config says it in our words, else in the stack's, else one.

    A type that has fewer than the stack's own settings ask for is planned with all it has, and a note: it may be
    another machine in the end. On the machine itself that is an error.
    """
    if host.devices.kind == "none":
        return 1
    if experiment.inference_spec.tp_degree is not None:
        return experiment.inference_spec.tp_degree
    asked = _stack(experiment).tp_degree(experiment) or 1
    return min(asked, _cores_of(host)) if host.source == "instance type" else asked


def _cores_of(host: Host) -> int:
    return len(host.devices.indices) * host.cores_per_device


def _doubts(experiment: Experiment, host: Host) -> tuple[str, ...]:
    """What may not work although it can be planned."""
    asked = _stack(experiment).tp_degree(experiment) or 1
    if host.devices.kind == "none" or asked <= _cores_of(host):
        return ()
    there = named(len(host.devices.indices), host.devices.kind)
    asked_for = f"the server's own options ask for {asked} accelerators, and {experiment.instance_type} has {there}"
    return (f"{asked_for}: it will not start there",)


def _container(
    experiment: Experiment, stack: Stack, place: Place, run_id: str, folder: Path, folders: Sequence[Path]
) -> Container:
    name = f"fmbench-{run_id}-{_slug(experiment.name)}-{place.index + 1}"
    made = stack.serve(experiment, place, Site(name, folder / name, folders))
    privileged = experiment.ec2 is not None and experiment.ec2.privileged_mode
    return replace(made, privileged=made.privileged or privileged)


def _slug(name: str) -> str:
    """An experiment's name as a container's name can hold it; one that loses something is told apart by a hash."""
    plain = re.sub(r"[^a-zA-Z0-9_.-]+", "-", name).strip("-.")[:60]
    return plain if plain == name else f"{plain}-{sha256(name.encode()).hexdigest()[:6]}"
