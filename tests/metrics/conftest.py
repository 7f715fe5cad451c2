"""Records and facts of levels whose every figure can be worked out by hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

START = 1_800_000_000.0
"""Unix seconds at which every test level's window begins."""

DEFAULTS: dict[str, Any] = {
    "server_request_id": None,
    "experiment_name": "exp",
    "payload_file": "payload_en_1-500.jsonl",
    "load": "concurrency-1",
    "phase": "measured",
    "worker": 0,
    "connect_s": 0.0,
    "reused": True,
    "retried": 0,
    "first_answer": np.nan,
    "stamp_source": "kernel",
    "client_lag": 0.0001,
    "streamed": True,
    "prompt_tokens": 100.0,
    "completion_tokens": 11.0,
    "cached_tokens": np.nan,
    "token_source": "server",
    "finish_reason": "stop",
    "status": 200,
    "error": None,
    "error_message": None,
    "retry_after": None,
    "endpoint": "http://127.0.0.1:1/",
    "completion": "an answer",
}

RowMaker = Callable[..., dict[str, Any]]


def make_request(
    due: float, ttft: float = 0.5, latency: float = 1.5, wait: float = 0.0, **other: Any
) -> dict[str, Any]:
    """One request, its times relative to START: due, first token after `ttft`, last after `latency`, sent after `wait`.

    Eleven events at even distances unless `event_times` says otherwise; `error` makes it a failure.
    """
    start = START + due
    row = {
        **DEFAULTS,
        "request_id": f"r-{due}",
        "prompt_id": f"p-{due}",
        "due": start,
        "sent": start + wait,
        "first": start + ttft,
        "last": start + latency,
        "end": start + latency,
        "schedule_lag": wait,
        "event_times": np.linspace(start + ttft, start + latency, 11),
    }
    return row | other


@pytest.fixture
def request_row() -> RowMaker:
    return make_request


@pytest.fixture
def facts() -> Callable[..., dict[str, Any]]:
    """The facts of a level whose window lasts `seconds`."""

    def make(seconds: float = 100.0, **other: Any) -> dict[str, Any]:
        return {
            "experiment_name": "exp",
            "payload_file": "payload_en_1-500.jsonl",
            "load": "concurrency-1",
            "concurrency": 1,
            "request_rate": None,
            "instance_type": "trn1.32xlarge",
            "instance_count": None,
            "window_start": START,
            "window_end": START + seconds,
            "started": START - 10,
            "ended": START + seconds + 5,
            "stop_reason": "requests",
            "requested": None,
            "workers": 1,
            "client_cpu": [0.1],
            "prompt_reuse": "never",
            "tokenizer": "smollm2-135m-instruct",
            "seed": 1,
            "timeout": 120.0,
            "stamp_source": "kernel",
            "clock_step_s": 0.0,
        } | other

    return make


@pytest.fixture
def steady() -> Callable[..., pd.DataFrame]:
    """`n` requests one after the other, all alike, the first due at 0: concurrency 1 held all the time."""

    def make(n: int = 100, latency: float = 1.0, **other: Any) -> pd.DataFrame:
        return pd.DataFrame([make_request(i * latency, latency / 2, latency, **other) for i in range(n)])

    return make


@pytest.fixture
def summary_of() -> Callable[..., pd.DataFrame]:
    """A summary frame from rows that say only what a test is about."""

    def make(*rows: dict[str, Any]) -> pd.DataFrame:
        base = {
            "experiment_name": "exp",
            "payload_file": "payload_en_1-500.jsonl",
            "instance_type": "g5.xlarge",
            "instance_count": None,
            "concurrency": 1,
            "request_rate": None,
            "error_rate": 0.0,
            "latency_p50": 1.0,
            "latency_p95": 1.0,
            "latency_p95_low": 0.9,
            "latency_p95_high": 1.1,
            "latency_n": 100,
            "transactions_per_minute": 60.0,
            "price_per_txn": 0.001,
            "price_kind": "instance",
            "price_verified": True,
            "price_note": None,
            "verdict": "valid",
            "prompt_token_count_mean": 100.0,
            "completion_token_count_mean": 10.0,
        }
        full = [base | row for row in rows]
        for row in full:
            if row["price_per_txn"] is None:
                row["price_kind"] = None
        frame = pd.DataFrame(full)
        price = pd.to_numeric(frame["price_per_txn"])
        return frame.assign(price_per_txn=price, price_per_10k_txn=1e4 * price)

    return make
