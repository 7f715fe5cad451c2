"""llm-d's benchmark report (versions 0.1 to 0.2), YAML or JSON: one level, each figure with its unit."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from fmbench_lib.errors import InputError
from fmbench_lib.imports.found_level import (
    PERCENTILES,
    Figure,
    FoundLevel,
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

_NAME = "llm-d benchmark report"
_TIMES = {
    "latency": "request_latency",
    "TTFT": "time_to_first_token",
    "TPOT": "time_per_output_token",
    "ITL": "inter_token_latency",
}
_RATES = {
    "transactions_per_second": ("request_rate", "requests_per_sec"),
    "prompt_token_throughput": ("input_token_rate", "input_tokens_per_sec"),
    "completion_token_throughput": ("output_token_rate", "output_tokens_per_sec"),
}
_STATISTICS = ("mean", *PERCENTILES)
_DURATION = re.compile(r"P(?:(\d+)D)?T?(?:(\d+)H)?(?:(\d+)M)?(?:([\d.]+)S)?")
_PER_SECOND = re.compile(r"^(queries|requests|tokens|req|tok)/s(ec)?$")


def _recognises(file: ResultFile) -> bool:
    return bool(_performance(file.document)) and isinstance(file.document.get("scenario"), Mapping)


def _performance(document: Document) -> Mapping[str, Any]:
    """The aggregated figures, wherever this version keeps them; empty where there are none."""
    return _at(document, "results", "request_performance", "aggregate") or _at(document, "metrics")


def _at(content: Any, *keys: str) -> Mapping[str, Any]:
    for key in keys:
        content = content.get(key) if isinstance(content, Mapping) else None
    return content if isinstance(content, Mapping) else {}


def _read(file: ResultFile) -> list[FoundLevel]:
    return [_level(document) for document in file.documents]


def _level(document: Document) -> FoundLevel:
    standard = _at(document, "scenario", "load", "standardized")
    rate, slots = number_in(standard, "rate_qps"), whole(number_in(standard, "concurrency"))
    return FoundLevel(
        form="summary",
        tool=_NAME,
        version=str(document.get("version")) if document.get("version") is not None else None,
        model=_model(document),
        dataset=_lengths(standard),
        request_rate=rate,
        concurrency=slots if rate is None else None,
        figures=tuple(_figures(document)),
        evidence=evidence_of(_greatest(document)),
    )


def _model(document: Document) -> str | None:
    stack = _at(document, "scenario").get("stack")
    components = stack if isinstance(stack, list) else []
    named = (text_in(_at(one, "standardized", "model"), "name") for one in components)
    return next((name for name in named if name), None) or text_in(_at(document, "scenario", "model"), "name")


def _lengths(standard: Mapping[str, Any]) -> str | None:
    lengths = [whole(number_in(standard, f"{side}_seq_len", "value")) for side in ("input", "output")]
    return f"prompts_{lengths[0]}_{lengths[1]}" if None not in lengths else None


def _figures(document: Document) -> list[Figure]:
    measured = _performance(document)
    found: list[Figure] = []
    for family, name in _TIMES.items():
        one = _at(measured, "latency", name)
        if one:
            factor = seconds_in(text_in(one, "units"), name)
            found += figures_at(one, {f"{family}_{q}": q for q in _STATISTICS}, factor, f"{name}.")
    for column, names in _RATES.items():
        for name in names:
            found += _rate(column, name, _at(measured, "throughput").get(name))
    return [*found, *_counts(document, measured)]


def _rate(column: str, name: str, one: Any) -> list[Figure]:
    if not isinstance(one, Mapping):
        return figure(column, name, number_in({name: one}, name))
    units = text_in(one, "units") or ""
    if not _PER_SECOND.match(units):
        raise InputError(f"{name}: {units or 'no unit'} is no rate per second")
    return figure(column, f"{name}.mean", number_in(one, "mean"))


def _counts(document: Document, measured: Mapping[str, Any]) -> list[Figure]:
    requests = _at(measured, "requests")
    total, failed = number_in(requests, "total"), number_in(requests, "failures")
    good = None if total is None or failed is None else total - failed
    seconds, named = _duration(document), "run.time.duration"
    return [
        *figure("requests", "requests.total", total),
        *figure("successes", "requests.total - failures", good),
        *figure("completions_in_window", "requests.total - failures", good),
        *figure("errors", "requests.failures", failed),
        *figure("window_s", named, seconds),
        *figure("prompt_token_count_mean", "input_length.mean", number_in(requests, "input_length", "mean")),
        *figure("completion_token_count_mean", "output_length.mean", number_in(requests, "output_length", "mean")),
    ]


def _duration(document: Document) -> float | None:
    """Seconds of an ISO 8601 duration, or the number of version 0.1."""
    said = _at(document, "run", "time").get("duration") or _at(document, "metrics", "time").get("duration")
    if not isinstance(said, str):
        return number_in({"duration": said}, "duration")
    matched = _DURATION.fullmatch(said)
    if matched is None:
        return None
    return sum(float(part or 0) * size for part, size in zip(matched.groups(), (86400, 3600, 60, 1), strict=True))


def _greatest(document: Document) -> list[tuple[str, float | None]]:
    found: list[tuple[str, float | None]] = []
    for family, name in _TIMES.items():
        one = _at(_performance(document), "latency", name)
        value = number_in(one, "max")
        found.append((f"{family}_max", None if value is None else value * seconds_in(text_in(one, "units"), name)))
    return found


TOOL = Tool(_NAME, "versions 0.1 to 0.2, YAML or JSON", _recognises, _read)
