"""Shares: intervals, limits and paired tests, against scipy and values worked out by hand."""

from __future__ import annotations

import pytest
from scipy import stats

from fmbench_lib.metrics.statistics.paired_shares import holm, mcnemar
from fmbench_lib.metrics.statistics.proportions import reaches, sign_test_size, wilson


@pytest.mark.parametrize(("successes", "count"), [(0, 10), (1, 10), (7, 20), (20, 20), (990, 1000)])
def test_wilson_is_scipys(successes: int, count: int) -> None:
    expected = stats.binomtest(successes, count).proportion_ci(0.95, "wilson")
    assert wilson(successes, count) == pytest.approx((expected.low, expected.high))


def test_no_questions_have_no_interval() -> None:
    assert wilson(0, 0) is None
    assert reaches(0, 0, 0.5) == (None, "not known")


def test_how_certain_it_is_that_a_limit_is_met() -> None:
    assert reaches(95, 100, 0.8) == (True, "surely")
    assert reaches(85, 100, 0.8) == (True, "probably")  # 85 or more come in 12.9% of the cases if the share is 80%
    assert reaches(81, 100, 0.8) == (None, "not known")
    assert reaches(75, 100, 0.8) == (False, "probably")
    assert reaches(50, 100, 0.8) == (False, "surely")
    assert reaches(3, 3, 0.8) == (None, "not known")  # 51%
    assert reaches(2, 3, 0.8) == (None, "not known")
    assert reaches(0, 1, 0.7) == (None, "not known")  # 30%
    assert reaches(0, 2, 0.8) == (False, "probably")  # 4%
    assert reaches(17, 17, 0.8) == (True, "surely")  # 0.8^17 is 2.25%
    assert reaches(16, 16, 0.8) == (True, "probably")
    assert reaches(5, 5, 1.0) == (None, "not known")
    assert reaches(4, 5, 1.0) == (False, "surely")
    assert reaches(0, 5, 0.0) == (True, "surely")


@pytest.mark.parametrize(("right", "count", "limit"), [(3, 10, 0.5), (700, 1000, 0.68), (9, 10, 0.6), (12, 40, 0.35)])
def test_a_limit_is_tested_by_the_binomial_test(right: int, count: int, limit: float) -> None:
    above = stats.binomtest(right, count, limit, "greater").pvalue
    below = stats.binomtest(right, count, limit, "less").pvalue
    least = min(above, below)
    certainty = "surely" if least <= 0.025 else "probably" if least <= 0.2 else "not known"
    assert reaches(right, count, limit) == (None if least > 0.2 else above < below, certainty)


@pytest.mark.parametrize("pair", [(0, 0), (5, 0), (3, 9), (10, 10), (40, 60)])
def test_mcnemar_is_the_binomial_test(pair: tuple[int, int]) -> None:
    expected = stats.binomtest(pair[0], sum(pair)).pvalue if sum(pair) else 1.0
    assert mcnemar(*pair) == pytest.approx(expected)


def test_holm_of_four_p_values() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([]) == []
    assert holm([0.9, 0.8]) == [1.0, 1.0]


def test_questions_that_would_settle_a_difference() -> None:
    # Connor: (1.95996 sqrt(0.3) + 0.84162 sqrt(0.3 - 0.01))^2 / 0.01 = 233.1, of which 100 were asked.
    assert sign_test_size(20, 10, 100) == 134
    assert sign_test_size(10, 10, 100) is None
