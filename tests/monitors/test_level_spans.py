"""Samples placed beside the levels, also those of a level that was stopped and continued."""

from __future__ import annotations

from typing import Any

from fmbench_lib.monitors.level_spans import Span, on_level_clock
from fmbench_lib.monitors.level_summary import edges_of
from fmbench_lib.monitors.sample_table import lines_of
from fmbench_lib.monitors.samples import Point, Series, Track

UNIX = 1_800_000_000.0
FACTS: dict[str, Any] = {"experiment_name": "e", "payload_file": "p", "load": "concurrency-1", "unix_offset": UNIX}


def point(monotonic: float, offset: float = UNIX) -> Point:
    return Point(time=monotonic + offset, value=monotonic, monotonic=monotonic)


def counter() -> Series:
    return Series(source="host", metric="cpu_busy", kind="counter", unit="s")


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


def test_what_a_counter_grew_by_between_two_parts_is_in_no_rate() -> None:
    """One core all the time: also in the 80 s in which nothing was measured."""
    parts = [
        {"started": UNIX + 10, "ended": UNIX + 20, "unix_offset": UNIX, "gap": 0.0},
        {"started": UNIX + 100, "ended": UNIX + 110, "unix_offset": UNIX, "gap": 80.0},
    ]
    span = Span.of({**FACTS, "started": UNIX + 10, "ended": UNIX + 30, "parts": parts})
    (line,) = lines_of([Track(counter(), [point(at) for at in range(8, 115, 2)])], [span])
    assert {round(row.value, 9) for row in line.rows} == {1.0}
    assert max(row.at for row in line.rows) == UNIX + 34
    assert edges_of(line, span, float("-inf"), float("inf")) is None
    later = Span.of({**FACTS, "load": "concurrency-2", "started": UNIX + 111, "ended": UNIX + 112})
    (line,) = lines_of([Track(counter(), [point(at) for at in range(8, 115, 2)])], [span, later])
    ends = edges_of(line, later, span.ended, float("inf"))
    assert ends is not None
    assert ends[1].value - ends[0].value <= 4
