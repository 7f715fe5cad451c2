"""The summary that AIPerf and GenAI-Perf export as JSON: a mapping of metrics, each with its unit and statistics."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fmbench_lib.imports.found_level import (
    PERCENTILES,
    Figure,
    FoundLevel,
    as_number,
    evidence_of,
    figure,
    figures_at,
    number_in,
    seconds_in,
    text_in,
    whole,
)
from fmbench_lib.imports.tool import Tool
from fmbench_lib.imports.tool_file import Document, ResultFile
from fmbench_lib.metrics.finding import Finding

_NAME = "AIPerf"
TIMES = {
    "latency": "request_latency",
    "TTFT": "time_to_first_token",
    "TPOT": "inter_token_latency",
    "ITL": "inter_chunk_latency",
}
"""Our families by the metrics of these tools: their inter-token latency is `(latency - TTFT) / (tokens - 1)`, which is
TPOT, and the gaps between what arrives are called inter-chunk latency."""
MEANS = {
    "prompt_token_count_mean": "input_sequence_length",
    "completion_token_count_mean": "output_sequence_length",
    "transactions_per_second": "request_throughput",
    "completion_token_throughput": "output_token_throughput",
}
STATISTICS = {"mean": "avg", **{q: q for q in PERCENTILES}}
SAYING = Finding("valid", "its inter-token latency is (latency - TTFT) / (tokens - 1), so it stands under TPOT")


def _recognises(file: ResultFile) -> bool:
    latency = file.document.get("request_latency")
    return isinstance(latency, Mapping) and "avg" in latency and "unit" in latency


def _read(file: ResultFile) -> list[FoundLevel]:
    return [_level(document, place) for place, document in enumerate(file.documents, start=1)]


def _level(document: Document, place: int) -> FoundLevel:
    config = document.get("input_config")
    settings: Mapping[str, Any] = config if isinstance(config, Mapping) else {}
    named = "GenAI-Perf" if "perf_analyzer" in settings else _NAME
    return FoundLevel(
        form="summary",
        tool=named,
        place=f"object {place}",
        version=text_in(document, "aiperf_version", "version"),
        model=model_in(settings),
        dataset=lengths_in(settings),
        **load_in(settings),
        figures=tuple(_figures(document)),
        evidence=evidence_of(
            (f"{family}_max", _time(document, name, "max")) for family, name in TIMES.items() if name in document
        ),
        findings=(SAYING,) if "inter_token_latency" in document else (),
    )


def _figures(document: Document) -> list[Figure]:
    found: list[Figure] = []
    for family, name in TIMES.items():
        one = document.get(name)
        if isinstance(one, Mapping) and as_number(one.get("avg")) is not None:
            factor = seconds_in(text_in(one, "unit"), name)
            found += figures_at(
                one, {f"{family}_{ours}": theirs for ours, theirs in STATISTICS.items()}, factor, f"{name}."
            )
    for column, name in MEANS.items():
        found += figure(column, f"{name}.avg", _average(document, name))
    return [*found, *_counts(document)]


def _counts(document: Document) -> list[Figure]:
    good, bad = _average(document, "request_count"), _errors(document)
    both = None if good is None or bad is None else good + bad
    return [
        *figure("requests", "request_count + error_request_count", both),
        *figure("successes", "request_count.avg", good),
        *figure("completions_in_window", "request_count.avg", good),
        *figure("errors", "error_request_count or error_summary", bad),
        *figure("window_s", "benchmark_duration.avg", _duration(document)),
        *figure("prompt_token_throughput", "total_isl / benchmark_duration", _read_rate(document)),
    ]


def _average(document: Document, name: str) -> float | None:
    """The mean of a metric, or the number that stands in its place."""
    found = number_in(document, name, "avg")
    return as_number(document.get(name)) if found is None else found


def _errors(document: Document) -> float | None:
    counted = _average(document, "error_request_count")
    listed = document.get("error_summary")
    if counted is None and isinstance(listed, list):
        return float(sum(number_in(one, "count") or 0 for one in listed if isinstance(one, Mapping)))
    return counted


def _duration(document: Document) -> float | None:
    one = document.get("benchmark_duration")
    seconds = as_number(one.get("avg")) if isinstance(one, Mapping) else None
    if not isinstance(one, Mapping) or seconds is None:
        return None
    return seconds * seconds_in(text_in(one, "unit"), "benchmark_duration")


def _read_rate(document: Document) -> float | None:
    total, duration = _average(document, "total_isl"), _duration(document)
    return total / duration if total is not None and duration else None


def _time(document: Document, name: str, statistic: str) -> float | None:
    one = document.get(name)
    value = as_number(one.get(statistic)) if isinstance(one, Mapping) else None
    return None if value is None or one is None else value * seconds_in(text_in(one, "unit"), name)


def load_in(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The load of an `input_config`: a rate or a concurrency, wherever this version keeps it."""
    places = [settings, *(one for one in settings.values() if isinstance(one, Mapping))]
    stimulus = settings.get("perf_analyzer", {}).get("stimulus") if "perf_analyzer" in settings else None
    if isinstance(stimulus, Mapping):
        places.insert(0, stimulus)
    rate = next((found for one in places if (found := number_in(one, "request_rate")) is not None), None)
    slots = next((found for one in places if (found := whole(number_in(one, "concurrency"))) is not None), None)
    if rate is not None:
        return {"request_rate": rate}
    return {"concurrency": slots} if slots else {}


def model_in(settings: Mapping[str, Any]) -> str | None:
    """The model of an `input_config`."""
    for place in (settings, settings.get("endpoint"), settings.get("models")):
        if not isinstance(place, Mapping):
            continue
        for key in ("model_names", "model", "model_name", "models"):
            named = place.get(key)
            first = named[0] if isinstance(named, list) and named else named
            if isinstance(first, str) and first:
                return first
    return None


def lengths_in(settings: Mapping[str, Any]) -> str | None:
    """The mean lengths that were asked for, as a data set's name."""
    given = settings.get("input")
    prompt = given.get("prompt") if isinstance(given, Mapping) else None
    if not isinstance(prompt, Mapping):
        return None
    lengths = [
        whole(number_in(prompt, f"{side}_tokens", "mean") or number_in(prompt, f"{side}_sequence_length", "mean"))
        for side in ("input", "output")
    ]
    return f"synthetic_{lengths[0]}_{lengths[1]}" if None not in lengths else None


TOOL = Tool("AIPerf and GenAI-Perf", "the exported summary, JSON", _recognises, _read)
