"""What was offered to an endpoint, what was sent to it, and what it completed."""

from __future__ import annotations

from fmbench_lib.metrics.columns import Cells, Column
from fmbench_lib.metrics.level_sample import LevelSample
from fmbench_lib.metrics.missing import NAN, number, or_nan
from fmbench_lib.metrics.window import completed_in, moment_of_sending

ARRIVAL_RATES = (
    Column("offered_rate", "requests/s", "number", "open loop: requests that were due in the window, sent or not"),
    Column("sent_rate", "requests/s", "number", "requests sent in the window, whenever they were due"),
    Column("completed_rate", "requests/s", "number", "successes that ended in the window, whenever they were sent"),
)


def arrival_rates(sample: LevelSample) -> Cells:
    """The columns `ARRIVAL_RATES`; NaN without a window. What is offered is the schedule's: a closed loop has none."""
    window = sample.window
    if window is None:
        return {column.name: NAN for column in ARRIVAL_RATES}
    sent = window.holds(moment_of_sending(sample.requests))
    return {
        "offered_rate": or_nan(number(sample.facts, "scheduled_rate")),
        "sent_rate": float(sent.sum()) / window.seconds,
        "completed_rate": float(completed_in(sample.requests, window).sum()) / window.seconds,
    }
