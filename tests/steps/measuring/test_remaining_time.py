"""How long a run still takes, worked out by hand."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from fmbench_lib.config import StopRule
from fmbench_lib.load.recording.live_figures import LiveFigures
from fmbench_lib.steps.measuring.remaining_time import RemainingTime
from fmbench_lib.workspace import LevelKey


def level(concurrency: int, experiment: str = "one", **stop: Any) -> Any:
    stop = {"requests": 20, "duration": None, **stop}
    return SimpleNamespace(
        key=LevelKey(experiment, "a.jsonl", f"concurrency-{concurrency}"),
        concurrency=concurrency,
        request_rate=None,
        warmup=0,
        stop=StopRule(**stop),
    )


def now(in_flight: int = 2, rate: float | None = 4.0) -> LiveFigures:
    return LiveFigures(
        done=4, total=20, errors=0, in_flight=in_flight, elapsed=1.0, request_rate=rate, ttft_p50=None,
        latency_p95=None, token_rate=None, time_left=4.0,
    )  # fmt: skip


def test_before_a_level_has_ended_the_one_that_runs_tells_the_latency() -> None:
    left = RemainingTime([level(2), level(4), level(10)])
    left.begin(level(2))
    assert left.after(now(rate=None)) is None
    # 2 in flight at 4 requests/s take 0.5 s each: 5 waves of 4 and 2 waves of 10
    assert left.after(now()) == 5 * 0.5 + 2 * 0.5


def test_measured_levels_tell_the_latency_and_what_is_done_beside_them() -> None:
    left = RemainingTime([level(2), level(4), level(4, "two")])
    left.begin(level(2))
    left.ended(level(2).key, whole=13.0, measuring=10.0, latency=0.2)
    left.begin(level(4))
    left.ended(level(4).key, whole=4.0, measuring=3.0, latency=0.4)
    # the mean of 0.2 and 0.4 s in 5 waves, and 2 s on average for preparing and decoding
    assert abs((left.after(now()) or 0) - (5 * 0.3 + 2.0)) < 1e-9
    left.begin(level(4, "two"))
    assert left.after(now()) == 0.0


def test_searches_may_take_as_long_as_the_levels_so_far() -> None:
    left = RemainingTime([])
    assert left.after(now(), searched=3) is None
    left.ended(level(2).key, whole=10.0, measuring=8.0, latency=None)
    left.ended(level(4).key, whole=20.0, measuring=18.0, latency=None)
    assert left.after(now(), searched=3) == 45.0
