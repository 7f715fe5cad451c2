"""The levels of an analysed run, read back from its table with the types that the columns are declared with."""

from __future__ import annotations

from typing import Any

import pandas as pd

from fmbench_lib.host.csv_files import without_apostrophe
from fmbench_lib.metrics.columns import Column, Kind
from fmbench_lib.metrics.metric_groups import SUMMARY
from fmbench_lib.workspace import Workspace

LEVELS = "all_metrics_summary.csv"
_TYPES: dict[Kind, Any] = {"whole number": "Int64", "number": "float64", "time": "float64", "flag": "boolean"}


def level_table(workspace: Workspace) -> pd.DataFrame | None:
    """One row per level and attempt, in the columns of `all_metrics_summary.csv`; None before the analysis.

    Times are in seconds, prices in USD. A column that an earlier version did not write is empty.
    """
    path = workspace.metrics(LEVELS)
    if not path.exists():
        return None
    cells = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8")
    return pd.DataFrame({column.name: _typed(cells, column) for column in SUMMARY}, index=cells.index)


def _typed(cells: pd.DataFrame, column: Column) -> pd.Series[Any]:
    texts: list[Any] = list(cells[column.name]) if column.name in cells else [""] * len(cells)
    if column.kind == "text":
        return pd.Series([without_apostrophe(text) or None for text in texts], index=cells.index, dtype="str")
    if column.kind == "flag":
        values: list[Any] = [{"True": True, "False": False}.get(text) for text in texts]
    else:
        values = [None if not text else int(text) if text.lstrip("-").isdigit() else float(text) for text in texts]
    series: pd.Series[Any] = pd.Series(values, index=cells.index, dtype=_TYPES[column.kind])
    return series
