"""The process that listens on a port of this machine for a port-forward: started, written down, found again."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import fmbench_lib
from fmbench_lib.deploy.eks.access import Access
from fmbench_lib.deploy.eks.route import Route
from fmbench_lib.deploy.platform import Endpoint
from fmbench_lib.host import process
from fmbench_lib.host.ports import HOST, claim_ports
from fmbench_lib.host.process import ProcessMark

KIND = "port_forward"


@dataclass(frozen=True, slots=True)
class Listener:
    """A listener that has been started and waits to be let go."""

    mark: ProcessMark
    log_file: Path
    url: str

    def to_resource(self) -> dict[str, Any]:
        """As `endpoints.json` holds it."""
        return {"kind": KIND, **asdict(self.mark)}

    def noted(self, note: Callable[[], None]) -> None:
        """Have it written down, and only then let it listen."""
        try:
            note()
        except BaseException:
            process.stop(self.mark)
            raise
        process.release(self.mark)


def start_listener(access: Access, route: Route, experiment_name: str, log_folder: Path) -> Listener:
    """Start the process for a route, held; raises DeployError. It outlives this one, and a notebook's kernel."""
    (port,) = claim_ports(None, 1)
    where = route.target["metadata"]
    command = [
        sys.executable,
        "-m",
        "fmbench_lib.deploy.eks.forward_program",
        f"--access={json.dumps(access.to_resource())}",
    ]
    command += [f"--namespace={where['namespace']}", f"--service={where['name']}", f"--listen={port}"]
    command += [f"--port={route.port}"] if route.port else []
    log_file = (log_folder / f"{quote(experiment_name, safe=' ')}-port-forward.log").resolve()
    package = str(Path(fmbench_lib.__file__).resolve().parent.parent)
    paths = os.pathsep.join([package, *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = {**os.environ, "PYTHONPATH": paths, "PYTHONUNBUFFERED": "1"}
    mark = process.start_held(command, log_file=log_file, env=environment)
    return Listener(mark, log_file, f"http://{HOST}:{port}{route.path}")


def listener_mark(endpoint: Endpoint) -> ProcessMark | None:
    """The process of an endpoint's port-forward; None where it has none."""
    for one in endpoint.resources:
        if one["kind"] == KIND:
            return ProcessMark(int(one["pid"]), float(one["started"]), float(one["booted"]))
    return None
