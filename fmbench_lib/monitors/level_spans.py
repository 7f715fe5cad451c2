"""When the levels of an experiment were, and the one clock on which samples are laid beside them.

A level tells its times by the monotonic clock, moved onto Unix time by an offset of its own (`unix_offset` of its
facts), as its records do. A sample of the same machine has the monotonic clock too: it is told by the offset of the
level that it lies in or after, so that a step of the wall clock moves neither against the other.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fmbench_lib.monitors.samples import Point
from fmbench_lib.workspace import LevelKey

# Offsets further apart are those of two boots of the machine, not of a clock that was set.
_SAME_BOOT_S = 3600.0


@dataclass(frozen=True, slots=True)
class Span:
    """One level, in Unix seconds; `window` is where it was measured, `offset` is Unix time less monotonic."""

    key: LevelKey
    started: float
    ended: float
    window: tuple[float, float]
    offset: float | None = None

    @classmethod
    def of(cls, facts: Mapping[str, Any]) -> Span:
        """From a level's facts."""
        started, ended = facts["started"], facts["ended"]
        begin, end = facts.get("window_start"), facts.get("window_end")
        window = (begin, end) if begin is not None and end is not None else (started, ended)
        key = LevelKey(facts["experiment_name"], facts["payload_file"], facts["load"])
        return cls(key, started, ended, window, facts.get("unix_offset"))


@dataclass(frozen=True, slots=True)
class Told:
    """A value at a Unix time on the clock of the levels."""

    at: float
    value: Any


def in_order(spans: Iterable[Span]) -> list[Span]:
    """The levels as they were measured."""
    return sorted(spans, key=lambda span: span.started)


def told(points: Sequence[Point], spans: Sequence[Span]) -> list[Told]:
    """Points on the clock of the levels (in order), by their time."""
    known = [(span.started - span.offset, span.offset) for span in spans if span.offset is not None]
    begins = [begin for begin, _ in known]
    found = []
    for point in points:
        at = point.time
        if point.monotonic is not None and known:
            offset = known[max(bisect_right(begins, point.monotonic) - 1, 0)][1]
            if abs(point.time - point.monotonic - offset) < _SAME_BOOT_S:
                at = point.monotonic + offset
        found.append(Told(at, point.value))
    return sorted(found, key=lambda one: one.at)
