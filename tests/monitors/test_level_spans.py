"""Samples placed beside the levels, also those of a level that was stopped and continued."""

from __future__ import annotations

from typing import Any

from fmbench_lib.monitors.level_spans import Span, on_level_clock
from fmbench_lib.monitors.samples import Point

UNIX = 1_800_000_000.0
FACTS: dict[str, Any] = {"experiment_name": "e", "payload_file": "p", "load": "concurrency-1", "unix_offset": UNIX}


def point(monotonic: float, offset: float = UNIX) -> Point:
    return Point(time=monotonic + offset, value=monotonic, monotonic=monotonic)


def placed(points: list[Point], *spans: Span) -> list[tuple[float, float]]:
    """The value of each sample that is placed, and where, in seconds after `UNIX`."""
    return [(timed.value, timed.at - UNIX) for timed in on_level_clock(points, spans)]


def test_a_clock_that_was_set_between_two_levels_moves_no_sample() -> None:
    early = Span.of({**FACTS, "started": UNIX + 10, "ended": UNIX + 20})
    late = Span.of({**FACTS, "started": UNIX + 130, "ended": UNIX + 140, "unix_offset": UNIX + 100})
    assert placed([point(15), point(35, UNIX + 100)], early, late) == [(15, 15), (35, 135)]


def test_samples_of_a_later_part_lie_where_its_records_do_and_those_between_nowhere() -> None:
    """Ten seconds, a stop of 80, in which the clock was set forward by 500, and ten seconds more."""
    parts = [
        {"started": UNIX + 10, "ended": UNIX + 20, "unix_offset": UNIX, "gap": 0.0},
        {"started": UNIX + 600, "ended": UNIX + 610, "unix_offset": UNIX + 500, "gap": 580.0},
    ]
    span = Span.of({**FACTS, "started": UNIX + 10, "ended": UNIX + 30, "parts": parts})
    points = [point(12), point(50), point(105, UNIX + 500), point(115, UNIX + 500)]
    assert placed(points, span) == [(12, 12), (105, 25), (115, 35)]
