"""The description of a serving container: a serving stack builds it, the container engine runs it.

Nothing here touches a disk or an engine, so a plan can be made and checked on any machine.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from fmbench_lib.deploy.instance_types import DeviceKind
from fmbench_lib.host.ports import ALL_ADDRESSES, HOST


@dataclass(frozen=True, slots=True)
class Devices:
    """Accelerators by their indices on the host: GPUs, or Neuron devices (`/dev/neuron0`), each of which has two cores
    or more. A container's Neuron devices are contiguous, and it sees them numbered from 0."""

    kind: DeviceKind = "none"
    indices: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Mount:
    """A folder or file of the host and the path at which the container sees it."""

    source: Path
    target: str
    read_only: bool = True


@dataclass(frozen=True, slots=True)
class StartRequest:
    """A POST with a JSON body that must succeed before the model can serve requests.

    It has succeeded when the answer is 200 and neither its JSON nor any of its JSON lines has an `error`. `meaning` is
    shown while it runs: "pulls llama3.2:1b".
    """

    path: str
    body: Mapping[str, Any]
    meaning: str


@dataclass(frozen=True, slots=True)
class Container:
    """One copy of a model, or the balancer in front of the copies.

    `command` follows the image's entry point, unless `entrypoint` replaces it. `environment` may be recorded; `secrets`
    names the variables whose values (a Hugging Face token) are passed when the container starts and are stored in no
    file. `files` are texts by their path below `folder`, written before the container starts: a Triton model
    repository, `serving.properties`. Requests go to `path` on `host_port`; `health_path` answers 200 once the model is
    loaded (None: only a real request tells). `shm_size` is in Docker's notation (`12g`). On network `host` a container
    listens on the host's own ports, and `container_port` is `host_port`. `metrics_port` is the port of the metrics
    page, if not `container_port`, and `host_metrics_port` the host port it is published at (None: not published, as in
    a plan). Ports are open to this machine, and at `listen_at` to others (None: to none). The source folder of a
    writable mount is created if it is missing. `after_start` is sent in its order, once `health_path` answers. `notes`
    are shown to the user: defaults that were applied, and what may not work.
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
    listen_at: str | None = None

    @property
    def hosts(self) -> tuple[str, ...]:
        """The addresses of this machine that its ports are open at."""
        if self.listen_at in (None, HOST, ALL_ADDRESSES):
            return (self.listen_at or HOST,)
        return HOST, str(self.listen_at)

    @property
    def published(self) -> dict[int, int]:
        """The container's published ports, each with its port on the host."""
        if self.network == "host":
            return {}
        metrics = {self.metrics_port: self.host_metrics_port} if self.metrics_port and self.host_metrics_port else {}
        return {self.container_port: self.host_port, **metrics}
