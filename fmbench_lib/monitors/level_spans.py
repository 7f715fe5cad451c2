"""When the levels of an experiment ran, and the clock on which samples are placed beside them.

A level's times are those of the monotonic clock, moved onto Unix time by its own offset (`unix_offset` of its facts),
as are the times of its records. A sample of the same machine has the monotonic clock too and gets the offset of the
level that it lies in or after, so that a step of the wall clock does not shift one against the other.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fmbench_lib.monitors.samples import Point
from fmbench_lib.workspace import LevelKey

# Offsets further apart belong to two boots of the machine, not to a clock that was set.
_SAME_BOOT_S = 3600.0


@dataclass(frozen=True, slots=True)
class Span:
    """The times of a level, Unix seconds; `window` is its measurement window, `offset` is Unix minus monotonic time."""

    key: LevelKey
    started: float
    ended: float
    window: tuple[float, float]
    offset: float | None = None

    @classmethod
    def of(cls, facts: Mapping[str, Any], window: tuple[float, float] | None = None) -> Span:
        """The span of a level, from its facts and the window that its figures are of; without one, all of it."""
        started, ended = facts["started"], facts["ended"]
        key = LevelKey(facts["experiment_name"], facts["payload_file"], facts["load"])
        return cls(key, started, ended, window or (started, ended), facts.get("unix_offset"))


@dataclass(frozen=True, slots=True)
class TimedValue:
    """A value and its Unix time on the clock of the levels."""

    at: float
    value: Any


def in_order(spans: Iterable[Span]) -> list[Span]:
    """The levels in the order in which they were measured."""
    return sorted(spans, key=lambda span: span.started)


def on_level_clock(points: Sequence[Point], spans: Sequence[Span]) -> list[TimedValue]:
    """The points on the clock of the levels (`spans`, in order), sorted by time."""
    known = [(span.started - span.offset, span.offset) for span in spans if span.offset is not None]
    begins = [begin for begin, _ in known]
    timed = []
    for point in points:
        at = point.time
        if point.monotonic is not None and known:
            offset = known[max(bisect_right(begins, point.monotonic) - 1, 0)][1]
            if abs(point.time - point.monotonic - offset) < _SAME_BOOT_S:
                at = point.monotonic + offset
        timed.append(TimedValue(at, point.value))
    return sorted(timed, key=lambda value: value.at)
