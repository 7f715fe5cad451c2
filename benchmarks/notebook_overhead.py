"""Overhead of the quickstart's run: all seconds that are neither load nor deployment.

    python benchmarks/notebook_overhead.py [RUN_DIR]

Analyses a finished run if one is given; otherwise runs the quickstart first. Prints a table and writes
`benchmarks/results/notebook_overhead.json`.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from datetime import datetime
from pathlib import Path
from typing import Any

from fmbench_lib.host.atomic_files import read_json
from fmbench_lib.load.recording.records import read_facts
from fmbench_lib.workspace import Workspace

RESULTS = Path(__file__).parent / "results"


def run_quickstart(folder: Path) -> tuple[Workspace, float]:
    """Run the quickstart as a user does; returns its run directory and the whole command's seconds."""
    started = time.monotonic()
    command = [sys.executable, "-m", "fmbench_lib", "--config-file", "quickstart", "--results-dir", str(folder)]
    subprocess.run(command, check=True, stdout=sys.stderr)
    seconds = time.monotonic() - started
    return Workspace(next((folder / "quickstart").iterdir())), seconds


def overhead(workspace: Workspace, total: float | None) -> dict[str, Any]:
    """The seconds of a run by what they were spent on. `total` is the command's, None: from the run's own times."""
    state = workspace.read_run()
    steps = {name: step["duration_s"] for name, step in state["steps"].items()}
    if total is None:
        last = max(state["steps"].values(), key=lambda step: step["started"])
        ended = datetime.fromisoformat(last["started"]).timestamp() + last["duration_s"]
        total = ended - datetime.fromisoformat(state["created"]).timestamp()
    facts = [read_facts(path) for path in workspace.levels()]
    load = sum(fact["ended"] - fact["started"] for fact in facts)
    endpoints = read_json(workspace.endpoints_file).values()
    deployment = sum(one["in_service_at"] - one["created_at"] for one in endpoints)
    return {
        "steps_s": steps,
        "total_s": total,
        "load_s": load,
        "deployment_s": deployment,
        "overhead_s": total - load - deployment,
    }


def main() -> None:
    if len(sys.argv) > 1:
        result = overhead(Workspace(Path(sys.argv[1]).resolve()), None)
    else:
        with tempfile.TemporaryDirectory() as folder:
            result = overhead(*run_quickstart(Path(folder)))
    for name, seconds in result["steps_s"].items():
        print(f"{name:28} {seconds:8.1f} s in its kernel")
    for name in ("total_s", "load_s", "deployment_s", "overhead_s"):
        print(f"{name.removesuffix('_s'):28} {result[name]:8.1f} s")
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "notebook_overhead.json").write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
