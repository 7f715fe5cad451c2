"""Whether an open loop can be sustained: the requests in flight at the edges of its window, and their trend."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from fmbench_lib.metrics.columns import Cells, Column
from fmbench_lib.metrics.level_sample import Facts, LevelSample
from fmbench_lib.metrics.missing import NAN, floats, number
from fmbench_lib.metrics.statistics.sustainability import Sustainability, sustainability
from fmbench_lib.metrics.window import Window, moment_of_ending, window_of

QUEUE_GROWTH = (
    Column("sustainable", "", "text", "open loop: `yes`, `no` or `unknown`, by the trend of the requests in flight"),
    Column(
        "sustainable_longer", "", "number", "open loop: how many times as long to measure to know; 1 if it is known"
    ),
    Column("in_flight_start", "requests", "whole number", "open loop: due and not ended at the start of the window"),
    Column("in_flight_end", "requests", "whole number", "open loop: the same at its end"),
)


def queue_growth_columns(sample: LevelSample) -> Cells:
    """The columns `QUEUE_GROWTH`; empty for a closed loop, in which the requests in flight cannot grow."""
    growth = queue_growth(sample)
    if growth is None:
        return {"sustainable": None, **dict.fromkeys(("sustainable_longer", "in_flight_start", "in_flight_end"), NAN)}
    return {
        "sustainable": growth.answer,
        "sustainable_longer": growth.longer,
        "in_flight_start": growth.at_start,
        "in_flight_end": growth.at_end,
    }


def queue_growth(sample: LevelSample) -> Sustainability | None:
    """What the whole level says, also for a slice of it; None for a closed loop or without a window.

    Asked is all that was sent after the warm-up. Where that leaves it open, as a queue may only have filled to where it
    stays, the part from the steady state on is asked too, but does not accuse: two looks would do so twice as often.
    """
    growth = growth_in(sample.requests, sample.facts, window_of(sample.facts))
    if growth is None or growth.answer != "unknown":
        return growth
    steady = growth_in(sample.requests, sample.facts, sample.level_window)
    return growth if steady is None or steady.answer == "no" else steady


def growth_in(requests: pd.DataFrame, facts: Facts, window: Window | None) -> Sustainability | None:
    """Whether an open loop can be sustained by what it did in a window; None for a closed loop or without a window.

    What ends after the window tells of the capacity up to the first failure there: a client that gives up, or a server
    that is stopped, does not end requests at its own pace.
    """
    if window is None or number(facts, "concurrency") is not None:
        return None
    ends = moment_of_ending(requests, number(facts, "timeout"))
    failed_later = ends[~requests["success"].to_numpy(dtype=bool) & (ends > window.end)]
    until = float(np.min(failed_later, initial=math.inf))
    return sustainability(floats(requests, "due"), ends, (window.start, window.end), until)


def queue_grows(sample: LevelSample) -> bool:
    """Whether the endpoint cannot sustain the load, so that times and rates are those of a growing queue."""
    growth = queue_growth(sample)
    return growth is not None and growth.answer == "no"
