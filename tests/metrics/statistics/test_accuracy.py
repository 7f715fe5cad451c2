from __future__ import annotations

import numpy as np
import pytest

from fmbench_lib.metrics.statistics.accuracy import Timing, bias, compare, greatest_within, magnitude

TRUE = {
    "a": Timing(0.050, [0.010, 0.010]),
    "b": Timing(0.060, [0.020]),
    "c": Timing(0.070, []),
    "never measured": Timing(9.0, [9.0]),
}


def test_errors_are_measured_minus_true_request_by_request() -> None:
    measured = {
        "c": Timing(0.069, []),
        "a": Timing(0.0512, np.array([0.013, 0.008])),
        "b": Timing(0.0604, [0.0195]),
    }
    errors = compare(measured, TRUE)
    assert errors.ttft == pytest.approx([-0.001, 0.0012, 0.0004])
    assert errors.itl == pytest.approx([0.003, -0.002, -0.0005])
    assert (errors.joined, errors.unmatched, errors.uneven) == (3, 0, 0)


def test_what_the_other_side_does_not_know_is_counted_and_not_compared() -> None:
    errors = compare({"a": Timing(0.051, [0.01, 0.01]), "ghost": Timing(0.0, [])}, TRUE)
    assert (errors.joined, errors.unmatched) == (1, 1)
    assert errors.ttft == pytest.approx([0.001])


def test_gaps_of_different_numbers_of_events_are_not_compared() -> None:
    errors = compare({"a": Timing(0.050, [0.020]), "b": Timing(0.060, [0.021])}, TRUE)
    assert errors.uneven == 1
    assert errors.itl == pytest.approx([0.001])
    assert errors.ttft == pytest.approx([0.0, 0.0])


def test_percentiles_drop_the_sign_and_the_mean_keeps_it() -> None:
    errors = np.array([-0.004, 0.001, 0.003])
    assert magnitude(errors, 0.5) == pytest.approx(0.003)
    assert magnitude(errors, 1.0) == pytest.approx(0.004)
    assert bias(errors) == pytest.approx(0.0)
    assert bias(np.array([-0.004, 0.001])) == pytest.approx(-0.0015)


def test_of_nothing_nothing_is_known() -> None:
    errors = compare({}, TRUE)
    assert (errors.joined, magnitude(errors.ttft, 0.5), bias(errors.itl)) == (0, None, None)


@pytest.mark.parametrize(
    ("errors", "found"),
    [
        ([(8, 0.0002), (64, 0.0004), (256, 0.003)], 64),
        ([(256, 0.003), (64, 0.0004), (8, 0.0002)], 64),
        ([(8, 0.001), (64, 0.0011)], 8),
        ([(8, 0.0002), (64, 0.004), (256, 0.0003)], 8),
        ([(8, 0.0002), (64, None), (256, 0.0003)], 8),
        ([(8, 0.01), (64, 0.0001)], None),
        ([], None),
    ],
    ids=["grows", "in any order", "the limit itself is within", "luck", "unknown", "none", "nothing"],
)
def test_a_load_counts_if_it_and_all_below_it_are_within(
    errors: list[tuple[float, float | None]], found: float | None
) -> None:
    assert greatest_within(errors, 0.001) == found
