"""AIPerf's records of single requests: JSON lines, each with `metadata`, `metrics` and `error`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fmbench_lib.imports.found_level import (
    FoundLevel,
    RequestTimes,
    number_in,
    numbers_of,
    seconds_in,
    text_in,
    whole,
)
from fmbench_lib.imports.serving_bench import error_class
from fmbench_lib.imports.tool import Tool
from fmbench_lib.imports.tool_file import Document, ResultFile

_NAME = "AIPerf"
_NS = 1e-9


def _recognises(file: ResultFile) -> bool:
    metadata = file.document.get("metadata")
    return isinstance(metadata, Mapping) and "request_start_ns" in metadata and "metrics" in file.document


def _read(file: ResultFile) -> list[FoundLevel]:
    kept = [one for one in file.documents if _phase(one) in (None, "profiling")]
    return [FoundLevel(form="requests", tool=_NAME, requests=tuple(map(_request, kept)))] if kept else []


def _phase(one: Document) -> str | None:
    metadata = one.get("metadata")
    return text_in(metadata, "benchmark_phase") if isinstance(metadata, Mapping) else None


def _request(one: Document) -> RequestTimes:
    start = number_in(one, "metadata", "request_start_ns")
    begun = None if start is None else start * _NS
    metrics = one.get("metrics")
    measured: Mapping[str, Any] = metrics if isinstance(metrics, Mapping) else {}
    prompt = whole(number_in(measured, "input_sequence_length", "value"))
    failed = one.get("error")
    if isinstance(failed, Mapping):
        return RequestTimes(begun, prompt_tokens=prompt, error=_class(failed), error_message=_message(failed))
    latency, ttft = _seconds(measured, "request_latency"), _seconds(measured, "time_to_first_token")
    output = whole(number_in(measured, "output_sequence_length", "value"))
    if latency is None:
        said = "counted as completed, without a latency"
        return RequestTimes(begun, prompt_tokens=prompt, error="empty", error_message=said)
    return RequestTimes(
        begun, ttft, latency, _gaps(measured), prompt, output, streamed=True if ttft is not None else None
    )


def _seconds(metrics: Mapping[str, Any], name: str) -> float | None:
    one, value = metrics.get(name), number_in(metrics, name, "value")
    if value is None or not isinstance(one, Mapping):
        return None
    return value * seconds_in(text_in(one, "unit"), name)


def _gaps(metrics: Mapping[str, Any]) -> tuple[float, ...] | None:
    one = metrics.get("inter_chunk_latency")
    if not isinstance(one, Mapping) or not isinstance(one.get("value"), list):
        return None
    factor = seconds_in(text_in(one, "unit"), "inter_chunk_latency")
    return tuple(gap * factor for gap in numbers_of(one["value"]) if gap is not None)


def _class(failed: Mapping[str, Any]) -> str:
    if "cancel" in (text_in(failed, "type") or "").lower():
        return "cancelled"
    return error_class(f"{failed.get('code')} {failed.get('type')} {failed.get('message')}")


def _message(failed: Mapping[str, Any]) -> str | None:
    return (text_in(failed, "message") or text_in(failed, "type") or "")[:500] or None


TOOL = Tool("AIPerf (requests)", "the exported records, JSON lines", _recognises, _read)
