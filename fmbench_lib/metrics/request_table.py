"""`per_inference_request_results.csv`: one row per request, warm-up included."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd

from fmbench_lib.metrics.columns import Column, names
from fmbench_lib.metrics.groups.attempts import ATTEMPT
from fmbench_lib.metrics.groups.identity import IDENTITY, LOAD
from fmbench_lib.metrics.groups.tokens import SOURCE_MEANING
from fmbench_lib.metrics.level_sample import Facts, LevelData
from fmbench_lib.metrics.missing import number, text
from fmbench_lib.metrics.plausibility import REMARK_SEPARATOR
from fmbench_lib.metrics.requests import MEASURES, event_counts, gaps_of_reads, request_metrics, seen_tokens
from fmbench_lib.metrics.stacked_columns import stacked
from fmbench_lib.metrics.steady_window import measured_window
from fmbench_lib.metrics.window import Window, completed_in, measured_in

REQUEST_TABLE: tuple[Column, ...] = (
    *IDENTITY,
    LOAD,
    ATTEMPT,
    Column("phase", "", "text", "`warmup` or `measured`"),
    Column("request_id", "", "text", "the client's id of the request"),
    Column("server_request_id", "", "text", "the server's id of the request, where it sends one"),
    Column("prompt_id", "", "text", "which prompt it carried"),
    Column("worker", "", "whole number", "the load worker that sent it"),
    Column("endpoint", "", "text", "the address it was sent to"),
    Column("prompt_token_count", "tokens", "whole number", "tokens in the prompt"),
    Column("completion_token_count", "tokens", "whole number", "tokens in the response"),
    Column("cached_token_count", "tokens", "whole number", "prompt tokens that the server took from its cache"),
    Column("reasoning_token_count", "tokens", "whole number", "those of the response that were reasoning"),
    Column("seen_token_count", "tokens", "whole number", "those of the response that were seen: TPOT is of these"),
    Column("token_source", "", "text", SOURCE_MEANING),
    Column("prompt_token_source", "", "text", "who counted the prompt"),
    Column("completion_token_source", "", "text", "who counted the response"),
    MEASURES["latency"],
    MEASURES["TTFT"],
    MEASURES["TTFT_answer"],
    MEASURES["TPOT"],
    Column("ITL_mean", "s", "number", "mean gap between the reads that brought its content"),
    Column("ITL_max", "s", "number", "longest gap between the reads that brought its content"),
    MEASURES["TTFT_from_sent"],
    MEASURES["latency_from_sent"],
    Column("success", "", "flag", "whether it is a transaction: a request without an error"),
    Column("in_window", "", "flag", "measured and sent in the window: latency statistics count it if it succeeded"),
    Column("completed_in_window", "", "flag", "a success that ended in the window"),
    Column("error", "", "text", "class of its error"),
    Column("error_message", "", "text", "the error in words"),
    Column("status", "", "whole number", "HTTP status"),
    Column("retry_after", "", "text", "the `Retry-After` header of its response"),
    Column("finish_reason", "", "text", "why the model stopped, as the server says"),
    Column("due", "Unix s", "time", "when it should have started"),
    Column("connect_s", "s", "number", "time to set up its connection; empty for a reused one"),
    Column("reused", "", "flag", "whether its connection was reused"),
    Column("retried", "", "whole number", "how often it was sent again because an idle connection had been closed"),
    Column("sent", "Unix s", "time", "first byte handed to the socket"),
    Column("first", "Unix s", "time", "arrival of the first content event"),
    Column("first_answer", "Unix s", "time", "arrival of the first content event that is not reasoning"),
    Column("last", "Unix s", "time", "arrival of the last content event"),
    Column("end", "Unix s", "time", "arrival of the last byte"),
    Column("events", "", "whole number", "number of content events"),
    Column("tokens_per_event", "tokens", "number", "`seen_token_count / events`"),
    Column("choices", "", "whole number", "answers that came interleaved"),
    Column("remarks", "", "text", f"what is to be said of its counts and times, joined by `{REMARK_SEPARATOR}`"),
    Column("streamed", "", "flag", "whether the response was streamed"),
    Column("stamp_source", "", "text", "`kernel` or `user` (the reading clock)"),
    Column("client_lag", "s", "number", "how late the client read, the worst of the response's reads"),
    Column("schedule_lag", "s", "number", "how late the client sent it; empty for one that was sent again"),
    Column("completion", "", "text", "text of the response"),
    Column("endpoint_name", "", "text", "`endpoint`, as FMBench 2.x names it, like the columns that follow"),
    Column("prompt_tokens", "tokens", "whole number", "`prompt_token_count`"),
    Column("completion_tokens", "tokens", "whole number", "`completion_token_count`"),
    Column("time_to_first_token", "s", "number", "`TTFT`"),
    Column("time_per_output_token", "s", "number", "`TPOT`"),
    Column("time_to_last_token", "s", "number", "`latency` of a response that was streamed"),
    Column("uuid", "", "text", "`request_id`"),
)
REQUEST_COLUMNS = names(REQUEST_TABLE)
_OLDER_NAMES = {
    "endpoint_name": "endpoint",
    "prompt_tokens": "prompt_token_count",
    "completion_tokens": "completion_token_count",
    "time_to_first_token": "TTFT",
    "time_per_output_token": "TPOT",
    "uuid": "request_id",
}
"""Columns under the names that scripts written for FMBench 2.x read."""


def requests_frame(levels: Iterable[LevelData]) -> pd.DataFrame:
    """One row per request of all levels, in `REQUEST_COLUMNS`, in the order of the levels."""
    frames = [_requests_of(records, facts) for records, facts in levels if len(records)]
    if not frames:
        return pd.DataFrame(columns=list(REQUEST_COLUMNS))
    return pd.DataFrame({name: stacked([frame[name] for frame in frames]) for name in REQUEST_COLUMNS})


def _requests_of(records: pd.DataFrame, facts: Facts) -> pd.DataFrame:
    return request_rows_of(records, facts, measured_window(records, facts))


def request_rows_of(records: pd.DataFrame, facts: Facts, window: Window | None) -> pd.DataFrame:
    """The rows of some or all requests of a level, whose window is known, from their records."""
    frame = request_metrics(records).reset_index(drop=True)
    events = event_counts(frame)
    frame["events"] = events.astype(np.int64)
    frame["tokens_per_event"] = np.divide(seen_tokens(frame), events, out=np.full(len(frame), np.nan), where=events > 0)
    kinds = ("prompt", "completion", "cached", "reasoning", "seen")
    token_counts = {f"{kind}_tokens": f"{kind}_token_count" for kind in kinds}
    frame = frame.rename(columns=token_counts)
    for name in ("instance_type", "load", "experiment_name", "payload_file"):
        frame[name] = text(facts, name)
    for name in ("instance_count", "concurrency", "request_rate"):
        frame[name] = number(facts, name)
    frame["attempt"] = int(number(facts, "attempt") or 1)
    frame["in_window"] = measured_in(frame, window)
    frame["completed_in_window"] = completed_in(frame, window) if window else False
    gaps = gaps_of_reads(frame)
    frame["ITL_mean"], frame["ITL_max"] = gaps.means(), gaps.maxima()
    for older, name in _OLDER_NAMES.items():
        frame[older] = frame.get(name)
    frame["time_to_last_token"] = frame["latency"].where(frame["TTFT"].notna())
    return frame.reindex(columns=list(REQUEST_COLUMNS))
