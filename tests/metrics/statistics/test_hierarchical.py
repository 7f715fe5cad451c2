"""Intervals over repeats, against values worked out by hand and with scipy."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from fmbench_lib.metrics.statistics.hierarchical import RepeatFigure, repeated_interval


def figures(*values: float, **other: float) -> list[RepeatFigure]:
    return [RepeatFigure(value, **other) for value in values]


def test_it_is_students_of_the_logarithms() -> None:
    # logarithms 0, ln 2, 2 ln 2: mean ln 2, standard deviation ln 2; t with two degrees of freedom is 4.3027
    factor = 2 ** (4.302652729911275 / math.sqrt(3))
    assert repeated_interval(2.0, figures(1.0, 2.0, 4.0)) == pytest.approx((2 / factor, 2 * factor))
    values = np.log([1.0, 1.1, 1.3, 0.9, 1.2])
    ends = stats.t.interval(0.95, 4, values.mean(), values.std(ddof=1) / math.sqrt(5))
    middle = math.exp(values.mean())
    assert repeated_interval(middle, figures(*np.exp(values))) == pytest.approx(np.exp(ends), rel=0.005)


def test_that_of_a_time_reaches_farther_up_the_fewer_the_repeats() -> None:
    for values in ((1.0, 4.0), (1.0, 2.0, 4.0)):
        low, high = repeated_interval(2.0, figures(*values)) or (0, 0)
        same_low, farther = repeated_interval(2.0, figures(*values), of_times=True) or (0, 0)
        assert same_low == low
        assert farther == pytest.approx(2 * (high / 2) ** (1 + 1 / (len(values) - 1)))


def test_it_holds_the_pooled_figure_and_the_middle_of_the_repeats() -> None:
    factor = 2 ** (4.302652729911275 / math.sqrt(3))
    assert repeated_interval(3.0, figures(1.0, 2.0, 4.0)) == pytest.approx((2 / factor, 3 * factor))


def test_it_is_never_narrower_than_what_chance_within_the_repeats_allows() -> None:
    # repeats that agree exactly: 1.0 (0.7 to 1.4) of weight 1, and of weight 3
    same = [RepeatFigure(1.0, 0.7, 1.4, weight) for weight in (1.0, 3.0)]
    below, above = (math.hypot(1 * reach, 3 * reach) / 4 for reach in (0.3, 0.4))
    assert repeated_interval(1.0, same) == pytest.approx((1 - below, 1 + above))
    assert repeated_interval(1.0, figures(1.0, 1.0)) == (1.0, 1.0)


def test_repeats_that_differ_more_than_chance_allows_decide() -> None:
    low, high = repeated_interval(2.0, figures(1.9, 2.0, 2.1, low=1.89, high=2.11)) or (0, 0)
    assert low < 1.8
    assert high > 2.2


@pytest.mark.parametrize("alone", [[], figures(1.0), figures(1.0, 2.0, 3.0, enough=0.3)])
def test_without_repeats_or_with_too_short_ones_there_is_none(alone: list[RepeatFigure]) -> None:
    assert repeated_interval(1.0, alone) is None


def test_repeats_that_are_long_enough_together_have_one() -> None:
    assert repeated_interval(2.0, figures(1.0, 2.0, 3.0, enough=0.34)) is not None


def test_a_figure_of_nothing_has_no_logarithm() -> None:
    low, high = repeated_interval(1.0, figures(0.0, 1.0, 2.0)) or (1, 1)
    assert (low, high) == (0.0, pytest.approx(1 + 4.302652729911275 / math.sqrt(3)))
