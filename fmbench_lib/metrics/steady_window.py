"""The window of an open loop begins where its steady state does, if that is later than the end of the warm-up."""

from __future__ import annotations

import numpy as np
import pandas as pd

from fmbench_lib.metrics.columns import Cells, Column
from fmbench_lib.metrics.growing_queue import growth_in, growth_of_level
from fmbench_lib.metrics.level_sample import Facts, LevelSample, Steadiness
from fmbench_lib.metrics.missing import NAN, floats, number, text
from fmbench_lib.metrics.requests import request_metrics
from fmbench_lib.metrics.statistics.steady_state import BATCH, LEAST_BATCHES, warm_up
from fmbench_lib.metrics.window import Window, window_of

STEADY = (
    Column("steady", "", "flag", "open loop: whether its latencies became steady; empty where too few say"),
    Column("steady_after_s", "s", "number", "open loop: when they did, from the first request on; empty if never"),
)


def steadiness(requests: pd.DataFrame, facts: Facts) -> Steadiness:
    """The steadiness of a level from all of its requests, as `request_metrics` returns them.

    Where it never became steady, or the endpoint cannot sustain it, the window stays as it is.
    """
    window = window_of(facts)
    if window is None or number(facts, "concurrency") is not None:
        return Steadiness(window)
    measured = growth_in(requests, facts, window)
    due = floats(requests, "due")
    order = np.argsort(due, kind="stable")
    latencies = floats(requests, "latency")[order]
    few = np.count_nonzero(~np.isnan(latencies)) < BATCH * LEAST_BATCHES
    if few or text(facts, "arrival") == "trace":
        return Steadiness(window, growth=measured)
    found = warm_up(latencies, due[order])
    if not found.ends or (measured is not None and measured.answer == "no"):
        return Steadiness(window, reached=False, growth=measured)
    first = float(due[order][~np.isnan(latencies)][0])
    start = max(window.start, first + found.seconds)
    moved = Window(start, window.end) if start < window.end else window
    return Steadiness(moved, True, found.seconds, growth_of_level(requests, facts, measured, moved))


def measured_window(records: pd.DataFrame, facts: Facts) -> Window | None:
    """The window that the figures of a level are of, from its records; None where it has no length."""
    return steadiness(request_metrics(records), facts).window


def steady_columns(sample: LevelSample) -> Cells:
    """The columns `STEADY`."""
    found = sample.steadiness
    return {"steady": found.reached, "steady_after_s": NAN if found.after_s is None else found.after_s}
