"""The process that listens on a local port for a port-forward: started, recorded, found again."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

import fmbench_lib
from fmbench_lib.deploy.eks.access import Access
from fmbench_lib.deploy.eks.route import Route
from fmbench_lib.deploy.platform import Endpoint
from fmbench_lib.host import process
from fmbench_lib.host.ports import HOST, claim_ports
from fmbench_lib.host.process import ProcessMark
from fmbench_lib.workspace import path_part

KIND = "port_forward"


class ListenerResource(TypedDict):
    """What is recorded of a listener: its process, by the fields of its mark."""

    kind: str
    pid: int
    started: float
    booted: float


@dataclass(frozen=True, slots=True)
class Listener:
    """A listener that has been started but does not listen yet."""

    mark: ProcessMark
    log_file: Path
    url: str

    def to_resource(self) -> ListenerResource:
        """The listener as `endpoints.json` records it."""
        mark = self.mark
        return {"kind": KIND, "pid": mark.pid, "started": mark.started, "booted": mark.booted}

    def listen_once_recorded(self, note: Callable[[], None]) -> None:
        """Record it by calling `note`, then let it listen; stops it where recording fails."""
        try:
            note()
        except BaseException:
            process.stop(self.mark)
            raise
        process.release(self.mark)


def start_listener(access: Access, route: Route, experiment_name: str, log_folder: Path) -> Listener:
    """Start the process for a route, held until it is recorded. It outlives this process, and a notebook's kernel.
    Raises DeployError."""
    (port,) = claim_ports(None, 1)
    service = route.target["metadata"]
    command = [
        sys.executable,
        "-m",
        "fmbench_lib.deploy.eks.forward_program",
        f"--access={json.dumps(access.to_resource())}",
    ]
    command += [f"--namespace={service['namespace']}", f"--service={service['name']}", f"--listen={port}"]
    command += [f"--port={route.port}"] if route.port else []
    log_file = (log_folder / f"{path_part(experiment_name)}-port-forward.log").resolve()
    package = str(Path(fmbench_lib.__file__).resolve().parent.parent)
    paths = os.pathsep.join([package, *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = {**os.environ, "PYTHONPATH": paths, "PYTHONUNBUFFERED": "1"}
    mark = process.start_held(command, log_file=log_file, env=environment)
    return Listener(mark, log_file, f"http://{HOST}:{port}{route.path}")


def listener_mark(endpoint: Endpoint) -> ProcessMark | None:
    """The process of an endpoint's port-forward; None where it has none."""
    for resource in endpoint.resources:
        if resource["kind"] == KIND:
            return ProcessMark(int(resource["pid"]), float(resource["started"]), float(resource["booted"]))
    return None
