from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from fmbench_lib.metrics.stacked_columns import missing_column, stacked


@pytest.mark.parametrize(
    ("parts", "expected", "kind"),
    [
        ([[1, 2], [3]], [1, 2, 3], "i"),
        ([[1, 2], [0.5]], [1, 2, 0.5], "f"),
        ([[1, 2], [None]], [1, 2, np.nan], "f"),
        ([[True], [False, True]], [True, False, True], "b"),
        ([[True], [None]], [True, None], "O"),
        ([["a"], [None, "b"]], ["a", None, "b"], None),
    ],
)
def test_a_part_that_is_all_missing_decides_no_type(parts: list[list[Any]], expected: list[Any], kind: str) -> None:
    found = stacked([pd.Series(part) for part in parts])
    assert kind is None or found.dtype.kind == kind
    for value, other in zip(found.tolist(), expected, strict=True):
        assert value == other or (pd.isna(value) and pd.isna(other))


def test_categories_are_joined() -> None:
    found = stacked([pd.Series(["a", None], dtype="category"), pd.Series(["b", "a"], dtype="category")])
    assert found.dropna().tolist() == ["a", "b", "a"]
    assert found.isna().tolist() == [False, True, False, False]


def test_nothing_is_known_of_a_missing_column() -> None:
    assert missing_column(2).isna().all()
