from __future__ import annotations

import numpy as np

from fmbench_lib.metrics.statistics.arrays import distinct, in_order


def test_values_that_rise_are_not_copied() -> None:
    rising = np.array([1.0, 1.0, 2.0])
    assert in_order(rising) is rising
    assert in_order(np.array([2.0, np.nan, 1.0])).tolist() == [1, 2]
    assert in_order(np.array([np.nan])).size == 0
    assert in_order(np.empty(0)).size == 0


def test_distinct_values() -> None:
    assert distinct(np.array([3.0, 1.0, np.nan, 3.0, 2.0])).tolist() == [1, 2, 3]
    assert distinct(np.empty(0)).size == 0
