"""Facts of levels as a run publishes them, for tests of what is shown."""

from __future__ import annotations

from typing import Any

KEY = {"experiment_name": "one", "payload_file": "payload_en_1-500.jsonl"}


def published(number: int = 1, done: int = 20, **changes: Any) -> dict[str, Any]:
    """A level as `runs/progress` publishes it."""
    facts = {"label": f"one · payload_en_1-500.jsonl · concurrency-{number}", "number": number, "count": 3, **KEY}
    facts |= {"load": f"concurrency-{number}", "done": done, "total": 40, "errors": 0, "elapsed": 5.0, "time_left": 5.0}
    facts |= {"request_rate": 4.0, "ttft_p50": 0.12, "latency_p95": 1.5, "token_rate": 81.3}
    return facts | {"run_left": 75.0, "run_left_at_most": False} | changes


def figures(concurrency: int = 4, **changes: Any) -> dict[str, Any]:
    """The figures of a measured level."""
    row = {**KEY, "load": f"concurrency-{concurrency}", "concurrency": concurrency, "request_rate": None, "attempt": 1}
    row |= {"requests": 200, "errors": 0, "transactions_per_second": 3.914, "completion_token_throughput": 409.6}
    row |= {"TTFT_p50": 0.118, "TTFT_p50_low": 0.11, "TTFT_p95": 0.2041, "TTFT_p95_low": None}
    row |= {"latency_p50": 1.234, "latency_p50_low": 1.2, "latency_p95": 2.5, "latency_p95_low": 2.4}
    row |= {"price_per_10k_txn": 0.3125, "verdict": "valid", "verdict_reasons": None}
    return row | changes
