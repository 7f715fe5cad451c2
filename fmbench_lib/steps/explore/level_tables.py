"""The levels of analysed runs, read back from their tables with the types that the columns are declared with."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from typing import Any, TypeAlias

import pandas as pd

from fmbench_lib.host.csv_files import without_apostrophe
from fmbench_lib.metrics.columns import Column, Kind
from fmbench_lib.metrics.metric_groups import SUMMARY
from fmbench_lib.workspace import Workspace

LEVELS = "all_metrics_summary.csv"
RUN = "run"
TableRow: TypeAlias = dict[str, str]
"""A row of a table on disk: texts by column, "" for what is missing."""

_TYPES: dict[Kind, Any] = {"whole number": "Int64", "number": "float64", "time": "float64", "flag": "boolean"}


def level_rows(workspace: Workspace) -> list[TableRow] | None:
    """The rows of a run's table of levels, every attempt; None before the analysis."""
    path = workspace.metrics(LEVELS)
    if not path.exists():
        return None
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def level_frame(rows: Sequence[tuple[str, TableRow]]) -> pd.DataFrame:
    """Rows, each with the name of its run, as a frame: `run`, then the columns of `all_metrics_summary.csv`.

    Times are in seconds, prices in USD. A column that an earlier version did not write is empty.
    """
    runs = pd.Series([run for run, _ in rows], dtype="str")
    typed = {column.name: _typed([row.get(column.name) or "" for _, row in rows], column) for column in SUMMARY}
    return pd.DataFrame({RUN: runs, **typed})


def _typed(cells: Sequence[str], column: Column) -> pd.Series[Any]:
    if column.kind == "text":
        return pd.Series([without_apostrophe(cell) or None for cell in cells], dtype="str")
    values: list[Any]
    if column.kind == "flag":
        values = [{"True": True, "False": False}.get(cell) for cell in cells]
    else:
        values = [None if not cell else int(cell) if cell.lstrip("-").isdigit() else float(cell) for cell in cells]
    series: pd.Series[Any] = pd.Series(values, dtype=_TYPES[column.kind])
    return series
