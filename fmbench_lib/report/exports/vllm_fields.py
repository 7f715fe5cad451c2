"""The fields of `vllm bench serve`, one JSON object a line for each level; times in milliseconds."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from fmbench_lib.metrics.missing import Row, number, text

_FAMILIES = {"ttft": "TTFT", "tpot": "TPOT", "itl": "ITL", "e2el": "latency"}
_STATISTICS = {"mean": "mean", "median": "p50", "p90": "p90", "p95": "p95", "p99": "p99"}


def vllm_lines(summary: Mapping[str, Any]) -> str:
    """All levels in their order. What a level does not have is left out, as that tool does; nothing is 0 for it."""
    rows = summary["levels"]
    one_model = len({row["experiment_name"] for row in rows}) == 1  # the run has one name, not one a level
    model = summary["run"].get("model_name") if one_model else None
    return "".join(f"{json.dumps(_level(row, model), allow_nan=False)}\n" for row in rows)


def _level(row: Row, model: str | None) -> dict[str, str | float]:
    successes = number(row, "successes")
    totals = [_total(row, side, successes) for side in ("prompt", "completion")]
    read, written = (number(row, f"{side}_token_throughput") for side in ("prompt", "completion"))
    slots = number(row, "concurrency")
    fields = {
        "label": text(row, "experiment_name"),
        "model_id": model,
        "dataset_name": text(row, "payload_file"),
        "num_prompts": _whole(number(row, "requests")),
        "request_rate": number(row, "request_rate") or "inf",
        "max_concurrency": _whole(slots if slots is not None else number(row, "max_concurrency")),
        "duration": number(row, "window_s"),
        "completed": _whole(successes),
        "failed": _whole(number(row, "errors")),
        "total_input_tokens": _whole(totals[0]),
        "total_output_tokens": _whole(totals[1]),
        "request_throughput": number(row, "transactions_per_second"),
        "output_throughput": written,
        "total_token_throughput": None if read is None or written is None else read + written,
    }
    for theirs, ours in _FAMILIES.items():
        for statistic, column in _STATISTICS.items():
            seconds = number(row, f"{ours}_{column}")
            fields[f"{statistic}_{theirs}_ms"] = None if seconds is None else 1000 * seconds
    return {name: value for name, value in fields.items() if value is not None}


def _total(row: Row, side: str, successes: float | None) -> float | None:
    mean = number(row, f"{side}_token_count_mean")
    known = number(row, f"{side}_token_n")
    count = successes if known is None else known
    return None if mean is None or count is None else round(mean * count)


def _whole(value: float | None) -> int | None:
    return None if value is None else round(value)
