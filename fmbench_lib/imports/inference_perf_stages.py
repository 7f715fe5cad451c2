"""inference-perf's lifecycle reports: one of each stage, or their summary; times in seconds, JSON or YAML."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fmbench_lib.imports.found_level import (
    PERCENTILES,
    Figure,
    FoundLevel,
    evidence_of,
    figure,
    figures_at,
    number_in,
    whole,
)
from fmbench_lib.imports.tool import Tool
from fmbench_lib.imports.tool_file import Document, ResultFile

_NAME = "inference-perf"
_TIMES = {
    "latency": "request_latency",
    "TTFT": "time_to_first_token",
    "TPOT": "time_per_output_token",
    "ITL": "inter_token_latency",
}
_STATISTICS = {"mean": "mean", **{q: q for q in PERCENTILES}, "p50": "median"}


def _recognises(file: ResultFile) -> bool:
    return file.has("load_summary", "successes") and isinstance(file.document["successes"], Mapping)


def _read(file: ResultFile) -> list[FoundLevel]:
    return [_level(document) for document in file.documents]


def _level(document: Document) -> FoundLevel:
    load, good = document["load_summary"], document["successes"]
    asked, slots = number_in(load, "requested_rate"), whole(number_in(load, "concurrency"))
    return FoundLevel(
        form="summary",
        tool=_NAME,
        concurrency=slots if asked is None else None,
        request_rate=asked,
        load=None if asked is not None or slots else "all-stages",
        figures=tuple(_figures(document, load, good)),
        evidence=_evidence(load, good),
    )


def _figures(document: Document, load: Mapping[str, Any], good: Mapping[str, Any]) -> list[Figure]:
    found: list[Figure] = []
    latency = good.get("latency")
    for family, name in _TIMES.items():
        one = latency.get(name) if isinstance(latency, Mapping) else None
        if isinstance(one, Mapping):
            columns = {f"{family}_{ours}": theirs for ours, theirs in _STATISTICS.items()}
            found += figures_at(one, columns, 1.0, f"successes.latency.{name}.")
    done, failed = number_in(good, "count"), number_in(document, "failures", "count")
    rates = {
        "transactions_per_second": "requests_per_sec",
        "prompt_token_throughput": "input_tokens_per_sec",
        "completion_token_throughput": "output_tokens_per_sec",
    }
    throughput = good.get("throughput")
    per_second = number_in(good, "throughput", "requests_per_sec")
    took, named = number_in(document, "benchmark_time_seconds"), "benchmark_time_seconds"
    if took is None and done and per_second:
        took, named = done / per_second, "successes.count / requests_per_sec"
    found += figures_at(throughput if isinstance(throughput, Mapping) else {}, rates, 1.0, "successes.throughput.")
    return [
        *found,
        *figure("requests", "load_summary.count", number_in(load, "count")),
        *figure("successes", "successes.count", done),
        *figure("completions_in_window", "successes.count", done),
        *figure("errors", "failures.count", failed),
        *figure("window_s", named, took),
        *figure("prompt_token_count_mean", "successes.prompt_len.mean", number_in(good, "prompt_len", "mean")),
        *figure("completion_token_count_mean", "successes.output_len.mean", number_in(good, "output_len", "mean")),
    ]


def _evidence(load: Mapping[str, Any], good: Mapping[str, Any]) -> dict[str, float]:
    greatest = [(f"{family}_max", number_in(good, "latency", name, "max")) for family, name in _TIMES.items()]
    return evidence_of(
        [
            *greatest,
            ("send_duration_s", number_in(load, "send_duration")),
            ("sent_rate", number_in(load, "achieved_rate")),
            ("send_delay_mean", number_in(load, "schedule_delay", "mean")),
            ("send_delay_p95", number_in(load, "schedule_delay", "p95")),
            ("completion_tokens_min", number_in(good, "output_len", "min")),
        ]
    )


TOOL = Tool(_NAME, "the lifecycle metrics of a stage or of all, JSON or YAML", _recognises, _read)
