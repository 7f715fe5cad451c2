"""Levels with several attempts: which of them counts, and the command that makes another."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

import pandas as pd

from fmbench_lib.metrics.columns import Cells
from fmbench_lib.metrics.missing import Row, number

AGAIN = "measure it again: "
RUN_DIR = "RUN_DIR"
"""What stands in a command for the run's directory, which the tables of a run do not know."""


def level_name(row: Row) -> str:
    """The name of a level in a command: `experiment/payload/concurrency-4`."""
    payload = str(row.get("payload_file")).removesuffix(".jsonl")
    return f"{row.get('experiment_name')}/{payload}/{row.get('load')}"


def command_again(row: Row, run: str = RUN_DIR) -> str:
    """The command that measures a level again; `run` is the run's directory."""
    return f"{_resume(run)} --remeasure {shlex.quote(level_name(row))}"


def all_again(verdict: str, run: str = RUN_DIR) -> str:
    """The command that measures all levels of a verdict again; `run` is the run's directory."""
    return f"{_resume(run)} --remeasure {verdict}"


def _resume(run: str) -> str:
    return f"fmbench --resume {run if run == RUN_DIR else shlex.quote(run)}"


def last_attempts(rows: Sequence[Row] | Sequence[Cells]) -> list[bool]:
    """Of each row, whether it is the last attempt at its level, which is the one that counts."""
    last: dict[str, float] = {}
    for row in rows:
        name, attempt = level_name(row), number(row, "attempt") or 1
        last[name] = max(last.get(name, attempt), attempt)
    return [(number(row, "attempt") or 1) == last[level_name(row)] for row in rows]


def counting(frame: pd.DataFrame) -> pd.DataFrame:
    """The rows of a frame of levels or requests that belong to the last attempt at their level."""
    if frame.empty or "attempt" not in frame:
        return frame
    key = ["experiment_name", "payload_file", "load"]
    last = frame.groupby(key, sort=False, dropna=False)["attempt"].transform("max")
    return frame[(frame["attempt"] == last).astype(bool)]
