"""What `fmbench run` comes to on a machine of the recorded SkyPilot: a run with levels of made requests.

The plan of the machine says how many levels it measures, and with which exit code it ends.
"""

from __future__ import annotations

import json
import os
import sys
import time
from dataclasses import replace
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]

from made_level import MadeLevel, write_level  # noqa: E402

from fmbench_lib.deploy import Endpoint  # noqa: E402
from fmbench_lib.deploy.endpoints_file import record  # noqa: E402
from fmbench_lib.runs.opening import create_run, reopen_run  # noqa: E402
from fmbench_lib.runs.run import Run  # noqa: E402
from fmbench_lib.steps.data_generation import generate_data  # noqa: E402
from fmbench_lib.steps.run_inputs.levels import missing_levels  # noqa: E402

BEGAN = 1_790_000_000.0
REQUESTS = 90


def measure(run: Run, most: int) -> None:
    """Measure levels that are missing, `most` of them."""
    for number, level in enumerate(missing_levels(run)[:most]):
        name, path = level.experiment.name, run.workspace.level(level.key)
        endpoint = Endpoint(name, level.experiment.platform, ("http://127.0.0.1:1",), owned=True, created_at=BEGAN)
        write_level(path, MadeLevel(level.key, REQUESTS, number + 1, BEGAN + 100 * number, level.concurrency))
        served = replace(endpoint, status="deleted", in_service_at=BEGAN, deleted_at=BEGAN + 3600)
        record(run.workspace, served)


def main() -> int:
    words = sys.argv[1:]
    plan = json.loads(os.environ["SKY_PLAN"])
    if "--resume" in words:
        run = reopen_run(Path(words[words.index("--resume") + 1]).absolute())
    else:
        run = create_run(words[words.index("--config-file") + 1], results=Path("results").absolute())
        generate_data(run)
    measure(run, plan.get("levels", 100) if "--resume" not in words else 100)
    print(f"key: {os.environ.get('TEST_KEY')}", flush=True)
    if plan.get("hang") == "job":
        reached = Path(os.environ["SKY_STATE"]) / "reached"
        reached.mkdir(exist_ok=True)
        (reached / f"job-{os.getpid()}.json").touch()
        while True:
            time.sleep(60)
    if code := plan.get("exit", 0):
        print("fmbench: the model did not fit", flush=True)
    return int(code)


if __name__ == "__main__":
    sys.exit(main())
