"""When the levels of an experiment ran, and the clock on which samples are placed beside them.

A level's times are those of the monotonic clock, moved onto Unix time by its own offset (`unix_offset` of its facts),
as are the times of its records. A sample of the same machine has the monotonic clock too and gets the offset of the
level that it lies in or after, so that a step of the wall clock does not shift one against the other.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fmbench_lib.monitors.samples import Point
from fmbench_lib.workspace import LevelKey

# Offsets further apart belong to two boots of the machine, not to a clock that was set.
_SAME_BOOT_S = 3600.0


@dataclass(frozen=True, slots=True)
class Stretch:
    """A time in which a level was measured, by the monotonic clock: Unix minus monotonic time then, and what it is on
    the clock of the level, which is less in the later parts of a level that was stopped and continued."""

    begin: float
    end: float
    offset: float
    placed: float


@dataclass(frozen=True, slots=True)
class Span:
    """The times of a level, Unix seconds; `window` is its measurement window, `offset` is Unix minus monotonic time,
    `parts` are those of a level that was stopped and continued."""

    key: LevelKey
    started: float
    ended: float
    window: tuple[float, float]
    offset: float | None = None
    parts: tuple[Stretch, ...] = ()

    @classmethod
    def of(cls, facts: Mapping[str, Any], window: tuple[float, float] | None = None) -> Span:
        """The span of a level, from its facts and the window that its figures are of; without one, all of it."""
        started, ended = facts["started"], facts["ended"]
        key = LevelKey(facts["experiment_name"], facts["payload_file"], facts["load"])
        parts = tuple(_stretches(facts.get("parts") or ()))
        return cls(key, started, ended, window or (started, ended), facts.get("unix_offset"), parts)

    def stretches(self) -> tuple[Stretch, ...]:
        """The times of the level on the monotonic clock; what comes after the last belongs to it, up to the next level.
        None where the facts do not tell."""
        if self.parts or self.offset is None:
            return self.parts
        return (Stretch(self.started - self.offset, math.inf, self.offset, self.offset),)


@dataclass(frozen=True, slots=True)
class TimedValue:
    """A value and its Unix time on the clock of the levels. `set_back`: by how much (s) that is before its real time,
    as it belongs to a later part of a level that was stopped; what grew between two values is known within one part.
    """

    at: float
    value: Any
    set_back: float = 0.0


def _stretches(parts: Sequence[Mapping[str, float]]) -> Iterator[Stretch]:
    back = 0.0
    for number, part in enumerate(parts, 1):
        offset, back = part["unix_offset"], back + part["gap"]
        end = part["ended"] - offset if number < len(parts) else math.inf
        yield Stretch(part["started"] - offset, end, offset, offset - back)


def in_order(spans: Iterable[Span]) -> list[Span]:
    """The levels in the order in which they were measured."""
    return sorted(spans, key=lambda span: span.started)


def on_level_clock(points: Sequence[Point], spans: Sequence[Span]) -> list[TimedValue]:
    """The points on the clock of the levels (`spans`, in order), sorted by time; without those between the parts of a
    level."""
    known = [stretch for span in spans for stretch in span.stretches()]
    begins = [stretch.begin for stretch in known]
    timed = []
    for point in points:
        at, set_back = point.time, 0.0
        if point.monotonic is not None and known:
            stretch = known[max(bisect_right(begins, point.monotonic) - 1, 0)]
            if abs(point.time - point.monotonic - stretch.offset) < _SAME_BOOT_S:
                if point.monotonic > stretch.end:
                    continue
                at, set_back = point.monotonic + stretch.placed, stretch.offset - stretch.placed
        timed.append(TimedValue(at, point.value, set_back))
    return sorted(timed, key=lambda value: value.at)
