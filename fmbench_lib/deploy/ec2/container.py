"""A serving container as it is to be run: a serving stack says what, the container engine runs it.

Nothing here touches a disk or an engine, so that a plan can be made and checked on any machine.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

DeviceKind = Literal["none", "nvidia", "neuron"]


@dataclass(frozen=True, slots=True)
class Devices:
    """Accelerators by their indices on the host: GPUs, or Neuron devices (`/dev/neuron0`), each of which has two cores
    or more. A container's Neuron devices follow one another, and it sees them numbered from 0."""

    kind: DeviceKind = "none"
    indices: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Mount:
    """A folder or file of the host and where the container sees it."""

    source: Path
    target: str
    read_only: bool = True


@dataclass(frozen=True, slots=True)
class StartRequest:
    """A POST with a JSON body that a container must have answered before the model can be asked.

    It has succeeded when the answer is 200 and neither its JSON nor any of its JSON lines has an `error`. `meaning` is
    what a person is told while it runs: "pulls llama3.2:1b".
    """

    path: str
    body: Mapping[str, Any]
    meaning: str


@dataclass(frozen=True, slots=True)
class Container:
    """One copy of a model.

    `command` follows the image's own entry point, unless `entrypoint` takes its place. `environment` may be written
    down; the names in `secrets` are variables whose values (a Hugging Face token) are handed over when the container
    starts and stand in no file. `files` are texts by their path below `folder`, written before the container starts:
    a Triton model repository, `serving.properties`. `path` is where requests go on `host_port`, `health_path` what
    answers 200 once the model is loaded (None: only a real request tells). `shm_size` is as Docker spells it (`12g`).
    On network `host` a container listens on the host's own ports, and `container_port` is `host_port`.
    `metrics_port` is where its metrics page is, if not on `container_port`, and `host_metrics_port` what that is on the
    host (None: not published, as in a plan).
    A writable mount's folder that is missing is made. `after_start` is sent in its order, once `health_path` answers.
    `notes` are lines for a person: what was chosen for lack of a setting, and what may not work.
    """

    name: str
    image: str
    host_port: int
    container_port: int
    path: str
    health_path: str | None = None
    entrypoint: tuple[str, ...] | None = None
    command: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    secrets: tuple[str, ...] = ()
    folder: Path | None = None
    files: Mapping[str, str] = field(default_factory=dict)
    mounts: tuple[Mount, ...] = ()
    devices: Devices = field(default_factory=Devices)
    shm_size: str | None = None
    privileged: bool = False
    network: Literal["bridge", "host"] = "bridge"
    after_start: tuple[StartRequest, ...] = ()
    notes: tuple[str, ...] = ()
    metrics_port: int | None = None
    host_metrics_port: int | None = None

    @property
    def published(self) -> dict[int, int]:
        """The container's ports that the host has too, and which ones they are there."""
        if self.network == "host":
            return {}
        metrics = {self.metrics_port: self.host_metrics_port} if self.metrics_port and self.host_metrics_port else {}
        return {self.container_port: self.host_port, **metrics}
