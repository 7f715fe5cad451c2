"""How many judgements a second, and whether memory grows with the number of answers.

    python benchmarks/evaluation.py [ANSWERS]

ANSWERS distinct answers (default 10,000) and twice as many, each judged by three judges, 16 requests in flight to each,
which the emulator answers after 2 ms. Scores, verdicts and all tables are made, each time in a process of its own. The
peak of resident memory is the kernel's; `before judges` is what it is before any judge is asked. Prints a table,
writes `benchmarks/results/evaluation.json`, and fails if the peak grows by more than 10%.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import yaml
from memory import peak_mib
from output import print_table, write_result

from fmbench_lib.emulator import Behaviour, Constant, launch
from fmbench_lib.runs.opening import create_run
from fmbench_lib.runs.run import Run

JUDGES, IN_FLIGHT, GROWTH_ALLOWED = 3, 16, 0.1
JUDGE = Behaviour(ttft=Constant(0.002), itl=Constant(0.0), tokens=Constant(12), tokens_per_event=12, echo=True)
COLUMNS = (
    ("answers", "answers"), ("judgements", "judgements"), ("seconds", "s"), ("asking_s", "asking s"),
    ("per_second", "judgements/s"), ("before_mib", "before judges MiB"), ("peak_mib", "peak MiB"),
)  # fmt: skip
CONTEXT = "The warehouse counts its items once a year, and writes down what it has found. " * 12


def planted(count: int, url: str, folder: Path) -> Run:
    """A run that has measured one level of so many answers."""
    judges = [
        {"name": f"judge {n}", "ep_name": url, "model_id": f"model-{n}", "protocol": "openai", "concurrency": IN_FLIGHT}
        for n in range(JUDGES)
    ]
    config = {
        "general": {"name": "evaluation"},
        "datasets": {"filters": [{"min_length_in_tokens": 1, "max_length_in_tokens": 9000, "payload_file": "a.jsonl"}]},
        "evaluation": {"judges": judges},
        "experiments": [
            {
                "name": "model", "platform": "endpoint", "ep_name": url, "model_id": "m", "tokenizer": "words",
                "payload_files": ["a.jsonl"], "concurrency_levels": [1],
            }
        ],
    }  # fmt: skip
    (folder / "test.yml").write_text(yaml.safe_dump(config))
    run = create_run(folder / "test.yml", results=folder / "results")
    with run.workspace.payload("a.jsonl").open("w") as file:
        for n in range(count):
            question = f'What is item {n}? [[echo:{{"verdict": "{"in" if n % 4 == 0 else ""}correct"}}]]'
            row = {"prompt_id": f"p{n:08d}", "prompt": CONTEXT + question, "prompt_tokens": 200}
            file.write(json.dumps({**row, "question": question, "ground_truth": f"Number {n}."}) + "\n")
    path = run.workspace.level(next(iter(run_keys(run))))
    path.parent.mkdir(parents=True)
    with pq.ParquetWriter(path, SCHEMA) as writer:
        for start in range(0, count, 1000):
            rows = [answer_row(n) for n in range(start, min(start + 1000, count))]
            writer.write_table(pa.Table.from_pylist(rows, schema=SCHEMA))
    return run


SCHEMA = pa.schema([(name, pa.string()) for name in ("phase", "prompt_id", "completion", "finish_reason", "error")])


def run_keys(run: Run) -> list[Any]:
    """The levels of the run."""
    from fmbench_lib.steps.run_inputs.levels import run_levels

    return [level.key for level in run_levels(run)]


def answer_row(n: int) -> dict[str, Any]:
    """A record with what an evaluation reads of it."""
    text = f"It is number {n}, as was written down. " * 2
    return {"phase": "measured", "prompt_id": f"p{n:08d}", "completion": text, "finish_reason": "stop", "error": None}


def measure(count: int, url: str) -> dict[str, Any]:
    """Evaluate so many answers in this process."""
    from fmbench_lib.evaluation.asking.panel import Panel
    from fmbench_lib.steps.evaluation import evaluate

    asking = {"seconds": 0.0, "before_mib": 0.0}
    judge = Panel.judge

    def timed(panel: Panel, batches: Any) -> None:
        begun, asking["before_mib"] = time.monotonic(), peak_mib(os.getpid())
        judge(panel, batches)
        asking["seconds"] += time.monotonic() - begun

    Panel.judge = timed  # type: ignore[method-assign]
    with tempfile.TemporaryDirectory(prefix="evaluation-") as name:
        run = planted(count, url, Path(name))
        begun = time.monotonic()
        table = evaluate(run)
        seconds = time.monotonic() - begun
    assert table["questions"].tolist() == [count]
    assert table["correct"].tolist() == [count - -(-count // 4)]
    return {
        "answers": count, "judgements": count * JUDGES, "seconds": seconds, "asking_s": asking["seconds"],
        "per_second": count * JUDGES / asking["seconds"], "before_mib": asking["before_mib"],
        "peak_mib": peak_mib(os.getpid()),
    }  # fmt: skip


def main(answers: int) -> int:
    """Measure both sizes, print and write the table; 1 where the peak grows."""
    rows = []
    for count in (answers, 2 * answers):
        with launch(JUDGE) as emulator:
            command = [sys.executable, __file__, "measure", str(count), emulator.url]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            print(done.stderr, file=sys.stderr)
            return 1
        rows.append(json.loads(done.stdout.strip().splitlines()[-1]))
    growth = rows[1]["peak_mib"] / rows[0]["peak_mib"] - 1
    print_table(COLUMNS, rows)
    print(f"the peak grows by {growth:.1%}")
    write_result("evaluation", {"judges": JUDGES, "in_flight": IN_FLIGHT, "rows": rows, "growth": growth})
    return int(growth > GROWTH_ALLOWED)


if __name__ == "__main__":
    if sys.argv[1:2] == ["measure"]:
        print(json.dumps(measure(int(sys.argv[2]), sys.argv[3])))
        sys.exit(0)
    sys.exit(main(int(sys.argv[1]) if sys.argv[1:] else 10_000))
