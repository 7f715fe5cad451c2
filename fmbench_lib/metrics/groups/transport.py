"""How the client sent and received: its delays, its connections, its clock."""

from __future__ import annotations

import numpy as np

from fmbench_lib.metrics.columns import Cells, Column
from fmbench_lib.metrics.groups.tokens import joined_values, mean_of_known
from fmbench_lib.metrics.level_sample import LevelSample
from fmbench_lib.metrics.missing import floats, or_nan, text
from fmbench_lib.metrics.requests import since_sent
from fmbench_lib.metrics.rows import Frame
from fmbench_lib.metrics.statistics.arrays import Flags, Floats
from fmbench_lib.metrics.statistics.percentiles import percentile

LAGS = (
    Column("client_lag_p99", "s", "number", "how late the client read what had arrived, p99"),
    Column("schedule_lag_p99", "s", "number", "how late the client sent what was due, p99; without what it sent again"),
)
RESENDS = (
    Column(
        "resend_wait_max",
        "s",
        "number",
        "longest time that a request lost as it had to be sent again: from `due` to the second sending, without its "
        "connection set-up; empty where none was",
    ),
)
TRANSPORT = (
    Column("stamp_source", "", "text", "`kernel`, `user` (the reading clock), or both joined by `+`"),
    Column("retried", "", "whole number", "requests sent again because an idle connection had been closed"),
    Column("reused_share", "share", "number", "requests sent on a reused connection"),
    Column(
        "connect_s_mean",
        "s",
        "number",
        "mean time to set up a connection, over the requests that opened one; empty where all were reused",
    ),
    Column("busy_s_mean", "s", "number", "mean time a request occupied its slot, from `due` to `end`"),
    Column("negative_times", "", "whole number", "times below zero: only a clock that was set back gives these"),
    Column("cap_wait_mean", "s", "number", "mean wait for the cap on requests in flight (`load.max_concurrency`)"),
    Column("cap_wait_p95", "s", "number", "p95 of that wait"),
)


def lags(sample: LevelSample) -> Cells:
    """The columns `LAGS` and `RESENDS`, over all measured requests, failed ones included."""
    chosen = sample.chosen
    again = sent_again(chosen)
    return {
        "client_lag_p99": or_nan(percentile(floats(chosen, "client_lag"), 0.99)),
        "schedule_lag_p99": or_nan(percentile(schedule_lags(chosen), 0.99)),
        "resend_wait_max": or_nan(percentile(_waits(chosen)[again], 1.0)),
    }


def transport(sample: LevelSample) -> Cells:
    """The columns `TRANSPORT`, over all measured requests; `negative_times` over the successes."""
    chosen, successes = sample.chosen, sample.successes
    times = (floats(successes, "TTFT"), floats(successes, "latency"), since_sent(successes, "TTFT"))
    return {
        "stamp_source": joined_values(chosen, "stamp_source") or text(sample.facts, "stamp_source"),
        "retried": int(np.nansum(floats(chosen, "retried"))),
        "reused_share": mean_of_known(floats(chosen, "reused")),
        "connect_s_mean": mean_of_known(floats(chosen, "connect_s")),
        "busy_s_mean": mean_of_known(floats(chosen, "end") - floats(chosen, "due")),
        "negative_times": sum(int((each < 0).sum()) for each in times),
        "cap_wait_mean": mean_of_known(floats(chosen, "cap_wait")),
        "cap_wait_p95": or_nan(percentile(floats(chosen, "cap_wait"), 0.95)),
    }


def sent_again(chosen: Frame) -> Flags:
    """Which requests were sent again because the endpoint had closed their idle connection."""
    again: Flags = np.nan_to_num(floats(chosen, "retried")) > 0
    return again


def schedule_lags(chosen: Frame) -> Floats:
    """How late the client sent each request; NaN for one that was sent again, as its first try took some."""
    result: Floats = np.where(sent_again(chosen), np.nan, _waits(chosen))
    return result


def _waits(chosen: Frame) -> Floats:
    """How long after it was due each request was sent: as recorded, else `sent - due - connect_s - cap_wait`.

    A record has none of a request that was sent again, where this is the time that the first try took.
    """
    computed = floats(chosen, "sent") - floats(chosen, "due") - np.nan_to_num(floats(chosen, "connect_s"))
    computed = np.maximum(computed - np.nan_to_num(floats(chosen, "cap_wait")), 0.0)
    recorded = floats(chosen, "schedule_lag")
    result: Floats = np.where(np.isnan(recorded), computed, recorded)
    return result
