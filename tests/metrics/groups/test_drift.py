"""The trend test against scipy, and how often it errs."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from fmbench_lib.metrics.groups.drift import drift
from fmbench_lib.metrics.statistics.trend import mann_kendall, theil_sen


@given(st.lists(st.floats(-100, 100), min_size=3, max_size=15, unique=True))
def test_theil_sen_is_scipys(values):
    x = np.arange(len(values), dtype=float)
    assert theil_sen(x, values) == pytest.approx(stats.theilslopes(values, x).slope, abs=1e-9)


def test_mann_kendall_by_hand():
    # n = 10, all 45 pairs rise: S = 45, variance = 10*9*25/18 = 125, z = 44/sqrt(125)
    assert mann_kendall(np.arange(10.0)) == pytest.approx(2 * stats.norm.sf(44 / np.sqrt(125)))
    assert mann_kendall(np.ones(10)) == 1.0
    # with ties 1 1 2 2: S = 4, variance = (4*3*13 - 2*(2*1*9))/18 = 20/3
    assert mann_kendall([1.0, 1.0, 2.0, 2.0]) == pytest.approx(2 * stats.norm.sf(3 / np.sqrt(20 / 3)))


def test_a_rise_by_half_is_measured_as_one():
    found = drift(np.linspace(0.8, 1.2, 10))
    assert found.change == pytest.approx(0.4)
    assert found.p_value < 0.001


def test_slices_without_a_value_are_left_out_and_too_few_give_none():
    gappy = [1.0, float("nan"), 1.2, 1.3, float("nan"), 1.5, 1.6, 1.7, 1.8, 1.9]
    assert drift(gappy).change == pytest.approx(0.9 / np.median([1.0, 1.2, 1.3, 1.5, 1.6, 1.7, 1.8, 1.9]))
    assert drift([1.0, 2.0, 3.0, 4.0, 5.0]) is None
    assert drift([float("nan")] * 10) is None
    assert drift([0.0] * 10) is None


def test_noise_is_seldom_taken_for_a_trend_and_one_outlier_never():
    generator = np.random.default_rng(1)
    alarms = sum(drift(generator.lognormal(size=10)).p_value < 0.01 for _ in range(1000))
    assert alarms / 1000 < 0.015
    assert drift([1.0, 1.1, 0.9, 1.0, 1.1, 0.9, 1.0, 1.1, 0.9, 90.0]).p_value > 0.05
