"""A level that is stopped and continued: each request of its schedule once, at its time, without the time between."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from fmbench_lib.config.schema.stop_rule import StopRule
from fmbench_lib.emulator import Behaviour, Constant, Emulator, launch
from fmbench_lib.errors import LevelStoppedError
from fmbench_lib.load.executor import Executor, OneMachine
from fmbench_lib.load.levels.deal import Deal
from fmbench_lib.load.measure import Stopping, measure_level
from fmbench_lib.load.recording.disk_watch import DISK, DiskWatch
from fmbench_lib.load.recording.level_parts import stopped_level
from fmbench_lib.load.recording.live_figures import LiveFigures
from fmbench_lib.load.recording.records import read_level
from fmbench_lib.load.sending import engine
from fmbench_lib.load.sending.early_stop import INTERRUPTED, Stop
from fmbench_lib.load.sending.engine import Progress
from fmbench_lib.metrics.level_facts import LevelFacts
from fmbench_lib.metrics.level_row import level_row
from tests.load.test_measure import experiment_load, spec

COUNT = 60
PAYLOAD = [{"prompt_id": f"q{n}", "prompt": f"Question {n}?", "prompt_tokens": n} for n in range(COUNT + 3)]
DEAL = Deal((COUNT, COUNT + 1, COUNT + 2), tuple(range(COUNT)), COUNT)
OPEN = {"concurrency": None, "request_rate": 25.0}


@pytest.fixture(scope="module")
def steady() -> Iterator[Emulator]:
    """Answers take 100 ms."""
    with launch(Behaviour(ttft=Constant(0.08), itl=Constant(0.02), tokens=Constant(2))) as emulator:
        yield emulator


@dataclass
class Stopper:
    """Measures a level that it stops when so many requests have ended, again and again, until it is whole."""

    url: str
    folder: Path
    deal: Deal = DEAL
    executor: Executor = field(default_factory=OneMachine)

    def part(self, after: int | None, reason: str = INTERRUPTED, **settings: Any) -> LevelFacts:
        """Measure until `after` requests have ended, or to the end. Raises LevelStoppedError."""
        done = [0]

        def look(figures: LiveFigures) -> None:
            done[0] = figures.done

        def asked() -> Stop | None:
            return Stop(reason, "a test") if after is not None and done[0] >= after else None

        own = {name: value for name, value in settings.items() if name in ("concurrency", "request_rate", "stop")}
        load = {name: value for name, value in settings.items() if name not in own}
        level = spec(**{"stop": StopRule(requests=COUNT), **own})
        loaded = replace(experiment_load(self.url, **load), executor=self.executor)
        stopping = Stopping(asked, self.folder / "parts")
        target, scratch = self.folder / "level.parquet", self.folder / "scratch"
        return measure_level(level, self.deal, PAYLOAD, loaded, target, scratch, look, stopping=stopping)

    def whole(self, *after: int | None, **settings: Any) -> tuple[pd.DataFrame, LevelFacts]:
        """The level after so many stops: its records in the order of sending, and its facts."""
        for count in after:
            with pytest.raises(LevelStoppedError, match="are kept"):
                self.part(count, **settings)
            assert not (self.folder / "level.parquet").exists()
        self.part(None, **settings)
        assert not (self.folder / "parts").exists()
        assert not (self.folder / "scratch").exists()
        records, facts = read_level(self.folder / "level.parquet")
        return records.sort_values("due").reset_index(drop=True), facts


@pytest.fixture
def stopper(steady: Emulator, tmp_path: Path) -> Stopper:
    return Stopper(steady.url, tmp_path)


def measured(records: pd.DataFrame) -> pd.DataFrame:
    return records[records["phase"] == "measured"].reset_index(drop=True)


@pytest.mark.parametrize(
    ("arrival", "workers"),
    [
        ("poisson", 1),
        pytest.param("poisson", 2, marks=pytest.mark.thorough),
        pytest.param("constant", 1, marks=pytest.mark.thorough),
        pytest.param("constant", 2, marks=pytest.mark.thorough),
    ],
)
def test_an_open_loop_is_continued_on_its_schedule(
    steady: Emulator, stopper: Stopper, tmp_path: Path, workers: int, arrival: str
) -> None:
    """Every request at the time at which the level sends it that nobody stops."""
    settings: dict[str, Any] = {**OPEN, "arrival": arrival, "workers": workers}
    (tmp_path / "other").mkdir()
    expected, whole = Stopper(steady.url, tmp_path / "other").whole(**settings)
    records, facts = stopper.whole(5, 5, **settings)
    found, alone = measured(records), measured(expected)
    assert list(found["prompt_id"]) == list(alone["prompt_id"])
    assert found["request_id"].is_unique
    np.testing.assert_allclose(found["due"] - found["due"][0], alone["due"] - alone["due"][0], atol=2e-6)
    assert facts["window_end"] is not None
    assert facts["window_start"] is not None
    assert whole["window_end"] is not None
    assert whole["window_start"] is not None
    length = facts["window_end"] - facts["window_start"]
    assert length == pytest.approx(whole["window_end"] - whole["window_start"], abs=0.02)
    assert facts["scheduled_rate"] == pytest.approx(whole["scheduled_rate"], rel=0.02)
    assert (found["error"].notna().sum(), len(facts["parts"]), facts["stop_reason"]) == (0, 3, "requests")


@pytest.mark.parametrize("workers", [1, 2])
def test_a_closed_loop_is_continued_with_the_prompts_that_are_left(stopper: Stopper, workers: int) -> None:
    records, facts = stopper.whole(5, concurrency=2, workers=workers)
    found = measured(records)
    assert sorted(found["prompt_id"]) == sorted(f"q{n}" for n in range(COUNT))
    assert set(found["request_id"].str.rpartition("-")[2].astype(int)) == set(range(3, COUNT + 3))
    assert (found["latency"] if "latency" in found else found["last"] - found["due"]).between(0.09, 1.0).all()
    # the warm-up of the first part alone is recorded
    assert (records["phase"] == "warmup").sum() == 3
    assert len(facts["parts"]) == 2
    row = level_row(records, facts)
    assert row["requests"] == row["successes"] == COUNT
    assert row["parts"] == 2
    assert row["parts_gap_s"] > 0
    # Sixty requests of 100 ms, two at a time: the time between the parts is in no rate.
    assert row["mean_in_flight"] == pytest.approx(2, rel=0.25)
    assert row["window_s"] < COUNT * 0.1 / 2 * 2
    assert "it was measured in 2 parts" in str(row["verdict_reasons"])


def test_a_level_that_time_ends_is_measured_for_what_is_left_of_it(stopper: Stopper) -> None:
    stop = StopRule(duration=3.0)
    records, facts = stopper.whole(5, concurrency=2, stop=stop, prompt_reuse="allowed")
    assert facts["window_start"] is not None
    assert facts["window_end"] is not None
    assert facts["window_end"] - facts["window_start"] == pytest.approx(3.0, abs=0.15)
    assert facts["stop_reason"] == "duration"
    assert measured(records)["request_id"].is_unique


def test_what_is_in_flight_too_long_is_cut_and_sent_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Answers of 0.8 s and no patience: they are in no part but the last."""
    monkeypatch.setattr(engine, "GRACE_S", 0.0)
    with launch(Behaviour(ttft=Constant(0.3), itl=Constant(0.5), tokens=Constant(2))) as slow:
        stopper = Stopper(slow.url, tmp_path, Deal(DEAL.warmup, DEAL.measured[:6], 6))
        records, facts = stopper.whole(4, concurrency=2, stop=StopRule(requests=6))
    found = measured(records)
    assert sorted(found["prompt_id"]) == [f"q{n}" for n in range(6)]
    assert list(found["error"].dropna()) == []
    assert (found["last"] - found["due"]).min() > 0.75
    assert len(facts["parts"]) == 2


def test_a_level_stopped_in_its_warm_up_keeps_nothing(stopper: Stopper) -> None:
    with pytest.raises(LevelStoppedError, match="nothing of it is kept") as stopped:
        stopper.part(0, concurrency=2)
    assert stopped.value.kept == 0
    assert stopped_level(stopper.folder / "parts") is None
    stopper.part(None, concurrency=2)


def test_what_is_kept_tells_its_prompts_and_its_attempt(stopper: Stopper) -> None:
    with pytest.raises(LevelStoppedError) as stopped:
        stopper.part(5, concurrency=2)
    found = stopped_level(stopper.folder / "parts")
    assert found is not None
    assert found.deal == DEAL
    assert found.kept == stopped.value.kept > 0
    assert found.facts["attempt"] == 1


def test_a_part_that_was_written_down_and_not_moved_is_not_lost(stopper: Stopper) -> None:
    """As if the process had been killed between the two."""
    with pytest.raises(LevelStoppedError):
        stopper.part(5, concurrency=2)
    (stopper.folder / "parts" / "1").rename(stopper.folder / "scratch")
    _, facts = stopper.whole(concurrency=2)
    assert len(facts["parts"]) == 2


# -- the disk --------------------------------------------------------------------------------------------------------


def seen(folder: Path, done: int, spooled: int) -> Progress:
    spool = folder / "worker-0.spool"
    spool.write_bytes(bytes(spooled))
    return Progress(None, 0.0, done=done, spools=(spool,))


def test_a_level_ends_while_what_it_measured_can_still_be_decoded(tmp_path: Path) -> None:
    """A million bytes in 100 s: records of half as much, 8 MiB for the rest, and what comes within 5 s."""
    free = [0]
    watch = DiskWatch(tmp_path, lambda _: free[0])
    needed = 500_000 + (8 << 20) + 50_000
    for left, ends in ((needed + 1, False), (needed - 1, True)):
        free[0] = left
        watch.look(seen(tmp_path, 200, 1_000_000), 100.0, 50.0)
        assert (watch.stop is not None) is ends
    assert watch.stop is not None
    assert watch.stop.reason == DISK
    assert "a request takes 5.0 kB" in watch.stop.note
    assert watch.bytes_per_request == 5000


def test_a_level_that_will_not_fit_is_known_before(tmp_path: Path) -> None:
    watch = DiskWatch(tmp_path, lambda _: 20_000_000)
    watch.look(seen(tmp_path, 200, 1_000_000), 100.0, 50.0)
    assert (watch.fits, watch.stop) == (True, None)
    watch.look(seen(tmp_path, 200, 1_000_000), 100.0, 3600.0)
    assert (watch.fits, watch.stop) == (False, None)
    assert watch.needed == 36_000_000 * 1.5 + 500_000 + (8 << 20)


def test_a_few_requests_and_an_unknown_disk_end_nothing(tmp_path: Path) -> None:
    watch = DiskWatch(tmp_path, lambda _: 0)
    watch.look(seen(tmp_path, 49, 1_000_000), 100.0, None)
    assert (watch.stop, watch.bytes_per_request) == (None, None)
    watch = DiskWatch(tmp_path, lambda _: None)
    watch.look(seen(tmp_path, 200, 1_000_000), 100.0, None)
    assert (watch.stop, watch.fits) == (None, True)


def test_room_for_the_records_is_kept_where_the_responses_are_on_other_machines(tmp_path: Path) -> None:
    free = [0]
    watch = DiskWatch(tmp_path, lambda _: free[0])
    for left, ends in (((8 << 20) + 400_001, False), ((8 << 20) + 399_999, True)):
        free[0] = left
        watch.look(Progress(None, 0.0, done=200), 100.0, 50.0)
        assert (watch.stop is not None) is ends
    assert (watch.bytes_per_request, watch.needed) == (None, None)
