"""How much of the times of a level can be the client's own delay: a bound for each percentile that is published.

Every request has the times between which its true ones lie. A percentile of the true times then lies between those of
these two series, whatever the delays were, so their distance bounds the error of the percentile.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from fmbench_lib.metrics.columns import Cells, Column
from fmbench_lib.metrics.groups.level_times import QUANTILES
from fmbench_lib.metrics.groups.transport import schedule_lags
from fmbench_lib.metrics.level_sample import LevelSample
from fmbench_lib.metrics.missing import NAN, floats
from fmbench_lib.metrics.statistics.arrays import Floats

ERROR_FAMILIES = ("latency", "TTFT", "ITL")
CLIENT_ERROR = tuple(
    Column(f"{family}_{q}_client_error", "s", "number", f"at most so much of `{family}_{q}` is the client's own delay")
    for family in ERROR_FAMILIES
    for q in QUANTILES
)


@dataclass(frozen=True, slots=True)
class _Delays:
    """By how much the times of each success may be too late, in seconds: the stamps of its first and of its last
    content event, and for each of its gaps the event after it. The one before it was the last of its read, and the
    kernel stamps that one when it arrives."""

    first: Floats
    last: Floats
    after: list[Floats]


def client_error(sample: LevelSample) -> Cells:
    """The columns `CLIENT_ERROR`; NaN where a response was not stamped by the kernel, as its delay is not known."""
    chosen = sample.successes
    lags = floats(chosen, "client_lag")
    if not len(chosen) or np.isnan(lags).any():
        return {column.name: NAN for column in CLIENT_ERROR}
    delays = _delays(chosen, np.maximum(lags, np.median(lags)))
    late = np.nan_to_num(schedule_lags(chosen))
    pooled, after = _pooled(_gaps(chosen)), _pooled(delays.after)
    latency, ttft = floats(chosen, "latency"), floats(chosen, "TTFT")
    row: Cells = {}
    for name, q in QUANTILES.items():
        row[f"latency_{name}_client_error"] = _distance(latency - late - delays.last, latency, q)
        row[f"TTFT_{name}_client_error"] = _distance(ttft - late - delays.first, ttft, q)
        row[f"ITL_{name}_client_error"] = _distance(np.maximum(pooled - after, 0.0), pooled, q)
    return row


def _distance(low: Floats, high: Floats, q: float) -> float:
    """How far the quantile of `high` lies above that of `low`; NaN without values."""
    known = ~np.isnan(high)
    return float(np.quantile(high[known], q) - np.quantile(low[known], q)) if known.any() else NAN


def _delays(chosen: pd.DataFrame, lags: Floats) -> _Delays:
    """The delays of the successes, of which each was read up to `lags` late.

    Bytes that are read together carry the stamp of the last of them, so an event is stamped late only if something
    after it came with the same read, and then by no more than the client was late and than the read before was ago.
    """
    first, last = np.zeros(len(chosen)), np.zeros(len(chosen))
    after: list[Floats] = []
    streamed, sent, ended = floats(chosen, "streamed") == 1, floats(chosen, "sent"), floats(chosen, "end")
    times = chosen["event_times"] if "event_times" in chosen else [None] * len(chosen)
    for index, (events, gaps) in enumerate(zip(times, _gaps(chosen), strict=True)):
        if not streamed[index]:
            continue
        if not isinstance(events, np.ndarray | list | tuple) or not len(events):
            first[index] = last[index] = lags[index]  # no event but the first and last is known
            continue
        known = np.asarray(events, dtype=np.float64)
        shifts = _shifts(known, sent[index], ended[index], lags[index])
        first[index], last[index] = shifts[0], shifts[-1]
        if gaps.size:  # a response may have several reads and no ITL
            after.append(shifts[1:][np.diff(known) != 0])
    return _Delays(first, last, after)


def _gaps(chosen: pd.DataFrame) -> list[Floats]:
    return [np.asarray(each, dtype=np.float64) for each in chosen["ITL"]]


def _shifts(events: Floats, sent: float, ended: float, lag: float) -> Floats:
    """By how much each event of a response may be stamped late."""
    together = np.append(events[1:] == events[:-1], events[-1] >= ended)
    starts = np.flatnonzero(np.append(True, np.diff(events) > 0))
    since = np.diff(events[starts], prepend=sent)
    read = np.searchsorted(starts, np.arange(len(events)), side="right") - 1
    result: Floats = np.where(together, np.minimum(lag, since[read]), 0.0)
    return result


def _pooled(groups: list[Floats]) -> Floats:
    return np.concatenate(groups) if groups else np.empty(0)
