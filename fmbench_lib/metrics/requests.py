"""The measures of a single request: latency, TTFT, TPOT and ITL, added to the records of a level. Times in seconds.

The clock of a request starts at `due`: in an open loop the moment given by the schedule, in a closed loop the moment a
free slot took it up. So connection set-up counts, as it does for a user, and a client that sends late cannot hide the
wait (no coordinated omission). The same figures from `sent`, the first byte handed to the socket, stand beside them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from fmbench_lib.metrics.columns import Column
from fmbench_lib.metrics.missing import floats
from fmbench_lib.metrics.plausibility import REMARK_SEPARATOR
from fmbench_lib.metrics.rows import Frame
from fmbench_lib.metrics.statistics.arrays import Flags, Floats
from fmbench_lib.metrics.statistics.ragged import Ragged

MEASURES: dict[str, Column] = {
    column.name: column
    for column in (
        Column("TTFT", "s", "number", "`first - due`"),
        Column("TTFT_answer", "s", "number", "`first_answer - due`"),
        Column("latency", "s", "number", "`last - due`"),
        Column("TPOT", "s", "number", "`(last - first) / (seen_tokens / choices - 1)`"),
        Column("TTFT_from_sent", "s", "number", "`first - sent`"),
        Column("latency_from_sent", "s", "number", "`last - sent`"),
    )
}
"""The measures of a request that are one number each; `ITL` is a list of gaps."""


_AT_ONCE = 200_000


def succeeded(records: pd.DataFrame) -> Flags:
    """True where a request has no error class: only that is a transaction, whatever arrived before an error."""
    result: Flags = records["error"].isna().to_numpy(dtype=bool)
    return result


def request_metrics(records: pd.DataFrame) -> pd.DataFrame:
    """A copy of the records with `success`, TTFT, TTFT_answer, latency, TPOT, ITL, TTFT_from_sent, latency_from_sent.

    - `TTFT = first - due`, `TTFT_answer = first_answer - due`, `latency = last - due`
    - `TPOT = (last - first) / (seen_tokens / choices - 1)`, undefined below two tokens of a choice. `seen_tokens` are
      the completion tokens that were seen; records of earlier versions have all completion tokens in their place
    - `ITL`: the gaps between the reads that brought content (an array; one read may bring several events, and one event
      several tokens), none between interleaved choices
    - the same from `sent` in TTFT_from_sent and latency_from_sent

    A failed request has none of them and a response that did not stream only a latency. One whose content came at once,
    as a proxy held it back, has no TPOT and no ITL. A measure that needs a missing timestamp is NaN.
    """
    result = timed_requests(records)
    result["ITL"] = _as_column(gaps_of(event_times(result), have_gaps(result)), records.index)
    return result


def timed_requests(records: pd.DataFrame) -> pd.DataFrame:
    """What `request_metrics` returns but for `ITL`, which takes as much memory as all the rest."""
    result = records.copy(deep=False)
    success = succeeded(records)
    streamed = floats(records, "streamed") == 1
    due, sent = floats(records, "due"), floats(records, "sent")
    first, last, answer = (floats(records, name) for name in ("first", "last", "first_answer"))
    timed = success & streamed
    spread = _spread(records)
    result["success"] = success
    result["TTFT"] = np.where(timed, first - due, np.nan)
    alike = np.array_equal(first, answer, equal_nan=True)
    result["TTFT_answer"] = result["TTFT"] if alike else np.where(timed, answer - due, np.nan)
    result["latency"] = np.where(success, last - due, np.nan)
    tokens, choices = seen_tokens(records), choices_of(records)
    gaps = np.where(tokens / choices >= 2, tokens / choices - 1, np.nan)
    result["TPOT"] = np.where(spread, (last - first) / gaps, np.nan)
    result["TTFT_from_sent"] = np.where(timed, first - sent, np.nan)
    result["latency_from_sent"] = np.where(success, last - sent, np.nan)
    return result


def have_gaps(records: pd.DataFrame) -> Flags:
    """Which requests have gaps between reads: streamed successes whose content was spread over time, of one choice."""
    having: Flags = _spread(records) & (choices_of(records) == 1)
    return having


def _spread(records: pd.DataFrame) -> Flags:
    """Which streamed successes brought their content over a time."""
    timed = succeeded(records) & (floats(records, "streamed") == 1)
    spread: Flags = timed & (floats(records, "last") > floats(records, "first")) & ~has_remark(records, "buffered")
    return spread


def since_sent(requests: Frame, family: str) -> Floats:
    """TTFT or latency from the first byte sent instead of from `due`, of requests with their measures."""
    last = floats(requests, "first" if family == "TTFT" else "last")
    times: Floats = np.where(np.isnan(floats(requests, family)), np.nan, last - floats(requests, "sent"))
    return times


def seen_tokens(records: Frame) -> Floats:
    """The completion tokens of each request that came to be seen; all of them in records without that column."""
    return floats(records, "seen_tokens" if "seen_tokens" in records else "completion_tokens")


def choices_of(records: pd.DataFrame) -> Floats:
    """How many answers each request had; 1 where that is not recorded."""
    choices: Floats = np.nan_to_num(floats(records, "choices"), nan=1.0)
    return choices


def has_remark(records: Frame, remark: str) -> Flags:
    """Which records have this remark."""
    if "remarks" not in records:
        return np.zeros(len(records), dtype=bool)
    codes, texts = pd.factorize(records["remarks"])
    having = [remark in str(text).split(REMARK_SEPARATOR) for text in texts]
    result: Flags = np.array([*having, False])[codes]  # a missing one has the code -1
    return result


def event_times(records: pd.DataFrame) -> Ragged:
    """The arrivals of the content events of each request; none where no event has a time of its own."""
    return lists_in(records, "event_times")


def gaps_of_reads(requests: pd.DataFrame) -> Ragged:
    """The column `ITL` of what `request_metrics` returns."""
    return lists_in(requests, "ITL")


def event_counts(records: pd.DataFrame) -> Floats:
    """The number of content events of each request; 0 where none has a time of its own."""
    return event_times(records).sizes.astype(np.float64)


def lists_in(frame: pd.DataFrame, column: str) -> Ragged:
    """A column of lists of numbers, as Arrow's lists or as objects; all empty where there is no such column."""
    if column not in frame:
        return Ragged.empty(len(frame))
    series = frame[column]
    if not isinstance(series.dtype, pd.ArrowDtype):
        return Ragged.of(series.tolist())
    if not len(series):
        return Ragged.empty(0)
    lists = series.array.__arrow_array__()
    sizes = pc.fill_null(pc.list_value_length(lists), 0).to_numpy()
    values = pc.list_flatten(lists).to_numpy()
    return Ragged(values, np.concatenate((np.zeros(1, np.int64), np.cumsum(sizes, dtype=np.int64))))


def gaps_of(events: Ragged, timed: Flags) -> Ragged:
    """The gaps between the reads that brought the content of those requests that have any: events of one read share a
    time."""
    values, sizes, filled = np.empty(events.values.size), np.zeros(len(events), np.int64), 0
    for begin in range(0, len(events), _AT_ONCE):
        own = slice(begin, begin + _AT_ONCE)
        gaps = _gaps(events.between(begin, min(begin + _AT_ONCE, len(events))), timed[own])
        values[filled : filled + gaps.values.size], sizes[own] = gaps.values, gaps.sizes
        filled += gaps.values.size
    return Ragged.of_sizes(values[:filled], sizes)


def _gaps(events: Ragged, timed: Flags) -> Ragged:
    if not events.values.size:
        return events
    apart = np.diff(events.values, prepend=events.values[0])
    kept = apart != 0
    if not timed[events.sizes > 0].all():
        kept &= np.repeat(timed, events.sizes)
    kept[events.offsets[:-1][events.sizes > 0]] = False
    return Ragged(apart, events.offsets).where(kept)


def _as_column(lists: Ragged, index: pd.Index) -> pd.Series[Any]:
    array = pa.LargeListArray.from_arrays(pa.array(lists.offsets), pa.array(lists.values))
    return pd.Series(array, index=index, dtype=pd.ArrowDtype(array.type))
