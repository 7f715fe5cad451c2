"""Reading values that may be missing: an absent key, None, NaN and pandas' NA all mean missing, and never zero."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np
import pandas as pd

from fmbench_lib.metrics.rows import Frame, Rows

Row: TypeAlias = Mapping[str, Any]
"""One level (or one slice of it) by column name."""

NAN = float("nan")


def number(row: Row, key: str) -> float | None:
    """The finite number under `key`, or None where it is missing (a text, NaN or an infinity is not a number)."""
    value = row.get(key)
    if value is None or value is pd.NA or isinstance(value, str):
        return None
    result = float(value)
    return result if math.isfinite(result) else None


def text(row: Row, key: str) -> str | None:
    """The text under `key`, or None where it is missing or empty."""
    value = row.get(key)
    if value is None or value is pd.NA or (isinstance(value, float) and math.isnan(value)):
        return None
    return str(value) or None


def or_nan(value: float | None) -> float:
    """The number as a float, with NaN for None, which is how frames hold what is missing."""
    return NAN if value is None else float(value)


def floats(frame: Frame, column: str) -> np.ndarray[Any, np.dtype[np.float64]]:
    """A column as float64 with NaN for what is missing, even where the whole column is. It may be the frame's own."""
    if column not in frame.columns:
        return np.full(len(frame), np.nan)
    if not isinstance(frame, Rows):
        return _floats(frame[column])
    return frame.among(_floats(frame.frame[column].iloc[frame.begin : frame.end]))


def _floats(series: pd.Series[Any]) -> np.ndarray[Any, np.dtype[np.float64]]:
    if series.dtype == np.float64:
        return series.to_numpy()
    if isinstance(series.dtype, np.dtype) and series.dtype.kind in "biuf":
        return series.to_numpy().astype(np.float64)
    return pd.to_numeric(series, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)


def tallies(column: pd.Series[Any]) -> dict[str, int]:
    """How often each value of a column stands in it, as text; without what is missing."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        codes = column.cat.codes.to_numpy()
        each = np.bincount(codes[codes >= 0], minlength=len(column.cat.categories))
        return {str(value): int(count) for value, count in zip(column.cat.categories, each, strict=True) if count}
    counts = column.value_counts()
    return {str(value): int(count) for value, count in counts.items() if count}


def plain(row: Row) -> dict[str, Any]:
    """The row in Python's built-in types with None for what is missing, ready for JSON."""
    return {str(key): _plain(value) for key, value in row.items()}


def rows_of(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows of a frame, each as `plain` gives it, in the frame's order."""
    columns = [[_plain(value) for value in column.tolist()] for _, column in frame.items()]
    names = [str(name) for name in frame.columns]
    return [dict(zip(names, cells, strict=True)) for cells in zip(*columns, strict=True)]


def _plain(value: Any) -> Any:
    if value is None or value is pd.NA:
        return None
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
