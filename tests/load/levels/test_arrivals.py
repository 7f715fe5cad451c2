"""The arrival processes as such, and after they were dealt out to workers: no clock is needed to judge them."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from fmbench_lib.config.arrival_facts import known_arrivals
from fmbench_lib.config.schema.load_section import LoadSection, load_settings
from fmbench_lib.errors import InputError
from fmbench_lib.load.levels.arrivals import poisson
from fmbench_lib.load.levels.arrivals.exact_spans import Span
from fmbench_lib.load.levels.arrivals.schedule import arrival_offsets, arrival_process, mean_rate
from fmbench_lib.load.levels.arrivals.trace import trace_rate
from fmbench_lib.load.sending.layout import write_order
from fmbench_lib.load.sending.schedule_reader import SEQUENCE_ENTRY
from tests.load.level_builder import load, make_level

RATE = 40.0
COUNT = 20_000


def dealt(
    arrival: str, workers: int, folder: Path, rate: float = RATE, count: int = COUNT, **more: float
) -> np.ndarray:
    """All times of arrival that the workers' files hold, put together again."""
    level = make_level(
        ("http://h/",),
        (),
        range(count),
        "7",
        request_rate=rate,
        arrival=arrival,
        requests=count,
        prompt_reuse="allowed",
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
        expected = list(islice(arrival_offsets(load(arrival="poisson"), RATE, "7", Span(COUNT, COUNT / RATE)), COUNT))
        assert dealt("poisson", workers, tmp_path).tolist() == expected


def test_the_seed_decides() -> None:
    def first(seed: str) -> list[float]:
        return list(islice(arrival_offsets(load(arrival="poisson"), 2, seed), 50))

    assert first("a") == first("a")
    assert first("a") != first("b")


@pytest.mark.parametrize("rate", [0, -1.0])
def test_a_rate_must_be_positive(rate: float) -> None:
    with pytest.raises(ValueError, match="positive"):
        arrival_offsets(load(), rate, "1")


def test_an_unknown_process_is_named_with_those_that_there_are() -> None:
    with pytest.raises(ValueError, match=r"'burst'.*constant, poisson, gamma, trace"):
        arrival_offsets(load(arrival="burst"), 1, "1")


class TestTraces:
    TIMES = (5.0, 5.5, 7.0)

    def test_at_its_own_pace(self) -> None:
        assert list(arrival_offsets(load(arrival="trace", trace=self.TIMES), None, "1")) == [0.0, 0.5, 2.0]
        assert trace_rate(self.TIMES) == 1.0

    def test_stretched_to_a_rate(self) -> None:
        assert list(arrival_offsets(load(arrival="trace", trace=self.TIMES), 4.0, "1")) == [0.0, 0.125, 0.5]

    def test_one_moment_has_no_rate(self) -> None:
        assert trace_rate((3.0, 3.0)) is None
        assert list(arrival_offsets(load(arrival="trace", trace=(3.0, 3.0)), 4.0, "1")) == [0.0, 0.0]

    def test_an_empty_one_is_refused(self) -> None:
        with pytest.raises(ValueError, match="at least one"):
            arrival_offsets(load(arrival="trace", trace=()), None, "1")


@pytest.mark.parametrize("burstiness", [0.0, -1.0])
def test_a_burstiness_must_be_positive(burstiness: float) -> None:
    with pytest.raises(ValueError, match="burstiness must be positive"):
        next(arrival_offsets(load(arrival="gamma", burstiness=burstiness), 1.0, "1"))


@pytest.mark.parametrize(
    ("settings", "times"),
    [
        ({"arrival": "constant"}, [0.0, 0.025, 0.05, 24.975]),
        ({"arrival": "poisson"}, [0.0, 0.0682804754978015, 0.1693720725928303, 25.25291294698651]),
        (
            {"arrival": "gamma", "burstiness": 0.25},
            [0.0, 0.013851112091018775, 0.015200847585933382, 26.024982302761558],
        ),
        (
            {"arrival": "gamma", "burstiness": 4.0},
            [0.0, 0.06678113048712565, 0.09450433316932627, 25.630050036656367],
        ),
    ],
)
def test_a_seed_gives_the_schedule_that_it_always_gives(settings: dict[str, Any], times: list[float]) -> None:
    drawn = list(islice(arrival_offsets(load(**settings), 40.0, "7/all.jsonl/rate-40"), 1000))
    assert [drawn[0], drawn[1], drawn[2], drawn[999]] == pytest.approx(times, rel=1e-12)


INSTALLED = """
from fmbench_lib.load.levels.arrivals.arrival_process import ArrivalProcess, times_of


def offsets(rate, generator, load):
    return times_of(lambda: generator.uniform(0.0, 2.0 / rate))


PROCESS = ArrivalProcess(offsets)
EMPTY = ArrivalProcess()
"""
ENTRY_POINTS = """[fmbench.arrivals]
uniform = uniform_arrivals:PROCESS
poisson = uniform_arrivals:PROCESS
function = uniform_arrivals:offsets
empty = uniform_arrivals:EMPTY
broken = uniform_arrivals:nothing
"""


class TestInstalled:
    """Processes of a package whose entry points are in the group `fmbench.arrivals`."""

    @pytest.fixture(autouse=True)
    def package(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "uniform_arrivals.py").write_text(INSTALLED)
        facts = tmp_path / "uniform_arrivals-1.0.dist-info"
        facts.mkdir()
        (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: uniform_arrivals\nVersion: 1.0\n")
        (facts / "entry_points.txt").write_text(ENTRY_POINTS)
        monkeypatch.syspath_prepend(str(tmp_path))

    def test_a_config_can_name_it_and_a_schedule_is_drawn_from_it(self) -> None:
        section = LoadSection.model_validate({"arrival": "uniform"})
        times = np.array(list(islice(arrival_offsets(load_settings(section), RATE, "7"), COUNT)))
        gaps = np.diff(times, prepend=0.0)
        assert stats.kstest(gaps, "uniform", args=(0, 2 / RATE)).pvalue > 0.01
        assert mean_rate(load_settings(section), RATE) == RATE

    def test_it_never_replaces_one_of_ours(self) -> None:
        assert arrival_process("poisson") is poisson.PROCESS
        assert known_arrivals().count("poisson") == 1

    @pytest.mark.parametrize(
        ("name", "message"),
        [
            ("broken", "arrival process broken: uniform_arrivals:nothing cannot be imported: AttributeError"),
            ("empty", "arrival process empty: it has neither offsets nor a gap"),
            ("function", "arrival process function: its entry point is <function offsets.*give an ArrivalProcess"),
        ],
    )
    def test_one_that_cannot_be_used_is_an_error_of_its_key(self, name: str, message: str) -> None:
        with pytest.raises(InputError, match=message):
            arrival_process(name)
