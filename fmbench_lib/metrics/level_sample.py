"""What the metric groups read: the requests of a level, or of one slice of its window."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
import pandas as pd

from fmbench_lib.metrics.level_moments import LevelMoments
from fmbench_lib.metrics.objectives import Objectives
from fmbench_lib.metrics.requests import event_times, gaps_of, have_gaps
from fmbench_lib.metrics.rows import Rows
from fmbench_lib.metrics.statistics.arrays import Flags
from fmbench_lib.metrics.statistics.ragged import Ragged
from fmbench_lib.metrics.statistics.sustainability import Sustainability
from fmbench_lib.metrics.window import Window, measured_in

Facts: TypeAlias = Mapping[str, Any]
"""What is known of a level beside its requests: its load, its window, what ended it, what the client used."""

LevelData: TypeAlias = tuple[pd.DataFrame, Facts]
"""The request records of a level, and its facts."""

_NOT_KEPT = ("event_times", "ITL", "scores", "first_answer", "TTFT_from_sent", "latency_from_sent")
"""Lists, and what other columns say."""


@dataclass(frozen=True, slots=True)
class Steadiness:
    """Whether a level became steady, how long after its first request was due, and the window that counts.

    `reached` and `after_s` are None for a closed loop, for a trace, whose load is not meant to be steady, and with too
    few requests. `growth`: whether an open loop can be sustained; None for a closed one.
    """

    window: Window | None
    reached: bool | None = None
    after_s: float | None = None
    growth: Sustainability | None = None


@dataclass(frozen=True, slots=True)
class LevelSample:
    """The requests of a level with their measures, and the subsets that the metrics are about.

    `requests`: all of the level, as `request_metrics` returns them, without lists · `counted`: which of them were
    measured and sent in `window` (without a window: all measured ones) · `chosen`: those requests · `successes`: the
    successful ones of them · `events`: the arrivals of the content of all requests · `steadiness`: of the whole level,
    with its window · `moments`: those of the whole level, in which `first` is the position of the first of `requests` ·
    `slice`, `slice_start_s`: the position of a slice in it; None for a whole level.
    """

    requests: pd.DataFrame
    window: Window | None
    facts: Facts
    objectives: Objectives | None
    counted: Flags
    chosen: Rows
    successes: Rows
    events: Ragged
    steadiness: Steadiness
    moments: LevelMoments
    first: int = 0
    slice: int | None = None
    slice_start_s: float | None = None

    def part(self, window: Window, index: int) -> LevelSample:
        """The requests sent in a slice of the window of a whole level; `index` is its number.

        Of the others only those are in it, and some beside them, that were in flight in the slice.
        """
        near = self.moments.near(window)
        requests = self.requests.iloc[near]
        requests.index = pd.RangeIndex(len(requests))
        counted = measured_in(requests, window)
        chosen = Rows.chosen(requests, counted)
        return replace(
            self,
            requests=requests,
            window=window,
            counted=counted,
            chosen=chosen,
            successes=_successes(chosen),
            events=self.events.between(near.start, near.stop),
            first=self.first + near.start,
            slice=index,
            slice_start_s=window.start - self.window.start if self.window else None,
        )

    def gaps_in(self, requests: Rows) -> Ragged:
        """The gaps of some of the requests, in their order."""
        flags: Flags = requests.of(have_gaps(self.requests))
        return gaps_of(self.events_in(requests), flags)

    def events_in(self, requests: Rows) -> Ragged:
        """The arrivals of the content of some of the requests, in their order."""
        within = self.events.between(requests.begin, requests.end)
        return within if requests.flags is None else within.take(np.flatnonzero(requests.flags))


def _successes(rows: Rows) -> Rows:
    return rows.where(rows["success"].to_numpy(dtype=bool))


def sample_of(
    requests: pd.DataFrame, steadiness: Steadiness, facts: Facts, objectives: Objectives | None = None
) -> LevelSample:
    """The sample of a whole level. `requests` must be what `request_metrics` returns, `steadiness` theirs."""
    events = event_times(requests)
    plain = requests.drop(columns=[name for name in _NOT_KEPT if name in requests])
    plain.index = pd.RangeIndex(len(plain))
    counted = measured_in(plain, steadiness.window)
    return sample_with_events(plain, counted, events, steadiness, facts, objectives)


def sample_with_events(
    requests: pd.DataFrame,
    counted: Flags,
    events: Ragged,
    steadiness: Steadiness,
    facts: Facts,
    objectives: Objectives | None,
) -> LevelSample:
    """The sample of requests; `events` are the arrivals of their content."""
    chosen, moments = Rows.chosen(requests, counted), LevelMoments(requests, facts)
    return LevelSample(
        requests, steadiness.window, facts, objectives, counted, chosen, _successes(chosen), events, steadiness, moments
    )
