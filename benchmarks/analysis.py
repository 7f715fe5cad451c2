"""How long `fmbench report` takes for a run of millions of requests, and how much memory.

    python benchmarks/analysis.py [REQUESTS ...] [--levels one|many] [--no-csv] [--folder FOLDER] [--keep]

For each number of requests (default 100,000, 1,000,000, 3,000,000 and 10,000,000) makes a run: two experiments, two
payload files, closed and open loops (20 levels, or one with `--levels one`), the times of all tokens in every tenth
request, records as step 3 writes them. Then reports it in a process of its own. `seconds` and the stages are wall time,
`CPU` that of the whole process tree, `peak` the greatest sum of resident memory over the tree, looked at
every 0.2 s. Prints a table and writes `benchmarks/results/analysis.json`.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psutil
import yaml
from made_level import MadeLevel, write_level
from output import print_table, write_result

from fmbench_lib.runs.opening import create_run
from fmbench_lib.workspace import LevelKey, Workspace

SIZES = (100_000, 1_000_000, 3_000_000, 10_000_000)
EXPERIMENTS, PAYLOADS = ("one", "two"), ("payload_en_1-500.jsonl", "payload_en_500-1000.jsonl")
CONCURRENCIES, RATES = (1, 8, 64), (20, 100)
BEGAN, HOUR = 1_790_000_000.0, 3600.0
LOOK_S = 0.2
REPORT = """
import json, sys, time
from fmbench_lib.cli.commands import main
stages, begun = {}, time.monotonic()
def timed(module, name):
    import importlib
    where = importlib.import_module(module)
    function = getattr(where, name)
    def wrapped(*args, **kwargs):
        begun = time.monotonic()
        try:
            return function(*args, **kwargs)
        finally:
            stages[name.strip("_")] = stages.get(name.strip("_"), 0.0) + time.monotonic() - begun
    setattr(where, name, wrapped)
for name in STAGES:
    timed("fmbench_lib.steps.analysis", name)
sys.argv = ["fmbench", "report", sys.argv[1]]
try:
    main()
finally:
    json.dump(stages, open(OUT, "w"))
"""
STAGES = ("analysis_of", "_write_tables", "report_inputs", "draw_figures", "write_page", "_write_documents")


def main() -> None:
    options = _options()
    rows = []
    for count in options.requests or SIZES:
        folder = Path(tempfile.mkdtemp(dir=options.folder))
        try:
            begun = time.monotonic()
            run = make_run(folder, count, one=options.levels == "one", csv=not options.no_csv, events=options.events)
            made_s = time.monotonic() - begun
            rows.append({"requests": count, "made_s": made_s, **reported(run, folder)})
            print(json.dumps(rows[-1]), flush=True)
        finally:
            if not options.keep:
                shutil.rmtree(folder)
    columns = [("requests", "requests"), ("seconds", "seconds"), ("cpu_s", "CPU"), ("peak_mib", "peak MiB")]
    columns += [(name, name) for name in rows[0]["stages"]]
    print_table(columns, [{**row, **row["stages"]} for row in rows])
    write_result("analysis", {"levels": options.levels, "csv": not options.no_csv, "rows": rows})


def make_run(folder: Path, count: int, *, one: bool, csv: bool, events: float = 0.1) -> Path:
    """A run of so many requests below `folder`; its directory."""
    config = folder / "analysed.yml"
    config.write_text(yaml.safe_dump(_config(one, csv), sort_keys=False), encoding="utf-8")
    workspace = create_run(config, results=folder / "results").workspace
    levels = _levels(count, one, events)
    for level in levels:
        write_level(workspace.level(level.key), level)
    _note_done(workspace)
    return workspace.path


def reported(run: Path, folder: Path) -> dict[str, Any]:
    """What reporting a run took."""
    stages = folder / "stages.json"
    program = REPORT.replace("STAGES", repr(STAGES)).replace("OUT", repr(str(stages)))
    begun = time.monotonic()
    with (folder / "report.log").open("wb") as log:
        process = subprocess.Popen([sys.executable, "-c", program, str(run)], cwd=folder, stdout=log, stderr=log)
        watch = _Watch(process.pid)
        watch.start()
        _, status, used = os.wait4(process.pid, 0)
    seconds = time.monotonic() - begun
    watch.join()
    if status and not (run / "report.md").exists():
        raise SystemExit((folder / "report.log").read_text(errors="replace"))
    size = {path.name: path.stat().st_size for path in sorted((run / "metrics").iterdir())}
    return {
        "seconds": seconds,
        "cpu_s": used.ru_utime + used.ru_stime,
        "peak_mib": watch.peak / 2**20,
        "load_average": os.getloadavg()[0],
        "records_mib": sum(path.stat().st_size for path in (run / "requests").rglob("*.parquet")) / 2**20,
        "tables_mib": sum(size.values()) / 2**20,
        "stages": json.loads(stages.read_text()),
        "exit": os.waitstatus_to_exitcode(status),
    }


class _Watch(threading.Thread):
    """The greatest memory of a process and all below it, bytes."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self._pid = pid
        self.peak = 0

    def run(self) -> None:
        while True:
            try:
                root = psutil.Process(self._pid)
                if root.status() == psutil.STATUS_ZOMBIE:
                    return
                self.peak = max(self.peak, sum(map(_resident, [root, *root.children(recursive=True)])))
            except psutil.NoSuchProcess:
                return
            time.sleep(LOOK_S)


def _resident(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.NoSuchProcess:
        return 0


def _levels(count: int, one: bool, events: float) -> list[MadeLevel]:
    pairs = [(name, payload) for name in EXPERIMENTS for payload in PAYLOADS]
    loads: list[tuple[int | None, int | None]] = [(each, None) for each in CONCURRENCIES]
    loads += [(None, each) for each in RATES]
    kinds = [(name, payload, load) for name, payload in pairs for load in loads]
    if one:
        kinds = [(EXPERIMENTS[0], PAYLOADS[0], (CONCURRENCIES[-1], None))]
    return [
        MadeLevel(
            LevelKey(name, payload, f"concurrency-{slots}" if rate is None else f"rate-{rate}"),
            count // len(kinds), number, BEGAN + number * 400 * HOUR, slots, rate, events,
        )
        for number, (name, payload, (slots, rate)) in enumerate(kinds)
    ]  # fmt: skip


def _config(one: bool, csv: bool) -> dict[str, Any]:
    experiment = {
        "platform": "endpoint", "protocol": "openai", "ep_name": "http://127.0.0.1:8000/v1/chat/completions",
        "model_id": "made", "tokenizer": "words", "instance_type": "m7a.xlarge",
        "payload_files": list(PAYLOADS[:1] if one else PAYLOADS),
        "concurrency_levels": list(CONCURRENCIES[-1:] if one else CONCURRENCIES),
        **({} if one else {"request_rates": list(RATES)}),
    }  # fmt: skip
    filters = [
        {"language": "en", "min_length_in_tokens": low, "max_length_in_tokens": high, "payload_file": name}
        for name, (low, high) in zip(PAYLOADS, ((1, 500), (500, 1000)), strict=True)
    ]
    return {
        "general": {"name": "analysed"},
        "datasets": {"prompt_template_keys": ["input"], "filters": filters},
        "pricing": {"instance_based": {"m7a.xlarge": 0.2318}},
        "load": {"requests": 1000, "prompt_reuse": "allowed", "arrival": "poisson", "warmup_requests": 8},
        "slo": {"ttft": 0.2, "latency": 1.0},
        "monitors": {"enabled": False},
        "report": {"latency_budget": 2.0, "error_rate_budget": 0.05, "per_request_csv": "yes" if csv else "no"},
        "experiments": [{"name": name, **experiment} for name in (EXPERIMENTS[:1] if one else EXPERIMENTS)],
    }


def _note_done(workspace: Workspace) -> None:
    """Have the run's steps stand as done."""
    state = json.loads(workspace.run_file.read_text())
    names = ("0_setup", "1_generate_data", "2_deploy_model", "3_run_inference")
    state["steps"] |= {
        name: {"status": "done", "started": "2026-11-29T22:39:53+00:00", "duration_s": 1.0} for name in names
    }
    workspace.run_file.write_text(json.dumps(state))


def _options(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("requests", nargs="*", type=int)
    parser.add_argument("--levels", choices=("one", "many"), default="many")
    parser.add_argument("--events", type=float, default=0.1, help="share of requests with the times of all tokens")
    parser.add_argument("--no-csv", action="store_true")
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--keep", action="store_true")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
