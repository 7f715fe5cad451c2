"""Containers as text, for `fmbench plan`."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from fmbench_lib.deploy.ec2.container import Container, Devices, Mount
from fmbench_lib.host.ports import HOST


def describe(container: Container) -> str:
    """What runs where on a first line; its command, environment, mounts and notes on indented lines below."""
    return "\n".join([_head(container), *_body(container)])


def describe_all(containers: Sequence[Container]) -> str:
    """All containers: the first in full, the others with only the lines that differ."""
    texts = []
    for index, container in enumerate(containers):
        shown = set(_body(containers[0])) if index else set()
        texts.append("\n".join([_head(container), *(line for line in _body(container) if line not in shown)]))
    return "\n".join(texts)


def _head(container: Container) -> str:
    return (
        f"{container.name}: {container.image} on {_devices(container.devices)}, "
        f"port {container.host_port} → {container.container_port}{container.path}"
        + (f", open to other machines at {container.listen_at}" if _is_open(container) else "")
        + (f", shared memory {container.shm_size}" if container.shm_size else "")
        + (", privileged" if container.privileged else "")
    )


def _is_open(container: Container) -> bool:
    return container.listen_at not in (None, HOST)


def _body(container: Container) -> list[str]:
    command = shlex.join((*(container.entrypoint or ()), *container.command))
    environment = " ".join(f"{name}={shlex.quote(value)}" for name, value in container.environment.items())
    files = ", ".join(container.files)
    named = [("command", command), ("environment", environment), ("files", files)]
    return [
        *(f"  {name}: {text}" for name, text in named if text),
        *(_mount(mount, container.folder) for mount in container.mounts),
        *(f"  after the start: {request.meaning}" for request in container.after_start),
        *(f"  note: {note}" for note in container.notes),
    ]


def _mount(mount: Mount, folder: Path | None) -> str:
    inside = folder is not None and mount.source.is_relative_to(folder)
    access = "" if mount.read_only else " (writable)"
    return f"  mounts {'its files' if inside else mount.source} at {mount.target}{access}"


def _devices(devices: Devices) -> str:
    if devices.kind == "none":
        return "the CPU"
    noun = "GPU" if devices.kind == "nvidia" else "Neuron device"
    return f"{noun}{'s' if len(devices.indices) > 1 else ''} {','.join(map(str, devices.indices))}"
