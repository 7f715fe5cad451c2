from __future__ import annotations

import numpy as np
import pytest

from fmbench_lib.metrics.statistics.steady_state import BATCH, beginning, mser, warm_up


def test_mser_cuts_off_what_is_biased() -> None:
    values = np.concatenate((np.full(30, 9.0), np.tile([1.0, 1.1, 0.9, 1.0, 1.05], 30)))
    assert mser(values) == 6


def test_mser_leaves_a_steady_series_alone() -> None:
    assert mser(np.random.default_rng(1).exponential(1.0, 1000)) <= 20


def test_mser_by_hand() -> None:
    """Batch means 4, 1, 3, 1, 3: cutting none gives 7.2 / 25 = 0.288, the first 4 / 16 = 0.25, two 2.67 / 9 = 0.296."""
    assert mser(np.array([4.0, 1.0, 3.0, 1.0, 3.0]), batch=1) == 0  # 0.288 is within 30% of 0.25
    assert mser(np.array([6.0, 1.0, 3.0, 1.0, 3.0]), batch=1) == 1  # 16.8 / 25 = 0.672 is not


def test_a_burst_at_the_start_is_warm_up() -> None:
    due = np.concatenate((np.zeros(64), np.arange(1, 601) / 10))
    times = np.concatenate((np.linspace(0.5, 8.0, 64), np.tile([0.5, 0.6, 0.55], 200)))
    result = warm_up(times, due)
    assert result.ends
    assert 60 <= result.requests <= 75
    assert result.seconds <= 1.5


def with_pauses(values: np.ndarray, every: int) -> np.ndarray:
    """The first half of a level with pauses of the server: five requests in a row that took three times as long."""
    slow = (np.arange(len(values)) % every > every - 6) & (np.arange(len(values)) < len(values) // 2)
    return np.where(slow, 3 * values, values)


def test_a_half_with_a_longer_tail_is_no_beginning() -> None:
    values = with_pauses(np.random.default_rng(1).normal(0.24, 0.002, 20_000), 500)
    assert BATCH * mser(values) > 9_000
    assert beginning(values) < 200


def test_a_beginning_is_found_before_a_half_with_a_longer_tail() -> None:
    values = with_pauses(np.random.default_rng(1).normal(0.24, 0.002, 20_000), 500)
    values[:300] *= 2
    assert 200 <= beginning(values) <= 310


def test_it_is_at_least_a_p95_of_the_latency() -> None:
    due = np.arange(400) / 10
    result = warm_up(np.tile([3.0, 3.2], 200), due)
    assert result.requests == 32
    assert result.seconds == pytest.approx(3.2)


def test_it_is_at_least_the_requests_asked_for() -> None:
    assert warm_up(np.tile([0.1, 0.2], 200), np.arange(400) / 10, least_requests=64).requests == 64


def test_failed_requests_are_passed_over() -> None:
    times = np.tile([np.nan, 1.0, 1.2], 100)
    result = warm_up(times, np.arange(300) / 10)
    assert result.ends
    assert not np.isnan(times[result.requests])


@pytest.mark.parametrize("times", [np.linspace(1.0, 40.0, 600), np.ones(20)], ids=["it rises throughout", "too few"])
def test_a_warm_up_may_never_end(times: np.ndarray) -> None:
    assert not warm_up(times, np.arange(len(times)) / 10).ends


def test_longer_than_half_the_level_is_no_end() -> None:
    assert not warm_up(np.full(100, 6.0), np.arange(100) / 10).ends
