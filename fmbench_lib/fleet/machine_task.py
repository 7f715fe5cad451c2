"""What a machine of a fleet is and does: its task file for SkyPilot, and the two scripts that it runs. Pure."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

FOLDER = "fmbench-machine"
"""The folder of a machine's files in its home."""
CONFIG, RESULTS, PACKAGE, OUTPUT = "benchmark.yml", "results", "package", "output.txt"
"""In that folder: what is measured, the folder of runs, what fmbench is installed from, and in the folder of runs what
fmbench has printed."""
SETUP, MEASURE = "setup.sh", "measure.sh"
_PYTHON = "3.12"


@dataclass(frozen=True, slots=True)
class FleetSettings:
    """How machines are made, as the command line says it.

    `install`: a requirement that pip understands, a wheel or a checkout; None: this version of fmbench · `infra`: the
    cloud, region and zone as SkyPilot writes them; None: AWS in the config's region · `disk_gb` · `image`: of the
    machine; None: SkyPilot's · `idle_minutes`: after which SkyPilot itself deletes a machine whose job has ended ·
    `hours`: after which a machine that still measures is given up.
    """

    install: str | None = None
    infra: str | None = None
    disk_gb: int = 256
    image: str | None = None
    idle_minutes: int = 30
    hours: float = 24.0


@dataclass(frozen=True, slots=True)
class Machine:
    """A machine of a fleet and the experiments that run on it, by name. `spot`: it is bought at the spot price."""

    name: str
    instance_type: str
    region: str | None
    spot: bool
    experiments: tuple[str, ...]

    @property
    def label(self) -> str:
        """What tells it from others in records and messages."""
        return f"{self.name} ({self.instance_type})"


def task_of(machine: Machine, cluster: str, folder: str, settings: FleetSettings) -> dict[str, Any]:
    """The task file of a machine that SkyPilot calls `cluster`, whose files are in the local `folder`."""
    infra = settings.infra or (f"aws/{machine.region}" if machine.region else None)
    resources = {
        "infra": infra,
        "instance_type": machine.instance_type,
        "use_spot": machine.spot or None,
        "disk_size": settings.disk_gb,
        "image_id": settings.image,
        "autostop": {"idle_minutes": settings.idle_minutes, "down": True},
    }
    return {
        "name": cluster,
        "resources": {key: value for key, value in resources.items() if value is not None},
        "file_mounts": {f"~/{FOLDER}": folder},
        "setup": f"bash ~/{FOLDER}/{SETUP}\n",
        "run": f"bash ~/{FOLDER}/{MEASURE}\n",
    }


def setup_script(requirement: str) -> str:
    """The script that installs fmbench on a machine; pip reads the `requirement` in the machine's folder."""
    return f"""#!/bin/bash
# Installs fmbench on this machine.
set -euo pipefail
cd "$(dirname "$0")"
python3 -m pip install --quiet uv
python3 -m uv venv --quiet --allow-existing --python {_PYTHON} ~/fmbench-venv
python3 -m uv pip install --quiet --python ~/fmbench-venv/bin/python {shlex.quote(requirement)}
"""


def measure_script(unfinished: str | None) -> str:
    """The script that measures; `unfinished` is the run in the folder of runs that it goes on with, None for a new one.

    It fails where fmbench could not measure. Levels that failed are in the results, and no failure of the script.
    """
    words: Sequence[str] = ["--config-file", CONFIG] if unfinished is None else ["--resume", f"{RESULTS}/{unfinished}"]
    return f"""#!/bin/bash
# Measures the experiments of {CONFIG} on this machine. What it measures is in {RESULTS}/.
cd "$(dirname "$0")" || exit 2
mkdir -p {RESULTS}
~/fmbench-venv/bin/fmbench run {shlex.join(words)} --results-dir {RESULTS} 2>&1 | tee {RESULTS}/{OUTPUT}
code=${{PIPESTATUS[0]}}
[ "$code" -le 1 ] || exit "$code"
"""
