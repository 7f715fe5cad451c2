"""Serving stacks on EC2: one module for each, which makes an experiment's containers and touches no engine."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

from fmbench_lib.config import Experiment
from fmbench_lib.deploy.ec2.accelerators import Host
from fmbench_lib.deploy.ec2.container import Container, Devices
from fmbench_lib.deploy.ec2.instance_types import accelerators_of
from fmbench_lib.deploy.ec2.placement import Place, copies_on, named, places
from fmbench_lib.deploy.ec2.stacks import djl, huggingface, sglang, vllm
from fmbench_lib.deploy.ec2.stacks import llama_cpp_server as llama_server
from fmbench_lib.deploy.ec2.stacks import ollama_server as ollama
from fmbench_lib.deploy.ec2.stacks import triton_server as triton
from fmbench_lib.deploy.ec2.stacks.base import Site, Stack
from fmbench_lib.deploy.ec2.stacks.description import describe, describe_all
from fmbench_lib.errors import DeployError

__all__ = ["STACKS", "containers_of", "copies_of", "describe", "describe_all"]

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
    accelerators. What is doubtful of all of them is a note of the first.
    """
    stack, usable = _stack(experiment), _usable(experiment, host)
    tp_degree, times = _degrees(experiment, usable)
    found = places(
        experiment,
        usable,
        tp_degree,
        times=times,
        usual_port=stack.port,
        ports=ports,
        cores=cores,
        equal_shares=stack.spreads and experiment.inference_spec.tp_degree is None,
    )
    first, *others = (_container(experiment, stack, place, run_id, folder, folders) for place in found)
    return replace(first, notes=(*first.notes, *_doubts(experiment, host, usable, found))), *others


def copies_of(experiment: Experiment, host: Host) -> int:
    """How many containers an experiment has on a host. Raises DeployError where they do not fit."""
    host = _usable(experiment, host)
    return copies_on(experiment, host, *_degrees(experiment, host))


def _stack(experiment: Experiment) -> Stack:
    return STACKS[_container_type(experiment)]


def _container_type(experiment: Experiment) -> str:
    return experiment.inference_spec.container_type or USUAL


def _usable(experiment: Experiment, host: Host) -> Host:
    """The host as a stack sees it: one that computes on the CPU leaves the accelerators alone."""
    kinds, kind = _stack(experiment).kinds, host.devices.kind
    known = accelerators_of(experiment.instance_type)
    if kind == "none" and host.source == "none" and known is not None and known[0] in kinds:
        raise DeployError(
            f"{experiment.instance_type} has {named(known[1], known[0])}, but none is found on this machine: install "
            "the driver, or write ec2.accelerators: none to compute on the CPU"
        )
    if kind in kinds:
        return host
    if "none" in kinds:
        return replace(host, devices=Devices(), cores_per_device=1)
    names = {"nvidia": "NVIDIA GPUs", "neuron": "Neuron devices", "none": "no accelerators"}
    raise DeployError(
        f"container_type {_container_type(experiment)} needs {' or '.join(names[one] for one in kinds)}; the host has "
        f"{names[kind]}: write another container_type, or, where they were not found, ec2.accelerators and ec2.devices"
    )


def _degrees(experiment: Experiment, host: Host) -> tuple[int, int]:
    """The tensor parallelism of a copy, as the config says it in our words, else in the stack's, else one; and by how
    much other kinds of parallelism multiply it: the product is the devices (Neuron: cores) of a copy.

    Where the stack's own options say the tensor parallelism too, our number is that of devices, for all kinds.

    A type that has fewer than the stack's own settings ask for is planned with all it has, and a note: it may be
    another machine in the end. On the machine itself that is an error.
    """
    if host.devices.kind == "none":
        return 1, 1
    ours, own, times = experiment.inference_spec.tp_degree, *_own_degrees(experiment)
    if ours is not None:
        return ours, times if own is None else 1
    there = _cores_of(host)
    if host.source == "instance type" and (own or 1) * times > there:
        return (1, there) if own is None else (there, 1)
    return own or 1, times


def _own_degrees(experiment: Experiment) -> tuple[int | None, int]:
    """Tensor parallelism and the product of the other kinds, as the server's own settings have them."""
    stack = _stack(experiment)
    return stack.tp_degree(experiment), stack.times(experiment)


def _cores_of(host: Host) -> int:
    return len(host.devices.indices) * host.cores_per_device


def _doubts(experiment: Experiment, host: Host, usable: Host, found: Sequence[Place]) -> tuple[str, ...]:
    """What may not be meant, or not work, although it can be planned. Raises DeployError for what cannot."""
    doubts = []
    kind, there = host.devices.kind, named(len(host.devices.indices), host.devices.kind)
    if host.source == "instance type":
        doubts.append(f"planned for {experiment.instance_type}, which has {there}: none is found on this machine")
    if kind != usable.devices.kind:
        doubts.append(f"{there} of the host left alone: container_type {_container_type(experiment)} takes the CPU")
    known = accelerators_of(experiment.instance_type)
    if host.source in ("nvml", "neuron") and known is not None and known[:2] != (kind, len(host.devices.indices)):
        doubts.append(f"this machine has {there}, {experiment.instance_type} {named(known[1], known[0])}")
    if usable.devices.kind != "none":
        doubts += _doubts_of_degree(experiment, usable, found)
    return tuple(doubts)


def _doubts_of_degree(experiment: Experiment, host: Host, found: Sequence[Place]) -> list[str]:
    """Whether what the server's own settings ask for fits what each copy gets, and whether anything is left over."""
    doubts = []
    ours, own, times = experiment.inference_spec.tp_degree, *_own_degrees(experiment)
    asked = 1 if own is None and ours is not None else (own or 1) * times
    kind, there = host.devices.kind, len(host.devices.indices)
    if ours is not None and asked > found[0].device_cores:
        raise DeployError(
            f"tp_degree {ours} gives each copy {found[0].device_cores} accelerators, but the server's own settings ask "
            f"for {asked}: write the same number in both"
        )
    if asked > _cores_of(host):
        doubts.append(
            f"the server's own options ask for {asked} accelerators, and {experiment.instance_type} has "
            f"{named(there, kind)}: it will not start there"
        )
    if ours is not None and 1 < asked < ours:
        doubts.append(f"tp_degree is {ours}, in the server's own settings {asked}")
    left = there - sum(len(place.devices.indices) for place in found)
    if experiment.inference_spec.model_copies == "max" and left:
        doubts.append(f"{named(left, kind)} left over: too few for another copy")
    if experiment.inference_spec.model_copies == "auto":
        doubts += _idle(experiment, host, (ours or 1) * times if own is None else max(ours or 1, asked))
    return doubts


def _idle(experiment: Experiment, host: Host, needed: int) -> list[str]:
    """Whether a server that sees all devices and needs so many (Neuron: cores) leaves some of them without work."""
    stack, there = _stack(experiment), len(host.devices.indices)
    used = -(-needed // host.cores_per_device)
    if stack.spreads or stack.fills or used >= there:
        return []
    kind = host.devices.kind
    return [
        f"uses {used} of the {named(there, kind)} that it sees: model_copies auto is one server; write model_copies: "
        f"max for {there // used} copies"
    ]


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
