"""Whether an evaluation that is killed buys a judgement twice, or loses one.

    python benchmarks/evaluation_deaths.py [INSTANTS]

A run whose answers are judged by three judges, all of them emulated (10% of the judges' requests are refused with 429),
is killed (SIGKILL) at INSTANTS random instants of the judging (default 20), in turn the command, the fork server of the
kernels, the kernel, and a load worker, and resumed. The judges' ledger says what they were asked and answered.

- `lost`: judgements that are not in the tables after the resumption, of all that there should be.
- `twice`: judgements that were answered more than once, though a process of the run had read the first answer, or one
  lived that could; and answers of which no row is kept.
- `in flight`: judgements whose request was in flight when its worker was killed: nobody could receive the answer, and
  they are asked for again. A worker is stopped first, and killed once the judge has written what it will, so that it
  is known how far it was: an answer that the kernel still held for it (`unread`) it had not received, however long ago
  that was written, and one that the kernel no longer held it had. Such a one counts as bought twice.

Where the resumption does not end with 0, as on a machine so busy that the level is invalid, its last lines are in the
result. Prints a table, writes `benchmarks/results/evaluation_deaths.json`, and fails where anything is lost or bought
twice.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import psutil
import pyarrow.parquet as pq
import yaml
from output import print_table, write_result
from played_run import MARK, Running, end

from fmbench_lib.emulator import Behaviour, Constant, Emulator, launch
from fmbench_lib.emulator.faults import parse_fault_rule

QUESTIONS, JUDGES, LONGEST_S, JUDGING_S = 60, 3, 240.0, 4.5
WRITTEN_S = 1.0  # by then the judge has written what it had been asked for when the worker was stopped
WORKER = "sending.worker"
KILLED = ("--config-file", "pipeline.kernels", "kernel", WORKER)
MODEL = Behaviour(ttft=Constant(0.005), itl=Constant(0.001), tokens=Constant(5))
JUDGE = Behaviour(
    ttft=Constant(0.2), itl=Constant(0.001), tokens=Constant(12), echo=True,
    faults=(parse_fault_rule("rate_limit:seconds=1,rate=0.1"),),
)  # fmt: skip
COLUMNS = (
    ("killed", "killed"), ("after_s", "after s"), ("then", "answered then"), ("resumed", "resumed"), ("lost", "lost"),
    ("answered", "answered"), ("twice", "twice"), ("in_flight", "in flight"), ("unread", "unread"),
)  # fmt: skip


def write_config(folder: Path, model: Emulator, judge: Emulator) -> None:
    """A config of one level, judged by three judges whose verdict stands in the question."""
    rows = [
        {"input": f'What is item {n}? [[echo:{{"verdict": "correct"}}]]', "answers": f"Number {n}."}
        for n in range(QUESTIONS + 10)
    ]
    (folder / "source.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    judges = [
        {"name": f"judge {n}", "ep_name": judge.url, "model_id": f"model-{n}", "protocol": "openai", "concurrency": 2}
        for n in range(JUDGES)
    ]
    config = {
        "general": {"name": "evaluation-deaths"},
        "s3_read_data": {"source_data_files": ["source.jsonl"]},
        "datasets": {
            "prompt_template_keys": ["input"],
            "question_col_key": "input",
            "ground_truth_col_key": "answers",
            "filters": [{"min_length_in_tokens": 1, "max_length_in_tokens": 500, "payload_file": "all.jsonl"}],
        },
        "inference_parameters": {"max_tokens": 5},
        "load": {"requests": QUESTIONS, "warmup_requests": 2, "timeout": 10, "prompt_reuse": "never"},
        "evaluation": {"judges": judges},
        "experiments": [
            {
                "name": "model", "platform": "endpoint", "protocol": "openai", "ep_name": model.url,
                "model_id": "emulated", "tokenizer": "words", "payload_files": ["all.jsonl"], "concurrency_levels": [8],
            }
        ],
    }  # fmt: skip
    (folder / "test.yml").write_text(yaml.safe_dump(config, sort_keys=False))


def rows_of(run: Path) -> list[dict[str, Any]]:
    """Every row that is kept of the judges' answers."""
    columns = ["key", "error", "label", "request_id"]
    parts = sorted(run.glob("evaluation/verdicts-*/part-*.parquet"))
    return [row for part in parts for row in pq.read_table(part, columns=columns).to_pylist()]


def played(word: str, after_s: float) -> dict[str, Any]:
    """Kill a process of this kind so long after judging began, resume, and count."""
    mark = f"{os.getpid()}-{time.monotonic_ns()}"
    with tempfile.TemporaryDirectory(prefix="evaluation-") as name, launch(MODEL) as model, launch(JUDGE) as judge:
        folder = Path(name)
        write_config(folder, model, judge)
        environment = {**os.environ, "XDG_STATE_HOME": str(folder / "state"), MARK: mark}
        command = [sys.executable, "-m", "fmbench_lib", "--config-file", "test.yml", "--results-dir", "results"]
        with (folder / "out").open("wb") as out:
            process = subprocess.Popen(
                command, cwd=folder, env=environment, stdout=out, stderr=out, start_new_session=True
            )
        running = Running(folder, process, mark)
        try:
            running.wait_for(lambda: running.run and any(running.run.glob("evaluation/verdicts-*/.round-*")))
            time.sleep(after_s)
            killed_ns, unread = killed(running, word)
            process.wait(LONGEST_S)
            assert running.run is not None
            again = [sys.executable, "-m", "fmbench_lib", "--resume", str(running.run)]
            done = subprocess.run(again, cwd=folder, env=environment, capture_output=True, text=True, timeout=LONGEST_S)
            counts = counted(rows_of(running.run), judge, killed_ns, unread)
        finally:
            end(mark)
    said = (done.stdout + done.stderr).strip().splitlines() if done.returncode else []
    return {"killed": word, "after_s": round(after_s, 2), "resumed": done.returncode, **counts, "said": said[-5:]}


def killed(running: Running, word: str) -> tuple[int, int]:
    """Kill the process, the first of its kind to come.

    Returns when, in ns of the wall clock, or just before it, and on how many connections it had answers that it had
    not read; that is looked at for a worker alone.
    """
    running.wait_for(lambda: running.find(word))
    process, unread = running.find(word), 0
    if word == WORKER and process is not None:
        with contextlib.suppress(psutil.Error):
            process.suspend()
            time.sleep(WRITTEN_S)
            unread = connections_unread(process)
    moment = time.time_ns()
    with contextlib.suppress(psutil.Error, AttributeError):
        process.kill()  # type: ignore[union-attr]
    return moment, unread


def connections_unread(process: psutil.Process) -> int:
    """How many connections of a process hold bytes that it has not read."""
    mine = {connection.laddr.port for connection in process.net_connections("tcp") if connection.raddr}
    waiting = 0
    for line in Path(f"/proc/{process.pid}/net/tcp").read_text().splitlines()[1:]:
        _, local, _, _, queues, *_ = line.split()
        waiting += int(local.rpartition(":")[2], 16) in mine and int(queues.rpartition(":")[2], 16) > 0
    return waiting


def counted(rows: Sequence[dict[str, Any]], judge: Emulator, killed_ns: int, unread: int) -> dict[str, Any]:
    """What was lost, and what was bought twice."""
    keys = {row["request_id"]: row["key"] for row in rows}
    cancelled = {row["request_id"] for row in rows if row["error"] == "cancelled"}
    answers = [entry for entry in judge.read_ledger() if entry.status == 200]
    complete = Counter(keys.get(entry.request_id, entry.request_id) for entry in answers)
    in_flight = Counter(keys[entry.request_id] for entry in answers if entry.request_id in cancelled)
    twice = sum(count - 1 - in_flight[key] > 0 for key, count in complete.items())
    twice += sum(entry.request_id not in keys for entry in answers)
    written = sum(entry.request_id in cancelled and entry.end_ns <= killed_ns for entry in answers)
    answered = {row["key"] for row in rows if row["error"] is None and row["label"] == "correct"}
    return {
        "lost": QUESTIONS * JUDGES - len(answered),
        "then": sum(entry.end_ns <= killed_ns for entry in answers),
        "answered": len(answers),
        "twice": twice + max(written - unread, 0),
        "in_flight": in_flight.total(),
        "unread": unread,
    }


def cases(instants: int) -> Iterator[tuple[str, float]]:
    """Which process is killed, and when."""
    chance = random.Random(14)
    for number in range(instants):
        yield KILLED[number % len(KILLED)], chance.uniform(0.0, JUDGING_S)


def main(instants: int) -> int:
    """Play the cases, print and write the table; 1 where a judgement is lost or bought twice."""
    rows = []
    for word, after_s in cases(instants):
        rows.append(played(word, after_s))
        print(json.dumps(rows[-1]), file=sys.stderr, flush=True)
    print_table(COLUMNS, rows)
    write_result("evaluation_deaths", {"questions": QUESTIONS, "judges": JUDGES, "instants": rows})
    return int(any(row["lost"] or row["twice"] or row["resumed"] for row in rows))


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if sys.argv[1:] else 20))
