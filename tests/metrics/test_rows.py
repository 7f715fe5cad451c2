"""Rows of a frame are what pandas takes of it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from fmbench_lib.metrics.missing import floats, tallies
from fmbench_lib.metrics.rows import Rows

FRAME = pd.DataFrame(
    {
        "time": [0.5, np.nan, 2.0, 3.0, 4.0],
        "whole": [1, 2, 3, 4, 5],
        "flag": [True, False, True, True, False],
        "label": pd.Categorical(["a", None, "b", "a", "c"]),
    }
)


@pytest.mark.parametrize("flags", ["11111", "00000", "01110", "01010", "10001", "00100"])
def test_columns_of_chosen_rows(flags: str) -> None:
    chosen = np.array([flag == "1" for flag in flags])
    rows, expected = Rows.chosen(FRAME, chosen), FRAME[chosen]
    assert len(rows) == len(expected)
    assert rows.places.tolist() == expected.index.tolist()
    assert rows["label"].tolist() == expected["label"].tolist()
    for name in ("time", "whole", "flag", "not there"):
        assert floats(rows, name).tolist() == pytest.approx(floats(expected, name).tolist(), nan_ok=True)
    assert rows.of(np.arange(5)).tolist() == expected.index.tolist()
    assert rows.table(["whole", "not there"]).to_dict("list") == {"whole": expected["whole"].tolist()}
    together = [place for part in rows.parts(2) for place in part.places.tolist()]
    assert together == expected.index.tolist()


def test_rows_of_rows() -> None:
    rows = Rows.chosen(FRAME, np.array([True, False, True, False, True]))
    assert rows.where(np.array([False, True, True])).places.tolist() == [2, 4]
    assert rows.where(np.array([False, False, False])).places.tolist() == []


def test_rows_in_another_order() -> None:
    rows = replace(Rows.chosen(FRAME, np.array([True, False, True, True, True])), order=np.array([3, 0, 2, 1]))
    assert floats(rows, "whole").tolist() == rows["whole"].tolist() == [5, 1, 4, 3]


def test_rows_that_follow_each_other_share_the_memory_of_the_frame() -> None:
    rows = Rows.chosen(FRAME, np.array([False, True, True, True, False]))
    assert np.shares_memory(floats(rows, "time"), FRAME["time"].to_numpy())


def test_labels_are_counted_by_category() -> None:
    assert tallies(FRAME["label"]) == {"a": 2, "b": 1, "c": 1}
    assert tallies(FRAME["label"][:2]) == {"a": 1}
