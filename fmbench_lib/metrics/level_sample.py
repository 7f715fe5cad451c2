"""What the metric groups read: the requests of a level, or of one slice of its window."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import pandas as pd

from fmbench_lib.metrics.objectives import Objectives
from fmbench_lib.metrics.statistics.arrays import Flags
from fmbench_lib.metrics.window import Window, measured_in

Facts: TypeAlias = Mapping[str, Any]
"""What is known of a level beside its requests: its load, its window, what ended it, what the client used."""

LevelData: TypeAlias = tuple[pd.DataFrame, Facts]
"""The request records of a level, and its facts."""


@dataclass(frozen=True, slots=True)
class LevelSample:
    """The requests of a level with their measures, and the subsets that the metrics are about.

    `requests`: all of the level, as `request_metrics` returns them · `counted`: which of them were measured and sent
    in `window` (without a window: all measured ones) · `chosen`: those requests · `successes`: the successful ones of
    them · `level_window`: the window of the whole level · `slice`, `slice_start_s`: the position of a slice in it; None
    for a whole level.
    """

    requests: pd.DataFrame
    window: Window | None
    facts: Facts
    objectives: Objectives | None
    counted: Flags
    chosen: pd.DataFrame
    successes: pd.DataFrame
    level_window: Window | None
    slice: int | None = None
    slice_start_s: float | None = None


def sample_of(
    requests: pd.DataFrame,
    window: Window | None,
    facts: Facts,
    objectives: Objectives | None = None,
    *,
    slice_index: int | None = None,
    level_window: Window | None = None,
) -> LevelSample:
    """The sample of the requests sent in `window`. `requests` must be what `request_metrics` returns.

    For a slice also give its number and the window of its level.
    """
    counted = measured_in(requests, window)
    chosen = requests[counted]
    successes = chosen[chosen["success"]]
    whole = level_window or window
    start_s = window.start - whole.start if window and whole and slice_index is not None else None
    return LevelSample(requests, window, facts, objectives, counted, chosen, successes, whole, slice_index, start_s)
