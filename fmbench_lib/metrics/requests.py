"""The measures of a single request: latency, TTFT, TPOT and ITL, added to the records of a level. Times in seconds.

The clock of a request starts at `due`: in an open loop the moment given by the schedule, in a closed loop the moment a
free slot took it up. So connection set-up counts, as it does for a user, and a client that sends late cannot hide the
wait (no coordinated omission). The same figures from `sent`, the first byte handed to the socket, stand beside them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from fmbench_lib.metrics.columns import Column
from fmbench_lib.metrics.missing import floats
from fmbench_lib.metrics.statistics.arrays import Flags, Floats

MEASURES: dict[str, Column] = {
    column.name: column
    for column in (
        Column("TTFT", "s", "number", "`first - due`"),
        Column("TTFT_answer", "s", "number", "`first_answer - due`"),
        Column("latency", "s", "number", "`last - due`"),
        Column("TPOT", "s", "number", "`(last - first) / (completion_tokens - 1)`"),
        Column("TTFT_from_sent", "s", "number", "`first - sent`"),
        Column("latency_from_sent", "s", "number", "`last - sent`"),
    )
}
"""The measures of a request that are one number each; `ITL` is a list of gaps."""


def succeeded(records: pd.DataFrame) -> Flags:
    """True where a request has no error class: only that is a transaction, whatever arrived before an error."""
    result: Flags = records["error"].isna().to_numpy(dtype=bool)
    return result


def request_metrics(records: pd.DataFrame) -> pd.DataFrame:
    """A copy of the records with `success`, TTFT, TTFT_answer, latency, TPOT, ITL, TTFT_from_sent, latency_from_sent.

    - `TTFT = first - due`, `TTFT_answer = first_answer - due`, `latency = last - due`
    - `TPOT = (last - first) / (completion_tokens - 1)`, undefined below two tokens
    - `ITL`: the gaps between consecutive content events (an array; one event may carry several tokens)
    - the same from `sent` in TTFT_from_sent and latency_from_sent

    A failed request has none of them and a response that did not stream only a latency; a measure that needs a missing
    timestamp is NaN.
    """
    result = records.copy()
    success = succeeded(records)
    streamed = floats(records, "streamed") == 1
    due, sent = floats(records, "due"), floats(records, "sent")
    first, last = floats(records, "first"), floats(records, "last")
    tokens = floats(records, "completion_tokens")
    timed = success & streamed
    result["success"] = success
    result["TTFT"] = np.where(timed, first - due, np.nan)
    result["TTFT_answer"] = np.where(timed, floats(records, "first_answer") - due, np.nan)
    result["latency"] = np.where(success, last - due, np.nan)
    gaps = np.where(tokens >= 2, tokens - 1, np.nan)
    result["TPOT"] = np.where(timed, (last - first) / gaps, np.nan)
    result["TTFT_from_sent"] = np.where(timed, first - sent, np.nan)
    result["latency_from_sent"] = np.where(success, last - sent, np.nan)
    result["ITL"] = _gaps_of_events(records, timed)
    return result


def _gaps_of_events(records: pd.DataFrame, timed: Flags) -> pd.Series[Any]:
    """The gaps between the content events of each request; empty where it failed, did not stream or had one event."""
    gaps: list[Floats] = [np.empty(0)] * len(records)
    if "event_times" in records:
        for index, (use, times) in enumerate(zip(timed, records["event_times"], strict=True)):
            if use and isinstance(times, np.ndarray | list | tuple) and len(times) > 1:
                gaps[index] = np.diff(np.asarray(times, dtype=np.float64))
    return pd.Series(gaps, index=records.index, dtype=object)
