"""The figures of levels that monitoring systems and experiment trackers are given, with their units."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from fmbench_lib.metrics.groups.level_times import FAMILIES
from fmbench_lib.metrics.missing import Row, number, text

LABELS = {"experiment": "experiment_name", "payload": "payload_file", "load": "load", "instance": "instance_type"}
"""What tells a level from the others: labels, and the columns that they are from."""

_STATISTICS = ("mean", "p50", "p90", "p95", "p99")
_SINGLE = {
    "requests": ("requests", "{request}", "measured requests"),
    "errors": ("errors", "{request}", "requests that failed"),
    "error_rate": ("error_rate", "1", "share of requests that failed"),
    "transactions_per_second": ("transactions_per_second", "{request}/s", "successes per second"),
    "prompt_tokens_per_second": ("prompt_token_throughput", "{token}/s", "prompt tokens of successes per second"),
    "completion_tokens_per_second": (
        "completion_token_throughput",
        "{token}/s",
        "output tokens of those per second",
    ),
    "slo_attainment": ("slo_attainment", "1", "share of requests within their objectives"),
    "price_per_10k_transactions": ("price_per_10k_txn", "USD", "price of 10,000 successes"),
    "price_per_1m_tokens": ("price_per_1m_tokens", "USD", "price of 1,000,000 tokens of prompts and outputs"),
    "energy_per_transaction": ("joules_per_txn", "J", "energy of one success"),
    "energy_per_output_token": ("joules_per_output_token", "J", "energy of one output token"),
}


@dataclass(frozen=True, slots=True)
class GaugeFigure:
    """One figure of one level: `labels` say of which, and of a time which statistic it is; `at` is when its window
    ended, Unix s, None where that is not known."""

    name: str
    unit: str
    meaning: str
    value: float
    labels: Mapping[str, str]
    at: float | None


def gauge_figures(summary: Mapping[str, Any]) -> Iterator[GaugeFigure]:
    """Every figure of every level of a `summary.json`; what a level does not have is left out, as 0 would be one."""
    for row in summary["levels"]:
        labels, at = level_labels(row), number(row, "window_end")
        for family in FAMILIES:
            for statistic in _STATISTICS:
                value = number(row, f"{family}_{statistic}")
                if value is not None:
                    told = {**labels, "statistic": statistic}
                    yield GaugeFigure(f"fmbench.{family.lower()}", "s", f"{family} of a level", value, told, at)
        for name, (column, unit, meaning) in _SINGLE.items():
            value = number(row, column)
            if value is not None:
                yield GaugeFigure(f"fmbench.{name}", unit, meaning, value, labels, at)


def level_labels(row: Row) -> dict[str, str]:
    """The labels of a level, with the verdict on its measurement; without those that it does not have."""
    columns = {**LABELS, "verdict": "verdict"}
    return {label: value for label, column in columns.items() if (value := text(row, column)) is not None}
