"""Whether an open loop can be sustained: the requests in flight at the edges of its window, and their trend."""

from __future__ import annotations

from fmbench_lib.metrics.columns import Cells, Column
from fmbench_lib.metrics.level_sample import LevelSample
from fmbench_lib.metrics.missing import NAN

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
    growth = sample.steadiness.growth
    if growth is None:
        return {"sustainable": None, **dict.fromkeys(("sustainable_longer", "in_flight_start", "in_flight_end"), NAN)}
    return {
        "sustainable": growth.answer,
        "sustainable_longer": growth.longer,
        "in_flight_start": growth.at_start,
        "in_flight_end": growth.at_end,
    }


def queue_grows(sample: LevelSample) -> bool:
    """Whether the endpoint cannot sustain the load, so that times and rates are those of a growing queue."""
    growth = sample.steadiness.growth
    return growth is not None and growth.answer == "no"
