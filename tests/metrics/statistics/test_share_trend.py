"""The Cochran-Armitage test over single observations, against values worked out by hand."""

from __future__ import annotations

import math

import pytest

from fmbench_lib.metrics.statistics.share_trend import share_trend


def test_a_trend_worked_out_by_hand() -> None:
    # Shares 1/2; deviations of the scores 1 to 4 from 2.5; z = (3 + 4 - 1 - 2) / 2 / sqrt(5 / 4).
    z, p = share_trend([False, False, True, True], [1, 2, 3, 4])
    assert z == pytest.approx(2 / math.sqrt(1.25))
    assert p == pytest.approx(math.erfc(z / math.sqrt(2)))
    assert share_trend([True, True, False, False], [1, 2, 3, 4])[0] == pytest.approx(-z)


def test_a_table_of_groups() -> None:
    # 1 of 10 at 0, 4 of 10 at 1, 7 of 10 at 2: share 0.4, z = (0.6 * 10) / sqrt(0.24 * 20) (Agresti's formula).
    outcomes = [number < right for right in (1, 4, 7) for number in range(10)]
    z, _ = share_trend(outcomes, [score for score in (0, 1, 2) for _ in range(10)])
    assert z == pytest.approx(6 / math.sqrt(4.8))


@pytest.mark.parametrize(("successes", "scores"), [([True, True], [1, 2]), ([], []), ([True, False], [3, 3])])
def test_without_a_difference_there_is_no_trend(successes: list[bool], scores: list[float]) -> None:
    assert share_trend(successes, scores) == (0.0, 1.0)
