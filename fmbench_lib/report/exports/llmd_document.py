"""llm-d's benchmark report 0.2.1: a YAML document for each level; times in seconds."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, TypeAlias

import yaml

from fmbench_lib.metrics.missing import Row, number

_Statistic: TypeAlias = dict[str, str | float]
"""A mean, percentiles where they are known, and `units`."""
_VERSION = "0.2.1"
_TIMES = {
    "request_latency": ("latency", "s"),
    "time_to_first_token": ("TTFT", "s"),
    "time_per_output_token": ("TPOT", "s/token"),
    "inter_token_latency": ("ITL", "s/token"),
}
_LENGTHS = {"input_length": "prompt_token_count", "output_length": "completion_token_count"}
_RATES = {
    "request_rate": ("transactions_per_second", "queries/s"),
    "input_token_rate": ("prompt_token_throughput", "tokens/s"),
    "output_token_rate": ("completion_token_throughput", "tokens/s"),
}


def llmd_documents(summary: Mapping[str, Any]) -> str:
    """All levels in their order, separated by `---`. A distribution without a mean is left out, as one is required."""
    documents = [_document(row, summary["run"]) for row in summary["levels"]]
    return "---\n".join(yaml.safe_dump(one, sort_keys=False, allow_unicode=True) for one in documents)


def _document(row: Row, run: Mapping[str, Any]) -> dict[str, Any]:
    names = [str(row.get(name)) for name in ("experiment_name", "payload_file", "load")]
    identity = uuid.uuid5(uuid.NAMESPACE_URL, "/".join([str(run["run_id"]), *names]))
    facts = {
        "uid": str(identity),
        "eid": str(run["run_id"]),
        "time": _time(row),
        "description": f"{run.get('name')}, the measurement is {row.get('verdict')}",
        "keywords": names,
    }
    return {
        "version": _VERSION,
        "run": {name: value for name, value in facts.items() if value},
        "results": {"request_performance": {"aggregate": _aggregate(row)}},
    }


def _time(row: Row) -> dict[str, str]:
    start, end, seconds = (number(row, name) for name in ("window_start", "window_end", "window_s"))
    moments = {
        name: datetime.fromtimestamp(value, UTC).isoformat()
        for name, value in (("start", start), ("end", end))
        if value is not None
    }
    return moments | ({} if seconds is None else {"duration": f"PT{seconds:.6f}S"})


def _aggregate(row: Row) -> dict[str, Mapping[str, int | _Statistic]]:
    total, failures = number(row, "requests"), number(row, "errors")
    lengths = {name: _distribution(row, column, "count") for name, column in _LENGTHS.items()}
    times = {name: _distribution(row, *column) for name, column in _TIMES.items()}
    rates = {name: _rate(row, *column) for name, column in _RATES.items()}
    requests: dict[str, int | _Statistic] = {} if total is None else {"total": round(total)}
    if requests:
        requests |= {} if failures is None else {"failures": round(failures)}
        requests |= _known(lengths)
    groups: dict[str, Mapping[str, int | _Statistic]] = {
        "requests": requests,
        "latency": _known(times),
        "throughput": _known(rates),
    }
    return {name: group for name, group in groups.items() if group}


def _distribution(row: Row, family: str, units: str) -> _Statistic | None:
    mean = number(row, f"{family}_mean")
    if mean is None:
        return None
    others = {q: value for q in ("p50", "p90", "p95", "p99") if (value := number(row, f"{family}_{q}")) is not None}
    return {"units": units, "mean": mean, **others}


def _rate(row: Row, column: str, units: str) -> _Statistic | None:
    value = number(row, column)
    return None if value is None else {"units": units, "mean": value}


def _known(values: Mapping[str, _Statistic | None]) -> dict[str, _Statistic]:
    return {name: value for name, value in values.items() if value is not None}
