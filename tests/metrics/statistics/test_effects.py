"""Relative differences with their intervals, against values worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from fmbench_lib.metrics.statistics.effects import Effect, Reading, effect


def readings(*values: float, error: float = 0.03) -> list[Reading]:
    return [Reading(value, error) for value in values]


def found(base: list[Reading], new: list[Reading], *, paired: bool = False) -> Effect:
    result = effect(base, new, paired=paired)
    assert result is not None
    return result


def test_of_one_measurement_each_it_is_normal_on_the_logarithmic_scale() -> None:
    result, error = found(readings(2.0), readings(2.2)), math.hypot(0.03, 0.03)
    assert result.change == pytest.approx(0.1)
    assert result.low == pytest.approx(1.1 * math.exp(-1.959964 * error) - 1, rel=1e-6)
    assert result.high == pytest.approx(1.1 * math.exp(1.959964 * error) - 1, rel=1e-6)
    assert result.p == pytest.approx(math.erfc(math.log(1.1) / error / math.sqrt(2)), rel=1e-9)
    assert result.visible == pytest.approx(math.exp((1.959964 + 0.8416212) * error) - 1, rel=1e-6)


def test_turning_the_sides_around_turns_the_ratio_around() -> None:
    there, back = (
        found(*sides)
        for sides in (
            (readings(1.0, 1.05, 0.97), readings(1.2, 1.1, 1.15)),
            (readings(1.2, 1.1, 1.15), readings(1.0, 1.05, 0.97)),
        )
    )
    assert 1 + back.change == pytest.approx(1 / (1 + there.change))
    assert (1 + back.low, 1 + back.high) == pytest.approx((1 / (1 + there.high), 1 / (1 + there.low)))
    assert back.p == pytest.approx(there.p)


def test_equal_figures_have_no_difference_and_an_interval_around_it() -> None:
    result = found(readings(1.0, 1.0, 1.0), readings(1.0, 1.0, 1.0))
    assert (result.change, result.p) == (pytest.approx(0.0), pytest.approx(1.0))
    assert result.low < 0 < result.high


def test_repeats_that_agree_narrow_the_interval_and_those_that_disagree_widen_it() -> None:
    once = found(readings(1.0), readings(1.1))
    agreeing = found(readings(0.99, 1.0, 1.01), readings(1.09, 1.1, 1.11))
    disagreeing = found(readings(0.8, 1.0, 1.25), readings(0.88, 1.1, 1.375))
    assert agreeing.high - agreeing.low < once.high - once.low < disagreeing.high - disagreeing.low
    assert agreeing.p < once.p < disagreeing.p
    # between the normal interval of the repeats' logarithms (1.96) and Welch's with 4 degrees of freedom (2.776)
    spread = float(np.std(np.log([0.8, 1.0, 1.25]), ddof=1)) * math.sqrt(2 / 3)
    assert 1.96 < (math.log1p(disagreeing.high) - math.log1p(disagreeing.change)) / spread < 2.776


def test_pairs_leave_out_what_changed_both() -> None:
    base, new = readings(1.0, 1.3, 1.6, error=0.01), readings(1.1, 1.43, 1.76, error=0.01)
    assert found(base, new, paired=True).p < 0.001
    assert found(base, new).p > 0.3
    assert found(base, new, paired=True).change == pytest.approx(0.1)


@pytest.mark.parametrize("sides", [([], readings(1.0)), (readings(1.0), []), (readings(0.0), readings(1.0))])
def test_nothing_is_said_without_positive_figures(sides: tuple[list[Reading], list[Reading]]) -> None:
    assert effect(*sides) is None


def test_figures_without_an_error_are_not_taken_for_exact() -> None:
    result = found(readings(1.0, error=0.0), readings(1.0, error=0.0))
    assert result.high == pytest.approx(1.959964 * math.hypot(0.001, 0.001), rel=0.01)
