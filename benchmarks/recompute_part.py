"""A level, or a slice of its window, and what several of its columns need: which requests count, their times, their
work. Written from docs/metrics.md, "The window of a level" and "Throughput"."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cache, cached_property
from itertools import pairwise

import numpy as np
from recompute_intervals import InFlight, Interval, in_flight_of, percentile_interval
from recompute_queueing import (
    Span,
    batches,
    growth,
    holds,
    rate,
    spread_over_events,
    spread_over_time,
    steady_state,
)
from recompute_reading import Flags, Floats, Level

SLICES = 10
PERCENTILES = {"p50": 0.5, "p95": 0.95, "p99": 0.99}
WITH_P90 = {**PERCENTILES, "p90": 0.9}
FAMILIES = ("latency", "TTFT", "TPOT", "ITL", "TTFT_answer")


def window_of(level: Level) -> Span | None:
    """The window from the end of the warm-up to the stop of sending; None where it has no length."""
    start, end = level.fact("window_start"), level.fact("window_end")
    return None if start is None or end is None or end <= start else (start, end)


def slices_of(window: Span) -> list[Span]:
    """The window in ten equal parts."""
    edges = np.linspace(*window, SLICES + 1)
    return [(float(start), float(end)) for start, end in pairwise(edges)]


@cache
def steadiness(level: Level) -> tuple[Span | None, bool | None, float]:
    """The window that counts, whether the level became steady, and after how many seconds."""
    window = window_of(level)
    return steady_state(level, window) if window else (None, None, math.nan)


class Part:
    """A level, or one slice of its window, and what several columns need of it."""

    def __init__(self, level: Level, slo: Mapping[str, float], number: int | None = None) -> None:
        self.level, self.slo, self.number = level, {name: limit for name, limit in slo.items() if limit}, number
        self.facts_window = window_of(level)
        self._intervals: dict[tuple[str, str], Interval] = {}
        self.whole, self.steady, self.steady_after = steadiness(level)
        whole = self.whole
        self.window = whole if number is None or whole is None else slices_of(whole)[number]

    @property
    def seconds(self) -> float:
        """The length of the window, NaN without one."""
        return self.window[1] - self.window[0] if self.window else math.nan

    def inside(self, moments: Floats) -> Flags:
        """Which moments lie in the window; without one all do."""
        if self.window is None:
            return np.ones(len(moments), dtype=bool)
        return holds(self.window, moments, closed=self.number in (None, SLICES - 1))

    @cached_property
    def chosen(self) -> Flags:
        """The measured requests that were sent in the window."""
        return self.level.measured & self.inside(self.level.sent)

    @cached_property
    def successes(self) -> Flags:
        """Those of them without an error."""
        return self.chosen & self.level.ok

    @cached_property
    def completed(self) -> Flags:
        """The successes of any phase that ended in the window; none without one."""
        return self.level.ok & self.inside(self.level.numbers("end")) & (self.window is not None)

    def of(self, name: str, which: Flags) -> Floats:
        """The known values of a column of these requests."""
        values = self.level.times[name] if name in self.level.times else self.level.numbers(name)
        return values[which & ~np.isnan(values)]

    # -- the queue -----------------------------------------------------------------------------------------------

    @cached_property
    def growth(self) -> tuple[str, int, int, float] | None:
        """Whether an open loop can be sustained, by the whole level: after its warm-up, else from its steady state."""
        if self.facts_window is None or self.whole is None or self.level.fact("concurrency") is not None:
            return None
        level = self.level
        found = growth(level.due, level.ended, ~level.ok, self.facts_window)
        steady = growth(level.due, level.ended, ~level.ok, self.whole)
        return steady if found[0] == "unknown" and steady[0] != "no" else found

    @property
    def grows(self) -> bool:
        """Whether requests pile up."""
        return self.growth is not None and self.growth[0] == "no"

    @cached_property
    def order(self) -> np.ndarray:
        """The chosen requests in order of sending."""
        chosen = np.flatnonzero(self.chosen)
        return chosen[np.argsort(self.level.sent[chosen], kind="stable")]

    @cached_property
    def state(self) -> InFlight:
        """The requests of any phase that were in flight when each chosen one was sent."""
        moments = self.level.sent[self.order]
        begun = np.array([np.count_nonzero(self.level.sent < moment) for moment in moments])
        gone = np.array([np.count_nonzero(self.level.ended <= moment) for moment in moments])
        return in_flight_of(np.maximum(begun - gone, 0).astype(np.float64))

    # -- times ---------------------------------------------------------------------------------------------------

    def groups(self, family: str) -> list[Floats]:
        """The values of each chosen request in order of sending."""
        if family == "ITL":
            return [self.level.gaps[index] for index in self.order]
        values = self.level.times[family]
        return [np.empty(0) if math.isnan(values[index]) else values[[index]] for index in self.order]

    def pooled(self, family: str) -> Floats:
        """All values of the chosen requests."""
        return np.concatenate([np.empty(0), *self.groups(family)])

    def interval(self, family: str, percentile: str) -> Interval:
        """The interval of a percentile; none where the queue grows."""
        if (family, percentile) not in self._intervals:
            self._intervals[family, percentile] = self._interval(family, WITH_P90[percentile])
        return self._intervals[family, percentile]

    def _interval(self, family: str, q: float) -> Interval:
        if self.grows or not self.pooled(family).size:
            return Interval(effective=math.nan, longer=math.nan)
        return percentile_interval(self.groups(family), q, self.state)

    # -- work ----------------------------------------------------------------------------------------------------

    @cached_property
    def worked(self) -> Flags:
        """The successes of any phase that are at work in the window."""
        assert self.window
        level, begun = self.level, self.begun
        return level.ok & (level.numbers("end") >= self.window[0]) & (begun <= self.window[1])

    @property
    def begun(self) -> Floats:
        """When the work of each request begins: where the queue grows it is done at its end."""
        return self.level.numbers("end") if self.grows else self.level.sent

    def work(self, amounts: Floats, which: Flags, *, by_events: bool = False) -> tuple[float, float, float]:
        """Something per second with its interval, over the chosen ones of the successes at work."""
        if self.window is None:
            return math.nan, math.nan, math.nan
        level, use = self.level, which & self.worked
        if np.isnan(amounts[use]).any():
            return math.nan, math.nan, math.nan
        times = (level.numbers("end") - self.begun)[level.ok]
        known = times[~np.isnan(times)]
        edges = batches(self.window, float(known.mean()) if known.size else 0.0)
        visible = level.streamed & np.array([len(times) > 0 for times in level.events], dtype=bool)
        visible &= by_events and not self.grows
        spread, came = use & ~visible, np.flatnonzero(use & visible)
        done = spread_over_time(edges, self.begun[spread], level.numbers("end")[spread], amounts[spread])
        done = done + spread_over_events(edges, [level.events[index] for index in came], amounts[came])
        arrived = None
        if level.fact("concurrency") is None:
            arrived = np.diff([float(np.count_nonzero(level.due <= edge)) for edge in edges])
        value, low, high = rate(done, edges, arrived)
        if self.grows:
            return value, math.nan, math.nan
        long_run = self.in_turns(amounts[self.chosen & use])
        if long_run is None:
            return value, low, high
        return long_run, low * long_run / value, high * long_run / value

    def in_turns(self, amounts: Floats) -> float | None:
        """What the slots of a closed loop do per second with requests like those sent in the window; None elsewhere."""
        level = self.level
        if level.fact("concurrency") is None or self.number is not None or self.window is None:
            return None
        begun, ended = level.sent, level.ended
        slot_seconds = float((ended - begun)[self.chosen].sum())
        if math.isnan(slot_seconds) or slot_seconds <= 0:
            return None
        inside = np.clip(ended, *self.window) - np.clip(begun, *self.window)
        in_flight = float(np.nansum(np.maximum(inside, 0.0))) / self.seconds
        return in_flight * float(amounts.sum()) / slot_seconds

    @cached_property
    def transactions(self) -> tuple[float, float, float]:
        """Successes per second."""
        return self.work(np.ones(self.level.count), self.level.ok)

    def tokens(self, kind: str) -> tuple[float, float, float]:
        """Tokens per second; unknown of a level that did nothing."""
        if self.window is None or not self.worked.any():
            return math.nan, math.nan, math.nan
        return self.work(self.level.numbers(f"{kind}_tokens"), self.level.ok, by_events=kind == "completion")

    @cached_property
    def attained(self) -> dict[str, Flags]:
        """Which requests met each objective, and all of them; empty where none is set or none can be seen."""
        level, met = self.level, {}
        about_tokens = "ttft" in self.slo or "tpot" in self.slo
        seen = (level.streamed & self.successes).any() or not self.successes.any()
        if not self.slo or (about_tokens and not seen):
            return {}
        for name, limit in self.slo.items():
            within = level.times[{"ttft": "TTFT", "tpot": "TPOT", "latency": "latency"}[name]] <= limit
            met[name] = level.ok & within  # a request without the figure does not meet it
        everything = level.ok.copy()
        for flags in met.values():
            everything &= flags
        return met | {"all": everything}
