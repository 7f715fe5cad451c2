"""What the metric groups read: the requests of a level, or of one slice of its window."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import pandas as pd

from fmbench_lib.metrics.objectives import Objectives
from fmbench_lib.metrics.requests import event_times, gaps_of_reads
from fmbench_lib.metrics.statistics.arrays import Flags
from fmbench_lib.metrics.statistics.ragged import Ragged
from fmbench_lib.metrics.statistics.sustainability import Sustainability
from fmbench_lib.metrics.window import Window, measured_in

Facts: TypeAlias = Mapping[str, Any]
"""What is known of a level beside its requests: its load, its window, what ended it, what the client used."""

LevelData: TypeAlias = tuple[pd.DataFrame, Facts]
"""The request records of a level, and its facts."""

_LISTS = ("event_times", "ITL", "scores")


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
    successful ones of them · `events`, `gaps`: the arrivals of the content of all requests, and the times between the
    reads that brought it; the index of the three frames is the position in them · `steadiness`: of the whole level,
    with its window · `slice`, `slice_start_s`: the position of a slice in it; None for a whole level.
    """

    requests: pd.DataFrame
    window: Window | None
    facts: Facts
    objectives: Objectives | None
    counted: Flags
    chosen: pd.DataFrame
    successes: pd.DataFrame
    events: Ragged
    gaps: Ragged
    steadiness: Steadiness
    slice: int | None = None
    slice_start_s: float | None = None

    def part(self, window: Window, index: int) -> LevelSample:
        """The requests sent in a slice of the window of a whole level; `index` is its number."""
        counted = measured_in(self.requests, window)
        chosen = rows_where(self.requests, counted)
        start_s = window.start - self.window.start if self.window else None
        return LevelSample(
            self.requests,
            window,
            self.facts,
            self.objectives,
            counted,
            chosen,
            rows_where(chosen, chosen["success"].to_numpy(dtype=bool)),
            self.events,
            self.gaps,
            self.steadiness,
            index,
            start_s,
        )

    def gaps_in(self, requests: pd.DataFrame) -> Ragged:
        """The gaps of some of the requests, in their order."""
        return self.gaps.take(requests.index.to_numpy())

    def events_in(self, requests: pd.DataFrame) -> Ragged:
        """The arrivals of the content of some of the requests, in their order."""
        return self.events.take(requests.index.to_numpy())


def rows_where(frame: pd.DataFrame, flags: Flags) -> pd.DataFrame:
    """The rows of a frame for which a flag is True; rows that follow each other share the memory of the frame."""
    places = np.flatnonzero(flags)
    if not places.size or places[-1] - places[0] + 1 > places.size:
        return frame[flags]
    return frame.iloc[places[0] : places[-1] + 1]


def sample_of(
    requests: pd.DataFrame, steadiness: Steadiness, facts: Facts, objectives: Objectives | None = None
) -> LevelSample:
    """The sample of a whole level. `requests` must be what `request_metrics` returns, `steadiness` theirs."""
    events, gaps = event_times(requests), gaps_of_reads(requests)
    plain = requests.drop(columns=[name for name in _LISTS if name in requests])
    plain.index = pd.RangeIndex(len(plain))
    counted = measured_in(plain, steadiness.window)
    chosen = rows_where(plain, counted)
    successes = rows_where(chosen, chosen["success"].to_numpy(dtype=bool))
    window = steadiness.window
    return LevelSample(plain, window, facts, objectives, counted, chosen, successes, events, gaps, steadiness)
