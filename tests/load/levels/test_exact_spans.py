"""Schedules with exactly the mean that was asked for, which are still the processes that they say."""

from __future__ import annotations

from itertools import islice

import numpy as np
import pytest
from scipy import stats

from fmbench_lib.load.levels.arrivals.exact_spans import Span, count_in
from fmbench_lib.load.levels.arrivals.schedule import arrival_offsets
from tests.load.level_builder import load

RATE, COUNT = 40.0, 20_000
PROCESSES = [("constant", 1.0), ("poisson", 1.0), ("gamma", 0.25), ("gamma", 1.0), ("gamma", 4.0)]


def exact(arrival: str, rate: float, count: int, seed: str, burstiness: float = 1.0) -> list[float]:
    """The times of one span, and the first one of the next."""
    settings = load(arrival=arrival, burstiness=burstiness)
    return list(islice(arrival_offsets(settings, rate, seed, Span(count, count / rate)), count + 1))


@pytest.mark.parametrize(("arrival", "burstiness"), PROCESSES)
@pytest.mark.parametrize("count", [1, 2, 7, 120])
def test_the_mean_over_the_span_is_exact(arrival: str, burstiness: float, count: int) -> None:
    for seed in range(20):
        *times, end = exact(arrival, 2.0, count, str(seed), burstiness)
        assert times == sorted(times)
        assert times[0] == 0
        assert times[-1] <= end == count / 2.0


def test_constant_gaps_begin_at_zero() -> None:
    assert exact("constant", 4.0, 4, "1") == [0.0, 0.25, 0.5, 0.75, 1.0]


@pytest.mark.parametrize(("arrival", "burstiness"), PROCESSES[1:])
class TestProcesses:
    def gaps(self, arrival: str, burstiness: float) -> np.ndarray:
        return np.diff(exact(arrival, RATE, COUNT, "7", burstiness))

    def test_gaps_have_the_distribution(self, arrival: str, burstiness: float) -> None:
        gaps = self.gaps(arrival, burstiness)
        assert stats.kstest(gaps, "gamma", args=(burstiness, 0, 1 / (RATE * burstiness))).pvalue > 0.01
        assert gaps.std() / gaps.mean() == pytest.approx(burstiness**-0.5, rel=0.03)

    def test_gaps_do_not_know_each_other(self, arrival: str, burstiness: float) -> None:
        gaps = self.gaps(arrival, burstiness)
        assert abs(np.corrcoef(gaps[:-1], gaps[1:])[0, 1]) < 0.03

    def test_counts_are_dispersed_as_the_process_has_it(self, arrival: str, burstiness: float) -> None:
        times = exact(arrival, RATE, COUNT, "7", burstiness)
        counts = np.histogram(times, bins=np.arange(0, COUNT / RATE, 2.5))[0]  # a hundred arrivals each
        assert counts.var(ddof=1) / counts.mean() == pytest.approx(1 / burstiness, rel=0.35)


def test_short_poisson_schedules_are_uniform_too() -> None:
    """The p-values of a hundred short schedules are themselves uniform: no place of the span is preferred."""
    chances = [
        stats.kstest(exact("poisson", 1.0, 50, str(seed))[1:-1], "uniform", (0, 50)).pvalue for seed in range(100)
    ]
    assert stats.kstest(chances, "uniform").pvalue > 0.01


def test_gaps_that_are_rounded_to_nothing_are_one_burst() -> None:
    assert exact("gamma", 2.0, 4, "1", 1e-9) == [0.0, 0.0, 0.0, 0.0, 2.0]


@pytest.mark.parametrize(("rate", "count"), [(5.0, 300), (0.1, 100)])
def test_a_level_that_may_end_anywhere_is_exact_span_by_span(rate: float, count: int) -> None:
    """A span is a minute, but no fewer than a hundred requests."""
    times = np.array(list(islice(arrival_offsets(load(arrival="poisson"), rate, "1"), 4 * count)))
    assert np.all(np.diff(times) >= 0)
    edges = np.arange(5) * count / rate - 1e-6
    assert np.histogram(times, bins=edges)[0].tolist() == [count] * 4


def test_how_many_arrivals_a_span_has() -> None:
    assert [count_in(2.0, 60.0), count_in(0.4, 1.0), count_in(33.9, 60)] == [120, 1, 2034]
