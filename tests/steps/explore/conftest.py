"""Runs to ask: the recorded one, and small ones made of records that a test writes."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from fmbench_lib.host.csv_files import write_csv
from fmbench_lib.load.recording.records import table_from_rows, write_tables
from fmbench_lib.workspace import LevelKey, Workspace

RECORDED = Path(__file__).parents[2] / "report" / "data" / "recorded_run"
FACTS: dict[str, Any] = {"experiment_name": "one", "payload_file": "p.jsonl", "load": "concurrency-1", "concurrency": 1}
RECORD: dict[str, Any] = {
    "phase": "measured",
    "due": 100.0,
    "sent": 100.0,
    "first": 101.0,
    "first_answer": 101.0,
    "last": 103.0,
    "end": 103.0,
    "event_times": [101.0, 103.0],
    "streamed": True,
    "prompt_tokens": 7,
    "completion_tokens": 5,
    "seen_tokens": 5,
    "choices": 1,
    "completion": "an answer",
}

MakeRun = Callable[..., Path]
AddLevel = Callable[..., Path]


@pytest.fixture
def recorded(tmp_path: Path) -> Path:
    """A copy of the recorded run, in a folder whose name a pattern of files would take for something else."""
    folder = tmp_path / "it's a=1 [x]*" / "run"
    shutil.copytree(RECORDED, folder)
    return folder


@pytest.fixture
def make_run(tmp_path: Path) -> MakeRun:
    """Makes a run directory below `results` with nothing but its state."""

    def make(run_id: str, name: str = "mine", created: str = "2026-11-29T10:00:00+00:00") -> Path:
        folder = tmp_path / "results" / name / run_id
        folder.mkdir(parents=True)
        state = {"run_id": run_id, "name": name, "status": "finished", "created": created, "steps": {}}
        (folder / "run.json").write_text(json.dumps(state))
        return folder

    return make


@pytest.fixture
def add_level() -> AddLevel:
    """Writes the records of a level into a run: each is `RECORD` with some columns replaced."""

    def add(run: Path, *records: dict[str, Any], attempt: int = 0, **facts: Any) -> Path:
        known = {**FACTS, **facts}
        key = LevelKey(known["experiment_name"], known["payload_file"], known["load"])
        workspace = Workspace(run)
        path = workspace.earlier_attempt(key, attempt) if attempt else workspace.level(key)
        path.parent.mkdir(parents=True, exist_ok=True)
        rows: Any = [{**RECORD, **known, **record} for record in records]
        write_tables(path, [table_from_rows(rows)], known)  # type: ignore[arg-type]
        return path

    return add


def add_table(run: Path, *rows: dict[str, Any]) -> None:
    """Write the table of analysed levels, with these columns only."""
    path = Workspace(run).metrics("all_metrics_summary.csv")
    path.parent.mkdir(exist_ok=True)
    write_csv(pd.DataFrame([{**FACTS, "attempt": 1, "verdict": "valid", **row} for row in rows]), path)
