from __future__ import annotations

import math

import numpy as np
import pytest

from fmbench_lib.metrics.statistics.work_in_window import (
    LittlesLaw,
    Rate,
    batch_edges,
    littles_law,
    rate_of_batches,
    tokens_until,
    work_until,
)


def test_a_request_counts_by_the_share_of_its_time_that_has_passed() -> None:
    start, end = np.array([0.0, 2.0, 9.0]), np.array([4.0, 4.0, 13.0])
    # at 3: 3/4 of the first and 1/2 of the second; at 10: both, and 1/4 of the third
    assert work_until(np.array([0.0, 3.0, 10.0]), start, end) == pytest.approx([0.0, 1.25, 2.25])


def test_a_request_without_length_counts_at_its_moment_and_one_without_an_end_never() -> None:
    start, end = np.array([5.0, 1.0]), np.array([5.0, np.nan])
    assert work_until(np.array([4.9, 5.0, 9.0]), start, end) == pytest.approx([0.0, 1.0, 1.0])


def test_tokens_count_when_their_events_arrive() -> None:
    events = [np.array([1.0, 2.0, 3.0]), np.array([2.5]), np.array([]), np.array([1.0])]
    tokens = np.array([6.0, 5.0, 7.0, np.nan])
    assert tokens_until(np.array([0.5, 2.0, 2.5, 9.0]), events, tokens) == pytest.approx([0.0, 4.0, 9.0, 11.0])


def test_constant_answers_give_their_rate_whatever_the_window() -> None:
    """Answers of 2 s at 30 requests/s: completions in a window that opens with them are a fifth too few."""
    start = np.arange(-4.0, 10.0, 1 / 30)
    for seconds in (6.0, 7.3, 10.0):
        edges = np.array([0.0, seconds])
        done = work_until(edges, start, start + 2.0)
        assert (done[1] - done[0]) / seconds == pytest.approx(30.0, rel=0.005)


def test_a_closed_loop_of_constant_answers_is_exact() -> None:
    """32 slots and answers of 1.99 s: 16.08 requests/s, though a window of 10 s sees 5 or 6 rounds end."""
    start = np.repeat(np.arange(-2, 7) * 1.99, 32)
    done = work_until(np.array([0.0, 10.0]), start, start + 1.99)
    assert (done[1] - done[0]) / 10 == pytest.approx(32 / 1.99, rel=1e-9)


class TestIntervals:
    def test_batch_means_by_hand(self) -> None:
        # batches 1, 2, 1, 2, 1, 2 of 1 s: mean 1.5, sd 0.5477 (n - 1), t(5) = 2.5706, neighbours differ
        rate = rate_of_batches(np.array([0.0, 1, 3, 4, 6, 7, 9]), np.arange(7.0))
        assert rate.value == pytest.approx(1.5)
        assert rate.high == pytest.approx(1.5 + 2.5706 * 0.5477 / math.sqrt(6), rel=1e-3)
        assert rate.low == pytest.approx(1.5 - 2.5706 * 0.5477 / math.sqrt(6), rel=1e-3)

    def test_neighbours_that_are_alike_widen_it(self) -> None:
        alike = rate_of_batches(np.array([0.0, 1, 2, 3, 5, 7, 9]), np.arange(7.0))
        turns = rate_of_batches(np.array([0.0, 1, 3, 4, 6, 7, 9]), np.arange(7.0))
        assert alike.high is not None
        assert turns.high is not None
        # spread -.5 -.5 -.5 .5 .5 .5: squares 1.5, neighbours 0.75
        assert (alike.high - 1.5) / (turns.high - 1.5) == pytest.approx(math.sqrt(3.0 / 1.5))

    def test_what_follows_a_known_schedule_does_not_widen_it(self) -> None:
        arrived = np.array([0.0, 1, 3, 4, 6, 7, 9])
        rate = rate_of_batches(arrived + 2.0, np.arange(7.0), offered=arrived)
        assert (rate.low, rate.high) == (pytest.approx(1.5), pytest.approx(1.5))

    def test_few_batches_have_none_and_say_how_much_longer(self) -> None:
        assert rate_of_batches(np.arange(4.0), np.arange(4.0)) == Rate(1.0, longer=2.0)

    def test_batches_are_three_mean_times_long_and_at_most_twenty(self) -> None:
        assert len(batch_edges((0.0, 30.0), 1.0)) - 1 == 10
        assert len(batch_edges((0.0, 3000.0), 1.0)) - 1 == 20
        assert len(batch_edges((0.0, 1.0), 1.0)) - 1 == 1

    def test_a_price_has_the_interval_turned_round(self) -> None:
        assert Rate(2.0, 1.0, 4.0).cost_each(8.0) == (4.0, 2.0, 8.0)
        assert Rate(2.0).cost_each(8.0) == (4.0, None, None)
        assert Rate(0.0, 0.0, 2.0).cost_each(8.0) == (math.inf, 4.0, math.inf)


class TestLittlesLaw:
    def test_it_holds_for_a_full_closed_loop(self) -> None:
        start = np.repeat(np.arange(-1, 6) * 2.0, 4)
        law = littles_law(start, start + 2.0, (0.0, 10.0), rate=2.0, mean_time=2.0)
        assert law == LittlesLaw(4.0, 4.0)
        assert law.holds

    @pytest.mark.parametrize(("expected", "holds"), [(4.12, True), (4.13, False), (3.88, False), (3.89, True)])
    def test_beyond_three_percent_it_does_not(self, expected: float, holds: bool) -> None:
        assert LittlesLaw(4.0, expected).holds is holds

    def test_without_any_work_it_does_not(self) -> None:
        assert LittlesLaw(1.0, 0.0).deviation == math.inf
