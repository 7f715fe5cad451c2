"""The levels as gauges in Prometheus' text format, for a push gateway or a text file collector."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from fmbench_lib.metrics.missing import Row, number, text

_TIMES = {"latency": "latency", "ttft": "TTFT", "tpot": "TPOT", "itl": "ITL"}
_QUANTILES = {"0.5": "p50", "0.9": "p90", "0.95": "p95", "0.99": "p99"}
_GAUGES = {
    "requests": ("requests", "measured requests"),
    "errors": ("errors", "requests that failed"),
    "transactions_per_minute": ("transactions_per_minute", "successes per minute"),
    "prompt_tokens_per_second": ("prompt_token_throughput", "prompt tokens per second"),
    "completion_tokens_per_second": ("completion_token_throughput", "completion tokens per second"),
    "price_usd_per_10k_transactions": ("price_per_10k_txn", "USD for 10,000 successes"),
    "price_usd_per_1m_tokens": ("price_per_1m_tokens", "USD for 1,000,000 tokens of prompts and outputs"),
    "joules_per_transaction": ("joules_per_txn", "energy of one success"),
    "joules_per_output_token": ("joules_per_output_token", "energy of one output token"),
}
_LABELS = {"experiment": "experiment_name", "payload": "payload_file", "load": "load", "instance": "instance_type"}


def prometheus_text(summary: Mapping[str, Any]) -> str:
    """All levels. A figure that a level does not have has no line, as 0 would be a figure."""
    rows = summary["levels"]
    lines = [line for family, column in _TIMES.items() for line in _quantiles(family, column, rows)]
    lines += [line for name, (column, meaning) in _GAUGES.items() for line in _gauge(name, column, meaning, rows)]
    lines += ["# HELP fmbench_verdict 1 for the verdict of a level", "# TYPE fmbench_verdict gauge"]
    lines += [f"fmbench_verdict{_labels(row, verdict=str(row.get('verdict')))} 1" for row in rows]
    return "\n".join([*lines, ""])


def _quantiles(family: str, column: str, rows: list[Row]) -> Iterator[str]:
    name = f"fmbench_{family}_seconds"
    yield f"# HELP {name} {column} of a level, by quantile"
    yield f"# TYPE {name} gauge"
    for row in rows:
        for quantile, ending in _QUANTILES.items():
            value = number(row, f"{column}_{ending}")
            if value is not None:
                yield f"{name}{_labels(row, quantile=quantile)} {value!r}"


def _gauge(name: str, column: str, meaning: str, rows: list[Row]) -> Iterator[str]:
    yield f"# HELP fmbench_{name} {meaning}"
    yield f"# TYPE fmbench_{name} gauge"
    for row in rows:
        value = number(row, column)
        if value is not None:
            yield f"fmbench_{name}{_labels(row)} {value!r}"


def _labels(row: Row, **more: str) -> str:
    known = {label: value for label, column in _LABELS.items() if (value := text(row, column)) is not None}
    written = (f'{name}="{_escaped(value)}"' for name, value in {**known, **more}.items())
    return f"{{{','.join(written)}}}"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
