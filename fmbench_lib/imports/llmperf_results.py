"""llmperf's summary and its single responses: JSON, times in seconds, none of them a moment.

Its inter-token latency is the whole time of a request over its tokens, TTFT included: neither ITL nor TPOT.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fmbench_lib.imports.found_level import (
    PERCENTILES,
    Figure,
    FoundLevel,
    RequestTimes,
    evidence_of,
    figure,
    figures_at,
    number_in,
    text_in,
    whole,
)
from fmbench_lib.imports.serving_bench import error_class
from fmbench_lib.imports.tool import Tool
from fmbench_lib.imports.tool_file import Document, ResultFile
from fmbench_lib.metrics.finding import Finding

_NAME = "llmperf"
_TIMES = {"latency": "end_to_end_latency_s", "TTFT": "ttft_s"}


def _recognises(file: ResultFile) -> bool:
    return file.has("ttft_s", "end_to_end_latency_s", "number_output_tokens") or _flat(file.document) is not None


def _read(file: ResultFile) -> list[FoundLevel]:
    if "ttft_s" in file.document:
        return [FoundLevel(form="requests", tool=_NAME, requests=tuple(map(_request, file.documents)))]
    return [_level(flat) for document in file.documents if (flat := _flat(document)) is not None]


def _flat(document: Document) -> Mapping[str, Any] | None:
    """A summary with its results under one prefix, as older and newer files have them; None for other objects."""
    if any(key.startswith("results_end_to_end_latency_s") for key in document):
        return document
    results = document.get("results")
    if not isinstance(results, Mapping) or "end_to_end_latency_s" not in results:
        return None
    flat = {key: value for key, value in document.items() if key != "results"}
    return flat | _flattened(results, "results")


def _flattened(content: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in content.items():
        name = f"{prefix}_{key}"
        flat |= _flattened(value, name) if isinstance(value, Mapping) else {name: value}
    return flat


def _level(summary: Mapping[str, Any]) -> FoundLevel:
    prompt, output = (whole(number_in(summary, f"mean_{side}_tokens")) for side in ("input", "output"))
    return FoundLevel(
        form="summary",
        tool=_NAME,
        version=text_in(summary, "version"),
        model=text_in(summary, "model"),
        dataset=f"prompts_{prompt}_{output}" if prompt is not None and output is not None else None,
        concurrency=whole(number_in(summary, "num_concurrent_requests")),
        figures=tuple(_figures(summary)),
        evidence=evidence_of(
            (f"{family}_max", number_in(summary, f"results_{name}_max")) for family, name in _TIMES.items()
        ),
        findings=tuple(_sayings(summary)),
    )


def _figures(summary: Mapping[str, Any]) -> list[Figure]:
    found: list[Figure] = []
    for family, name in _TIMES.items():
        columns = {f"{family}_{q}": f"results_{name}_quantiles_{q}" for q in PERCENTILES}
        found += figures_at(summary, {f"{family}_mean": f"results_{name}_mean", **columns})
    counts = {
        "requests": "results_num_requests_started",
        "successes": "results_num_completed_requests",
        "completions_in_window": "results_num_completed_requests",
        "errors": "results_number_errors",
        "transactions_per_minute": "results_num_completed_requests_per_min",
        "completion_token_throughput": "results_mean_output_throughput_token_per_s",
        "prompt_token_count_mean": "results_number_input_tokens_mean",
        "completion_token_count_mean": "results_number_output_tokens_mean",
    }
    found += figures_at(summary, counts)
    done = number_in(summary, "results_num_completed_requests")
    per_minute = number_in(summary, "results_num_completed_requests_per_min")
    seconds = 60 * done / per_minute if done and per_minute else None
    return [*found, *figure("window_s", "num_completed_requests / num_completed_requests_per_min", seconds)]


def _sayings(summary: Mapping[str, Any]) -> list[Finding]:
    latency, ttft, tokens = (
        number_in(summary, f"results_{name}_mean")
        for name in ("end_to_end_latency_s", "ttft_s", "number_output_tokens")
    )
    printed = number_in(summary, "results_inter_token_latency_s_mean")
    if printed is None:
        return []
    what = f"its inter-token latency of {1000 * printed:.3g} ms holds the TTFT, so it is neither ITL nor TPOT"
    if latency is not None and ttft is not None and tokens is not None and tokens > 1:
        what += f" (by its means TPOT is about {1000 * (latency - ttft) / (tokens - 1):.3g} ms)"
    return [Finding("valid", what)]


def _request(one: Document) -> RequestTimes:
    prompt, output = whole(number_in(one, "number_input_tokens")), whole(number_in(one, "number_output_tokens"))
    code, said = one.get("error_code"), text_in(one, "error_msg")
    latency, ttft = number_in(one, "end_to_end_latency_s"), number_in(one, "ttft_s")
    if code is not None or said:
        failed = error_class(f"{code} {said}")
        return RequestTimes(prompt_tokens=prompt, error=failed, error_message=(said or str(code))[:500])
    if not output or not latency:
        message = "counted as completed, without a token"
        return RequestTimes(prompt_tokens=prompt, error="empty", error_message=message)
    return RequestTimes(None, ttft or None, latency, None, prompt, output, streamed=True if ttft else None)


TOOL = Tool(_NAME, "the summary or the individual responses, JSON", _recognises, _read)
