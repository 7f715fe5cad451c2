"""The length of a level's window, and the load that the endpoint saw in it."""

from __future__ import annotations

from fmbench_lib.metrics.columns import Cells, Column
from fmbench_lib.metrics.level_sample import LevelSample
from fmbench_lib.metrics.missing import NAN, number
from fmbench_lib.metrics.window import mean_in_flight

WINDOW = (
    Column("window_s", "s", "number", "length of the window"),
    Column("mean_in_flight", "requests", "number", "requests in flight, averaged over the time of the window"),
)


def window_columns(sample: LevelSample) -> Cells:
    """The columns `WINDOW`; NaN without a window."""
    window = sample.window
    in_flight = mean_in_flight(sample.requests, window, number(sample.facts, "timeout")) if window else NAN
    return {"window_s": window.seconds if window else NAN, "mean_in_flight": in_flight}
