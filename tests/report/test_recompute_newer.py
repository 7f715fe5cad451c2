"""`benchmarks/recompute.py` computes what the recorded run is too old for: attempts, repeats, newer columns."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from fmbench_lib.config import load_config
from fmbench_lib.runs.opening import config_hash

DATA = Path(__file__).parent / "data"
RECOMPUTE = Path(__file__).parents[2] / "benchmarks/recompute.py"

Row = dict[str, Any]


def with_newer_columns(number: int, row: Row) -> Row:
    """Answers with hidden reasoning, of several choices, held back, sent again, and counted by both sides."""
    success, tokens = row["error"] is None, row["completion_tokens"]
    kind = ("hidden_reasoning", "several_choices", "echo+buffered", None)[number % 4] if success else None
    return row | {
        "seen_tokens": tokens - 3 if kind == "hidden_reasoning" and tokens else tokens,
        "reasoning_tokens": 3 if kind == "hidden_reasoning" else None,
        "choices": 2 if kind == "several_choices" else 1,
        "remarks": kind,
        "prompt_token_source": "words" if number % 5 == 0 else "server",
        "completion_token_source": "server",
        "retried": int(number % 10 == 0),
        "schedule_lag": None if number % 10 == 0 else row["schedule_lag"],
        "endpoint": f"http://copy-{number % 2}",
        "cached_tokens": 5 if number % 3 == 0 else None,
    }


def rewritten(source: Path, target: Path, load: str, **facts: Any) -> None:
    """Write a level's records with the columns of newer ones, and other facts."""
    table = pq.read_table(source)
    rows = [with_newer_columns(number, row) | {"load": load} for number, row in enumerate(table.to_pylist())]
    known = json.loads(table.schema.metadata[b"fmbench"]) | {"load": load} | facts
    pq.write_table(pa.Table.from_pylist(rows).replace_schema_metadata({b"fmbench": json.dumps(known)}), target)


@pytest.fixture
def newer(tmp_path: Path) -> tuple[Path, Path]:
    """The recorded run as a newer version would have recorded it, every level twice, one with two attempts."""
    run, config = tmp_path / "run", tmp_path / "newer.yml"
    shutil.copytree(DATA / "recorded_run", run)
    settings = yaml.safe_load((DATA / "recorded.yml").read_text(encoding="utf-8"))
    settings["load"]["repeats"] = 2
    settings["slo"]["tpot"] = 0.02
    config.write_text(yaml.safe_dump(settings), encoding="utf-8")
    state = json.loads((run / "run.json").read_text(encoding="utf-8"))
    state |= {"config_file": str(config), "config_sha256": config_hash(load_config(config))}
    (run / "run.json").write_text(json.dumps(state), encoding="utf-8")
    for path in list((run / "requests").rglob("*.parquet")):
        rewritten(path, path.with_stem(f"{path.stem}-repeat-2"), f"{path.stem}-repeat-2", attempt=1)
        if path.stem == "concurrency-2":
            rewritten(path, path.with_stem(f"{path.stem}.attempt-1"), path.stem, attempt=1)
        before = {"earlier_run": "older", "earlier_run_at": 1.0, "earlier_prompts": 3, "earlier_ttft_p50": 9.0}
        rewritten(path, path, path.stem, attempt=2, resent_prompts=4, prompt_reuse="never", **before)
    return run, config


@pytest.mark.thorough
def test_every_figure_of_newer_records_is_recomputed(newer: tuple[Path, Path], tmp_path: Path) -> None:
    run, config = newer
    report = [sys.executable, "-m", "fmbench_lib", "report", str(run)]
    done = subprocess.run(report, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    result = tmp_path / "result.json"
    command = [sys.executable, str(RECOMPUTE), str(run), "--config", str(config), "--result", str(result)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(result.read_text(encoding="utf-8"))
    assert found["deviating"] == []
    assert not [name for name in found["not_recomputed"] if not name.endswith(("(prose)", "(not of requests)"))]
    summary = (run / "metrics/all_metrics_summary.csv").read_text(encoding="utf-8")
    assert (run / "metrics/repeated_levels.csv").exists()
    assert all(word in summary for word in ("hidden_reasoning", "buffered", "http://copy-1", "older"))
