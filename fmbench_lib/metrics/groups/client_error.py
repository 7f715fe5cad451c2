"""How much of the times of a level can be the client's own delay: a bound for each percentile that is published.

Every request has the times between which its true ones lie. A percentile of the true times then lies between those of
these two series, whatever the delays were, so their distance bounds the error of the percentile.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from fmbench_lib.metrics.columns import Cells, Column
from fmbench_lib.metrics.groups.level_times import QUANTILES
from fmbench_lib.metrics.groups.transport import schedule_lags
from fmbench_lib.metrics.level_sample import LevelSample
from fmbench_lib.metrics.missing import NAN, floats
from fmbench_lib.metrics.rows import Rows
from fmbench_lib.metrics.statistics.arrays import Flags, Floats, Integers
from fmbench_lib.metrics.statistics.ordered_values import OrderedValues
from fmbench_lib.metrics.statistics.ragged import Ragged

ERROR_FAMILIES = ("latency", "TTFT", "ITL")
CLIENT_ERROR = tuple(
    Column(f"{family}_{q}_client_error", "s", "number", f"at most so much of `{family}_{q}` is the client's own delay")
    for family in ERROR_FAMILIES
    for q in QUANTILES
)


_AT_ONCE, _EVENTS_AT_ONCE = 500_000, 4_000_000


@dataclass(frozen=True, slots=True)
class _Delays:
    """By how much the times of each success may be too late, in seconds: the stamps of its first and of its last
    content event, and for each of its gaps the event after it. The one before it was the last of its read, and the
    kernel stamps that one when it arrives."""

    first: Floats
    last: Floats
    after: Floats


@dataclass(frozen=True, slots=True)
class _Responses:
    """Successes by position: their events, how many gaps each of them has, when they were sent and ended, and how late
    the client may have read."""

    events: Ragged
    gaps: Integers
    streamed: Flags
    sent: Floats
    ended: Floats
    lags: Floats

    def part(self, begin: int, end: int) -> _Responses:
        events, own = self.events.between(begin, end), slice(begin, end)
        return _Responses(events, self.gaps[own], self.streamed[own], self.sent[own], self.ended[own], self.lags[own])

    def parts(self) -> Iterator[_Responses]:
        """All of them, some millions of events at a time."""
        begin, offsets = 0, self.events.offsets
        while begin < len(self.events):
            end = int(np.searchsorted(offsets, offsets[begin] + _EVENTS_AT_ONCE, side="right")) - 1
            end = min(max(end, begin + 1), begin + _EVENTS_AT_ONCE)
            yield self.part(begin, end)
            begin = end


def client_error(sample: LevelSample) -> Cells:
    """The columns `CLIENT_ERROR`; NaN where a response was not stamped by the kernel, as its delay is not known."""
    lags = floats(sample.successes, "client_lag")
    if not lags.size or np.isnan(lags).any():
        return {column.name: NAN for column in CLIENT_ERROR}
    [usual] = OrderedValues(lags).quantiles([0.5])
    high, low = [], []
    for series in (_known(sample.successes, "latency"), _known(sample.successes, "TTFT")):
        high.append(_quantiles(series))
        low.append(np.empty(series.size))
    gaps = sample.gaps_in(sample.successes).values
    high.append(_quantiles(gaps))
    low.append(gaps)  # no more needed, and as many
    filled = [0] * len(low)
    for part in sample.successes.parts(_AT_ONCE):
        for number, values in enumerate(_earliest(sample, part, usual)):
            low[number][filled[number] : filled[number] + values.size] = values
            filled[number] += values.size
    return _columns(high, [_quantiles(values[:size]) for values, size in zip(low, filled, strict=True)])


def _columns(high: Sequence[Sequence[float]], low: Sequence[Sequence[float]]) -> Cells:
    return {
        f"{family}_{name}_client_error": above - below
        for family, ends in zip(ERROR_FAMILIES, zip(high, low, strict=True), strict=True)
        for name, above, below in zip(QUANTILES, *ends, strict=True)
    }


def _known(rows: Rows, family: str) -> Floats:
    values = floats(rows, family)
    known: Floats = values[~np.isnan(values)]
    return known


def _quantiles(values: Floats) -> list[float]:
    """The quantiles of values, which are put in another order; NaN without values."""
    return (
        OrderedValues(values, own=True).quantiles(list(QUANTILES.values())) if values.size else [NAN] * len(QUANTILES)
    )


def _earliest(sample: LevelSample, part: Rows, usual: float) -> tuple[Floats, Floats, Floats]:
    """The least that latencies, TTFTs and gaps of some successes can have been; of those that have one. A client is
    taken to have been late by `usual` at least."""
    gaps, streamed = sample.gaps_in(part), floats(part, "streamed") == 1
    ends, lags = (floats(part, "sent"), floats(part, "end")), np.maximum(floats(part, "client_lag"), usual)
    delays = _delays(_Responses(sample.events_in(part), gaps.sizes, streamed, *ends, lags))
    late = np.nan_to_num(schedule_lags(part))
    latency, ttft = (floats(part, "latency") - late - delays.last), (floats(part, "TTFT") - late - delays.first)
    return latency[~np.isnan(latency)], ttft[~np.isnan(ttft)], np.maximum(gaps.values - delays.after, 0.0)


def _delays(responses: _Responses) -> _Delays:
    """The delays of the successes.

    Bytes that are read together carry the stamp of the last of them, so an event is stamped late only if something
    after it came with the same read, and then by no more than the client was late and than the read before was ago.
    """
    parts = [_delays_of_part(part) for part in responses.parts()]
    return _Delays(*(np.concatenate([getattr(part, name) for part in parts]) for name in ("first", "last", "after")))


def _delays_of_part(part: _Responses) -> _Delays:
    sizes, times = part.events.sizes, part.events.values
    with_events = sizes > 0
    first = np.where(part.streamed & ~with_events, part.lags, 0.0)  # no event but the first and last is known
    last = first.copy()
    if not times.size:
        return _Delays(first, last, np.empty(0))
    begins = part.events.offsets[:-1][with_events]
    shifts, apart = _shifts(part, begins)
    seen = part.streamed[with_events]
    first[with_events] = np.where(seen, shifts[begins], 0.0)
    last[with_events] = np.where(seen, shifts[part.events.offsets[1:][with_events] - 1], 0.0)
    kept = apart != 0  # a response may have several reads and no ITL
    kept[begins] = False
    return _Delays(first, last, shifts[kept & np.repeat((part.gaps > 0) & part.streamed, sizes)])


def _shifts(part: _Responses, begins: Integers) -> tuple[Floats, Floats]:
    """By how much each event may be stamped late, and the times between events; responses begin at `begins`."""
    times, sizes = part.events.values, part.events.sizes
    apart = np.diff(times, prepend=times[0])
    together = np.append(times[1:] == times[:-1], False)
    filled = sizes > 0
    ends = part.events.offsets[1:][filled] - 1
    together[ends] = times[ends] >= part.ended[filled]
    fresh = apart > 0
    fresh[begins] = True
    starts = np.flatnonzero(fresh)
    since = np.diff(times[starts], prepend=times[0])
    read = np.cumsum(fresh) - 1
    since[read[begins]] = times[begins] - part.sent[filled]
    return np.where(together, np.minimum(np.repeat(part.lags, sizes), since[read]), 0.0), apart
