from __future__ import annotations

import math

import pytest
from scipy import stats

from fmbench_lib.metrics.statistics.student import t_quantile


@pytest.mark.parametrize("freedom", [1, 2, 3, 4, 6, 10, 19, 100])
def test_it_is_students(freedom: int) -> None:
    assert t_quantile(0.975, freedom) == pytest.approx(stats.t.ppf(0.975, freedom), rel=0.002)
    assert t_quantile(0.025, freedom) == pytest.approx(-t_quantile(0.975, freedom))


def test_below_one_degree_nothing_is_known() -> None:
    assert t_quantile(0.975, 0.9) == math.inf
