"""Columns of several levels one below the other, whose types need not agree.

A level where all of a column is missing does not decide its type.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd


def stacked(columns: Sequence[pd.Series[Any]]) -> pd.Series[Any]:
    """One column from the parts of it, with the index from 0 on; numbers stay numbers where a part is all missing."""
    kinds = {column.dtype.kind for column in columns if not _all_missing(column)}
    if kinds == {"b"} and not any(map(_all_missing, columns)):
        return pd.Series(np.concatenate([column.to_numpy(dtype=bool) for column in columns]))
    if kinds and kinds <= set("iuf"):
        whole = kinds <= set("iu") and not any(map(_all_missing, columns))
        parts = [_numbers(column, whole) for column in columns]
        return pd.Series(np.concatenate(parts))
    if all(isinstance(column.dtype, pd.CategoricalDtype) for column in columns):
        return pd.Series(pd.api.types.union_categoricals(list(columns), ignore_order=True))
    return pd.concat([column.astype(object) for column in columns], ignore_index=True).infer_objects()


def missing_column(length: int) -> pd.Series[Any]:
    """A column of which nothing is known."""
    return pd.Series(np.full(length, np.nan))


def _all_missing(column: pd.Series[Any]) -> bool:
    return bool(column.isna().all())


def _numbers(column: pd.Series[Any], whole: bool) -> np.ndarray[Any, Any]:
    if whole:
        return column.to_numpy(dtype=np.int64)
    return pd.to_numeric(column, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
