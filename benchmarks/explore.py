"""Five questions to 20 runs of 1,000,000 requests in all, each of at most five lines of Python.

    python benchmarks/explore.py [--runs N] [--requests N] [--folder FOLDER]

Makes the runs first: each has two experiments at two loads and one that fails, with latencies drawn from known
distributions, the times of all events in every tenth request, and the table of levels that the analysis computes. Then
asks each question in a process of its own, as a person does who has just started Python. Prints the question, its
lines, the answer and the seconds: `first` from opening the runs to the answer, without the imports, `CPU` of the same,
and `again` for the same lines a second time. Writes `benchmarks/results/explore.json` and fails if an answer takes
longer than 3 s the first time, or a question has more than 5 lines.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from output import write_result

from fmbench_lib.host.csv_files import write_csv
from fmbench_lib.load.recording.records import RECORD_SCHEMA, read_level, write_tables
from fmbench_lib.metrics.tables import summary_frame
from fmbench_lib.pricing.price_list import PriceList
from fmbench_lib.workspace import LevelKey, Workspace

MOST_SECONDS, MOST_LINES = 3.0, 5
LEVELS = (("fast", 1), ("fast", 8), ("slow", 1), ("slow", 8), ("faulty", 4))
BEGAN = datetime(2026, 11, 1, tzinfo=UTC)
PRICES = {"instance_based": {"m7a.xlarge": 0.23}}
EVENTS = 20

QUESTIONS = {
    "Which experiment is cheapest within 2 s at p95, over all runs?": """\
levels = runs.levels()
within = levels[(levels["latency_p95"] <= 2) & (levels["errors"] == 0)]
print(within.groupby("experiment_name")["price_per_10k_txn"].median().sort_values())""",
    "Did TTFT get worse from run to run?": """\
print(runs.sql('''
    SELECT run, count(*) AS n, median(TTFT) AS p50, quantile_cont(TTFT, [0.95, 0.99]) AS p95_p99
    FROM requests WHERE experiment_name = 'fast' AND load = 'concurrency-8' AND in_window AND success
    GROUP BY run ORDER BY run''').to_string())""",
    "How does latency grow with the length of the answer?": """\
print(runs.sql('''
    SELECT experiment_name, completion_token_count // 50 * 50 AS tokens_from, count(*) AS n, avg(latency) AS mean
    FROM requests WHERE success GROUP BY ALL ORDER BY ALL''').to_string())""",
    "Which errors came, where, and after how many seconds?": """\
print(runs.sql('''
    SELECT experiment_name, load, error, count(*) AS n, median("end" - due) AS after_s
    FROM requests WHERE error IS NOT NULL GROUP BY ALL ORDER BY ALL''').to_string())""",
    "Where do streams stall: gaps between tokens of all requests whose events were kept?": """\
print(runs.sql('''
    SELECT experiment_name, load, count(*) AS gaps, median(gap) AS p50, quantile_cont(gap, 0.999) AS p999
    FROM (SELECT experiment_name, load, unnest(ITL) AS gap FROM requests) GROUP BY ALL ORDER BY ALL''').to_string())""",
}


def make_runs(folder: Path, runs: int, requests: int) -> None:
    """Runs of `requests` requests in all, below `folder`."""
    for number in range(runs):
        began = BEGAN + timedelta(days=number)
        workspace = Workspace(folder / "explored" / began.strftime("%Y%m%d-%H%M%SZ"))
        workspace.path.mkdir(parents=True)
        state = {"run_id": workspace.run_id, "name": "explored", "status": "finished", "steps": {}, "seed": number}
        workspace.run_file.write_text(json.dumps({**state, "created": began.isoformat()}))
        paths = [
            make_level(workspace, name, load, requests // runs // len(LEVELS), began.timestamp(), number)
            for name, load in LEVELS
        ]
        table = workspace.metrics("all_metrics_summary.csv")
        table.parent.mkdir()
        write_csv(summary_frame(map(read_level, paths), PriceList.from_mapping(PRICES, "the benchmark")), table)


def make_level(workspace: Workspace, name: str, load: int, count: int, began: float, seed: int) -> Path:
    """A level of a closed loop: `load` requests at a time, one after the other in each slot."""
    random = np.random.default_rng([seed, load, len(name)])
    tokens = random.integers(20, 400, count)
    ttft = random.gamma(4, 0.02 * (2 if name == "slow" else 1) * load**0.5, count)
    token_time = 0.004 if name == "slow" else 0.002
    seconds = ttft + tokens * token_time
    due = began + np.concatenate([np.cumsum(part) - part for part in np.array_split(seconds, load)])
    first, last = due + ttft, due + seconds
    failed = random.random(count) < (0.1 if name == "faulty" else 0)
    kept = (random.random(count) < 0.1) & ~failed
    steps = np.linspace(0, 1, EVENTS)
    events = [list(first[i] + (last[i] - first[i]) * steps) if kept[i] else [] for i in range(count)]
    key = LevelKey(name, "prompts.jsonl", f"concurrency-{load}")
    columns: dict[str, Any] = {
        "request_id": [f"{seed}-{name}-{load}-{i}" for i in range(count)],
        "experiment_name": [name] * count, "payload_file": [key.payload_file] * count, "load": [key.load] * count,
        "phase": ["measured"] * count, "prompt_id": [f"p{i}" for i in range(count)], "worker": [0] * count,
        "due": due, "sent": due, "first": first, "first_answer": first, "last": last, "end": last,
        "event_times": events, "streamed": [True] * count, "choices": [1] * count, "status": [200] * count,
        "prompt_tokens": random.integers(50, 500, count), "completion_tokens": tokens, "seen_tokens": tokens,
        "error": [["timeout", "http_5xx"][i % 2] if bad else None for i, bad in enumerate(failed)],
        "completion": ["word " * int(each) for each in tokens],
    }  # fmt: skip
    arrays = [pa.array(columns.get(field.name, [None] * count), field.type) for field in RECORD_SCHEMA]
    facts: Any = {
        **key._asdict(), "concurrency": load, "instance_type": "m7a.xlarge", "instance_count": 1,
        "window_start": began, "window_end": float(due.max()), "started": began, "ended": float(last.max()),
        "requested": count, "warmup": 0, "workers": 1, "seed": seed, "timeout": 60.0, "client_cpu": [0.1],
    }  # fmt: skip
    path = workspace.level(key)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_tables(path, [pa.Table.from_arrays(arrays, schema=RECORD_SCHEMA)], facts)
    return path


def asked(lines: str, folder: Path) -> dict[str, Any]:
    """The answer to a question and its seconds, in a new process."""
    program = (
        "import contextlib, io, time\n"
        "from fmbench_lib import open_runs\n"
        "import duckdb\n"
        "began, used = time.perf_counter(), time.process_time()\n"
        f"runs = open_runs({str(folder)!r})\n{lines}\n"
        "first, used = time.perf_counter(), time.process_time() - used\n"
        f"with contextlib.redirect_stdout(io.StringIO()):\n    exec({lines!r})\n"
        "print(first - began, used, time.perf_counter() - first)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    *answer, seconds = done.stdout.splitlines()
    first_s, cpu_s, again_s = map(float, seconds.split())
    seconds_of = {"first_s": first_s, "cpu_s": cpu_s, "again_s": again_s}
    return {"answer": "\n".join(answer), **seconds_of, "lines": len(lines.splitlines())}


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Five questions to many runs.")
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--requests", type=int, default=1_000_000)
    parser.add_argument("--folder", type=Path, help="where the runs are, or are made; default: a temporary folder")
    options = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as scratch:
        folder = options.folder or Path(scratch)
        if not list(folder.glob("explored/*")):
            began = time.perf_counter()
            make_runs(folder, options.runs, options.requests)
            print(f"made {options.runs} runs of {options.requests:,} requests: {time.perf_counter() - began:.0f} s\n")
        rows = []
        for question, lines in QUESTIONS.items():
            row = {"question": question, **asked(lines, folder)}
            print(f"## {question}\n\n{lines}\n\n{row['answer']}\n")
            seconds = f"{row['first_s']:.2f} s ({row['cpu_s']:.2f} s CPU), again {row['again_s']:.2f} s"
            print(f"{row['lines']} lines, {seconds}\n")
            rows.append(row)
    missed = [row["question"] for row in rows if row["first_s"] > MOST_SECONDS or row["lines"] > MOST_LINES]
    print(f"missed: {'; '.join(missed)}" if missed else f"each within {MOST_SECONDS:g} s and {MOST_LINES} lines")
    write_result("explore", {"runs": options.runs, "requests": options.requests, "missed": missed, "questions": rows})
    return 1 if missed else 0


if __name__ == "__main__":
    raise SystemExit(main())
