"""The arrival processes as such, and after they were dealt out to workers: no clock is needed to judge them."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from fmbench_lib.load.levels.arrivals import arrival_offsets, trace_rate
from fmbench_lib.load.sending.layout import Level, write_order
from fmbench_lib.load.sending.schedule_reader import SEQUENCE_ENTRY

RATE = 40.0
COUNT = 20_000


def dealt(
    arrival: str, workers: int, folder: Path, rate: float = RATE, count: int = COUNT, **more: float
) -> np.ndarray:
    """All times of arrival that the workers' files hold, put together again."""
    level = Level(
        ("http://h/",),
        (),
        tuple(range(count)),
        "7",
        request_rate=rate,
        arrival=arrival,
        requests=count,
        repeat=True,
        **more,
    )
    order = write_order(level, folder, workers)
    assert len(order.files) == workers
    times = [due for path in order.files for _, _, due in SEQUENCE_ENTRY.iter_unpack(path.read_bytes())]
    return np.sort(np.array(times))


@pytest.mark.parametrize("workers", [1, 4])
class TestProcesses:
    def test_constant_gaps_do_not_vary(self, workers: int, tmp_path: Path) -> None:
        times = dealt("constant", workers, tmp_path)
        gaps = np.diff(times)
        assert gaps.std() / gaps.mean() < 0.02
        assert times[0] == 0
        assert times[-1] == pytest.approx((COUNT - 1) / RATE, rel=1e-12)  # no drift

    def test_poisson_gaps_are_exponential(self, workers: int, tmp_path: Path) -> None:
        times = dealt("poisson", workers, tmp_path)
        gaps = np.diff(times, prepend=0.0)
        assert stats.kstest(gaps, "expon", args=(0, 1 / RATE)).pvalue > 0.01
        assert gaps.mean() == pytest.approx(1 / RATE, rel=0.03)

    def test_poisson_gaps_do_not_know_each_other(self, workers: int, tmp_path: Path) -> None:
        gaps = np.diff(dealt("poisson", workers, tmp_path))
        assert abs(np.corrcoef(gaps[:-1], gaps[1:])[0, 1]) < 0.05

    def test_poisson_counts_are_dispersed_as_much_as_their_mean(self, workers: int, tmp_path: Path) -> None:
        times = dealt("poisson", workers, tmp_path)
        counts = np.histogram(times, bins=np.arange(0, times[-1], 0.25))[0]  # ten arrivals each
        assert 0.9 < counts.var(ddof=1) / counts.mean() < 1.1

    @pytest.mark.parametrize("burstiness", [0.25, 1.0, 4.0])
    def test_gamma_gaps_vary_as_asked(self, workers: int, tmp_path: Path, burstiness: float) -> None:
        gaps = np.diff(dealt("gamma", workers, tmp_path, burstiness=burstiness), prepend=0.0)
        assert gaps.std() / gaps.mean() == pytest.approx(burstiness**-0.5, rel=0.03)
        assert gaps.mean() == pytest.approx(1 / RATE, rel=0.03)
        assert stats.kstest(gaps, "gamma", args=(burstiness, 0, 1 / (RATE * burstiness))).pvalue > 0.01
        assert abs(np.corrcoef(gaps[:-1], gaps[1:])[0, 1]) < 0.05

    def test_the_number_of_workers_changes_nothing(self, workers: int, tmp_path: Path) -> None:
        expected = list(islice(arrival_offsets("poisson", RATE, "7"), COUNT))
        assert dealt("poisson", workers, tmp_path).tolist() == expected


def test_the_seed_decides() -> None:
    def first(seed: str) -> list[float]:
        return list(islice(arrival_offsets("poisson", 2, seed), 50))

    assert first("a") == first("a")
    assert first("a") != first("b")


@pytest.mark.parametrize("rate", [0, -1.0])
def test_a_rate_must_be_positive(rate: float) -> None:
    with pytest.raises(ValueError, match="positive"):
        arrival_offsets("constant", rate, "1")


def test_an_unknown_process_is_named_with_those_that_there_are() -> None:
    with pytest.raises(ValueError, match=r"'burst'.*constant, poisson, gamma, trace"):
        arrival_offsets("burst", 1, "1")


class TestTraces:
    TIMES = (5.0, 5.5, 7.0)

    def test_at_its_own_pace(self) -> None:
        assert list(arrival_offsets("trace", None, "1", trace=self.TIMES)) == [0.0, 0.5, 2.0]
        assert trace_rate(self.TIMES) == 1.0

    def test_stretched_to_a_rate(self) -> None:
        assert list(arrival_offsets("trace", 4.0, "1", trace=self.TIMES)) == [0.0, 0.125, 0.5]

    def test_one_moment_has_no_rate(self) -> None:
        assert trace_rate((3.0, 3.0)) is None
        assert list(arrival_offsets("trace", 4.0, "1", trace=(3.0, 3.0))) == [0.0, 0.0]

    def test_an_empty_one_is_refused(self) -> None:
        with pytest.raises(ValueError, match="at least one"):
            arrival_offsets("trace", None, "1", trace=())


@pytest.mark.parametrize("burstiness", [0.0, -1.0])
def test_a_burstiness_must_be_positive(burstiness: float) -> None:
    with pytest.raises(ValueError, match="burstiness must be positive"):
        arrival_offsets("gamma", 1.0, "1", burstiness=burstiness)
