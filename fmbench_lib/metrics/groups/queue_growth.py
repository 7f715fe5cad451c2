"""Whether an open loop can be sustained: the requests in flight at the edges of its window, and their trend."""

from __future__ import annotations

from fmbench_lib.metrics.columns import Cells, Column
from fmbench_lib.metrics.level_sample import LevelSample
from fmbench_lib.metrics.missing import NAN, floats, number
from fmbench_lib.metrics.statistics.sustainability import Sustainability, sustainability
from fmbench_lib.metrics.window import moment_of_ending

QUEUE_GROWTH = (
    Column("sustainable", "", "text", "open loop: `yes`, `no` or `unknown`, by the trend of the requests in flight"),
    Column("in_flight_start", "requests", "whole number", "open loop: due and not ended at the start of the window"),
    Column("in_flight_end", "requests", "whole number", "open loop: the same at its end"),
)


def queue_growth_columns(sample: LevelSample) -> Cells:
    """The columns `QUEUE_GROWTH`; empty for a closed loop, in which the requests in flight cannot grow."""
    growth = queue_growth(sample)
    if growth is None:
        return {"sustainable": None, "in_flight_start": NAN, "in_flight_end": NAN}
    return {
        "sustainable": growth.answer,
        "in_flight_start": growth.at_start,
        "in_flight_end": growth.at_end,
    }


def queue_growth(sample: LevelSample) -> Sustainability | None:
    """What the whole level says, also for a slice of it; None for a closed loop or without a window."""
    window = sample.level_window
    if window is None or number(sample.facts, "concurrency") is not None:
        return None
    ends = moment_of_ending(sample.requests, number(sample.facts, "timeout"))
    return sustainability(floats(sample.requests, "due"), ends, (window.start, window.end))


def queue_grows(sample: LevelSample) -> bool:
    """Whether the endpoint cannot sustain the load, so that times and rates are those of a growing queue."""
    growth = queue_growth(sample)
    return growth is not None and growth.answer == "no"
