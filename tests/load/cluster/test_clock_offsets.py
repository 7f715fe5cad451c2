"""Clocks of nodes: their offsets, how well these are known, and that no latency depends on them."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from fmbench_lib.load.cluster.clock_offsets import NodeClock, Offset, RoundTrip, estimate, measure
from fmbench_lib.load.cluster.collected_level import on_driver
from fmbench_lib.load.cluster.shifted_records import on_drivers_clock
from fmbench_lib.load.recording.parallel_decoding import Job, tables_of
from fmbench_lib.load.recording.recorder import Recorder, SentPrompt
from fmbench_lib.load.sending import spool
from fmbench_lib.load.sending.clocks import ClockPair
from fmbench_lib.load.sending.engine import sending_window
from fmbench_lib.load.sending.layout import Order
from fmbench_lib.load.sending.worker_protocol import End
from fmbench_lib.predictors.openai import OpenAiPredictor
from fmbench_lib.workspace import LevelKey
from tests.load.conftest import ANSWER, timespecs
from tests.load.level_builder import make_level

MS = 1_000_000
SECOND = 1_000_000_000
DRIVER_UNIX = 1_700_000_000 * SECOND


@dataclass
class FakedTime:
    """True time in ns, which passes as messages travel. The driver's monotonic clock is true, and began at 5,000 s."""

    now: float = 0.0
    random: random.Random = field(default_factory=lambda: random.Random(4))

    def driver(self) -> int:
        return 5000 * SECOND + round(self.now)

    def travel(self, least_ms: float, spread_ms: float) -> None:
        self.now += (least_ms + self.random.expovariate(1 / spread_ms)) * MS


@dataclass
class FakedNode:
    """A node whose clock is ahead by `ahead_ms` at true time 0, and runs faster by `ppm` millionths."""

    time: FakedTime
    ahead_ms: float
    ppm: float
    there_ms: float = 0.2
    back_ms: float = 0.2

    def at(self, true_ns: float) -> int:
        return 5000 * SECOND + round(true_ns * (1 + self.ppm / 1e6) + self.ahead_ms * MS)

    def ask(self) -> tuple[int, int]:
        self.time.travel(self.there_ms, 0.3)
        received = self.at(self.time.now)
        self.time.travel(0.01, 0.05)
        left = self.at(self.time.now)
        self.time.travel(self.back_ms, 0.3)
        return received, left

    def clock_over(self, seconds: float) -> NodeClock:
        """Its clock as measured before a level that begins at true time 0, and after it."""
        self.time.now = -1.0 * SECOND
        before = measure(self.ask, self.time.driver)
        self.time.now = seconds * SECOND
        return NodeClock(before, measure(self.ask, self.time.driver))


def test_the_offset_is_between_what_both_directions_allow() -> None:
    # There 3 ms and 1 ms, back 2 ms and 6 ms, on a clock that is 10 ms ahead.
    trips = [RoundTrip(0, 13 * MS, 14 * MS, 6 * MS), RoundTrip(20 * MS, 31 * MS, 31 * MS, 27 * MS)]
    found = estimate(trips)
    # The best of each: 1 ms there and 2 ms back leave -11 … -8 ms.
    assert (found.offset_ns, found.bound_ns) == (round(-9.5 * MS), round(1.5 * MS))
    least_trip = min((27 - 20) * MS, (6 - 1) * MS)
    assert found.bound_ns <= least_trip / 2


@pytest.mark.parametrize("ahead_ms", [-50.0, 0.0, 50.0])
@pytest.mark.parametrize("ppm", [-200.0, 0.0, 200.0])
@pytest.mark.parametrize(("there_ms", "back_ms"), [(0.2, 0.2), (0.1, 4.0)])
def test_a_planted_difference_and_drift_are_found_within_the_bound(
    ahead_ms: float, ppm: float, there_ms: float, back_ms: float
) -> None:
    node = FakedNode(FakedTime(), ahead_ms, ppm, there_ms, back_ms)
    clock = node.clock_over(60.0)
    assert clock.bound_ns < (0.5 + (there_ms + back_ms) / 2) * MS
    for second in (0.0, 15.0, 30.0, 60.0):
        true_ns = second * SECOND
        assert abs(clock.to_driver(node.at(true_ns)) - 5000 * SECOND - true_ns) <= clock.bound_ns + 2000
        assert abs(clock.to_node(clock.to_driver(node.at(true_ns))) - node.at(true_ns)) <= 2
    assert clock.drift_ppm is not None
    assert clock.drift_ppm == pytest.approx(ppm, abs=2 * clock.bound_ns / 60 / 1000)


def test_a_clock_that_was_not_read_again_keeps_its_offset_and_claims_no_drift() -> None:
    clock = NodeClock(Offset(1000, 50, 7))
    assert (clock.to_driver(9_000), clock.to_node(9_050)) == (9_050, 9_000)
    assert (clock.drift, clock.drift_ppm, clock.bound_ns) == (None, None, 7)


def spool_of(node: FakedNode, path: Path, dues_s: list[float]) -> list[tuple[int, int]]:
    """A worker's spool as it is on a node: requests due at these true times, answered 30 ms later; and its clocks.

    The node's wall clock is an hour off.
    """
    hour = 3600 * SECOND

    def wall(true_ns: float) -> int:
        return node.at(true_ns) + hour

    with path.open("wb") as file:
        for number, due_s in enumerate(dues_s):
            due = due_s * SECOND
            file.write(
                spool.pack(
                    position=number,
                    prompt=0,
                    target=0,
                    flags=spool.COMPLETE | spool.MEASURED,
                    retried=0,
                    due_ns=node.at(due),
                    cap_wait_ns=None,
                    connect_ns=None,
                    sent_ns=node.at(due + 1 * MS),
                    end_ns=node.at(due + 31 * MS),
                    error=None,
                    message="",
                    user_ns=[node.at(due + 31 * MS)],
                    kernel=[timespecs(wall(due + 30 * MS))],
                    pieces=[ANSWER],
                )
            )
    return [(node.at(second * SECOND), wall(second * SECOND)) for second in range(62)]


def decoded(node: FakedNode, clock: NodeClock, folder: Path, dues_s: list[float]) -> dict[str, np.ndarray]:
    """The records of such a node on the driver's clock, by column."""
    samples = spool_of(node, folder / "worker.spool", dues_s)
    url = "http://h/v1/chat/completions"
    recorder = Recorder(OpenAiPredictor(url, "m"), [SentPrompt("p", 1)], [url], LevelKey("e", "p", "l"), None)
    job = Job(recorder, (folder / "worker.spool",), (ClockPair.from_samples(samples, 0),), "level")
    (table,) = [on_drivers_clock(each, clock, DRIVER_UNIX - 5000 * SECOND, [7]) for each in tables_of(job, folder)]
    assert set(table["worker"].to_pylist()) == {7}
    assert set(table["stamp_source"].to_pylist()) == {"kernel"}
    return {name: table[name].to_numpy() for name in ("due", "sent", "last", "end")}


@pytest.mark.parametrize(("ahead_ms", "ppm"), [(0.0, 0.0), (50.0, 0.0), (-50.0, 0.0), (50.0, 200.0), (-50.0, -200.0)])
def test_no_latency_depends_on_a_nodes_clock_and_all_times_are_the_drivers(
    ahead_ms: float, ppm: float, tmp_path: Path
) -> None:
    dues = [0.0, 0.1, 29.9, 30.0, 59.0]
    node = FakedNode(FakedTime(), ahead_ms, ppm)
    clock = node.clock_over(60.0)
    records = decoded(node, clock, tmp_path, dues)
    true_due = DRIVER_UNIX / 1e9 + np.array(dues)
    assert np.abs(records["due"] - true_due).max() <= clock.bound_ns / 1e9 + 3e-6
    # 30 ms of a clock that runs 200 ppm fast are 6 µs more; nothing of its 50 ms, nor of 12 ms of drift, is in them.
    assert records["last"] - records["due"] == pytest.approx(np.full(5, 0.030 * (1 + ppm / 1e6)), abs=1e-6)
    assert records["sent"] - records["due"] == pytest.approx(np.full(5, 0.001), abs=1e-6)


def end_of(at: Callable[[float], int], first_s: float, stopped_s: float) -> End:
    """What a worker says that sent from one true time to another, on its node's clock."""
    return {
        "event": "end",
        "sent": 9,
        "done": 9,
        "errors": 0,
        "stopped_ns": at(stopped_s * SECOND),
        "out_of_time": False,
        "told": False,
        "overran": False,
        "first_due_ns": at(first_s * SECOND),
        "last_sent_ns": at(stopped_s * SECOND - MS),
        "cpu": 0.1,
        "clock_samples": [(at(0.0), at(0.0))],
        "suspensions": [],
    }


def test_the_window_of_nodes_with_differing_clocks_is_the_true_one_within_the_bound() -> None:
    ahead, behind = FakedNode(FakedTime(), 50.0, 200.0), FakedNode(FakedTime(), -50.0, 0.0)
    clocks = [node.clock_over(60.0) for node in (ahead, behind)]
    ends = [end_of(ahead.at, 1.0, 59.0), end_of(behind.at, 1.002, 59.0)]
    level = make_level(["http://h/"], (), range(9), request_rate=1.0)
    moved = [on_driver(end, clock) for end, clock in zip(ends, clocks, strict=True)]
    window, _ = sending_window(level, Order((), "requests", 59.0), moved)
    assert window is not None
    bound = max(clock.bound_ns for clock in clocks) + 2000
    assert abs(window[0] - 5001 * SECOND) <= bound
    assert abs(window[1] - 5059 * SECOND) <= bound
    assert bound < 1 * MS
