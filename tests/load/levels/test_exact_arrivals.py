"""Schedules with exactly the mean that was asked for, which are still the processes that they say."""

from __future__ import annotations

from itertools import islice

import numpy as np
import pytest
from scipy import stats

from fmbench_lib.load.levels.exact_arrivals import count_in, exact_blocks, exact_offsets

RATE, COUNT = 40.0, 20_000
PROCESSES = [("constant", 1.0), ("poisson", 1.0), ("gamma", 0.25), ("gamma", 1.0), ("gamma", 4.0)]


@pytest.mark.parametrize(("arrival", "burstiness"), PROCESSES)
@pytest.mark.parametrize("count", [1, 2, 7, 120])
def test_the_mean_over_the_span_is_exact(arrival: str, burstiness: float, count: int) -> None:
    for seed in range(20):
        times = exact_offsets(arrival, 2.0, count, str(seed), burstiness=burstiness)
        assert len(times) == count
        assert times == sorted(times)
        assert 0 <= times[0] <= times[-1] <= count / 2.0


def test_constant_gaps_begin_at_zero() -> None:
    assert exact_offsets("constant", 4.0, 4, "1") == [0.0, 0.25, 0.5, 0.75]


@pytest.mark.parametrize(("arrival", "burstiness"), PROCESSES[1:])
class TestProcesses:
    def gaps(self, arrival: str, burstiness: float) -> np.ndarray:
        return np.diff(exact_offsets(arrival, RATE, COUNT, "7", burstiness=burstiness))

    def test_gaps_have_the_distribution(self, arrival: str, burstiness: float) -> None:
        gaps = self.gaps(arrival, burstiness)
        assert stats.kstest(gaps, "gamma", args=(burstiness, 0, 1 / (RATE * burstiness))).pvalue > 0.01
        assert gaps.std() / gaps.mean() == pytest.approx(burstiness**-0.5, rel=0.03)

    def test_gaps_do_not_know_each_other(self, arrival: str, burstiness: float) -> None:
        gaps = self.gaps(arrival, burstiness)
        assert abs(np.corrcoef(gaps[:-1], gaps[1:])[0, 1]) < 0.03

    def test_counts_are_dispersed_as_the_process_has_it(self, arrival: str, burstiness: float) -> None:
        times = exact_offsets(arrival, RATE, COUNT, "7", burstiness=burstiness)
        counts = np.histogram(times, bins=np.arange(0, COUNT / RATE, 2.5))[0]  # a hundred arrivals each
        assert counts.var(ddof=1) / counts.mean() == pytest.approx(1 / burstiness, rel=0.35)


def test_short_poisson_schedules_are_uniform_too() -> None:
    """The p-values of a hundred short schedules are themselves uniform: no place of the span is preferred."""
    chances = [
        stats.kstest(exact_offsets("poisson", 1.0, 50, str(seed)), "uniform", (0, 50)).pvalue for seed in range(100)
    ]
    assert stats.kstest(chances, "uniform").pvalue > 0.01


def test_the_seed_decides() -> None:
    assert exact_offsets("poisson", 2.0, 9, "a") == exact_offsets("poisson", 2.0, 9, "a")
    assert exact_offsets("poisson", 2.0, 9, "a") != exact_offsets("poisson", 2.0, 9, "b")


def test_endless_schedules_are_exact_block_by_block() -> None:
    times = np.array(list(islice(exact_blocks("poisson", 5.0, 50, "1"), 500)))
    assert np.all(np.diff(times) >= 0)
    assert np.histogram(times, bins=np.arange(0, 101, 10))[0].tolist() == [50] * 10


def test_how_many_arrivals_a_span_has() -> None:
    assert [count_in(2.0, 60.0), count_in(0.4, 1.0), count_in(33.9, 60)] == [120, 1, 2034]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("poisson", 0.0, 5, "1"), "rate must be positive"),
        (("poisson", 1.0, 0, "1"), "at least one request"),
        (("burst", 1.0, 5, "1"), "unknown arrival process 'burst'"),
    ],
)
def test_what_makes_no_schedule_is_refused(arguments: tuple[str, float, int, str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        exact_offsets(*arguments)


def test_a_burstiness_must_be_positive() -> None:
    with pytest.raises(ValueError, match="burstiness must be positive"):
        exact_offsets("gamma", 1.0, 5, "1", burstiness=0.0)
