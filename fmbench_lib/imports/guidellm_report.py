"""guidellm's report (JSON or YAML), versions 1 and 2: a benchmark a load, each figure by status of the requests."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
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
from fmbench_lib.imports.tool import Tool
from fmbench_lib.imports.tool_file import Document, ResultFile
from fmbench_lib.metrics.finding import Finding

_NAME = "guidellm"
_TIMES = {"latency": ("request_latency", 1.0), "TTFT": ("time_to_first_token_ms", 1e-3)}
_GAP = "inter_token_latency_ms"
_RATE_KINDS = ("constant", "poisson", "async", "sweep")


def _recognises(file: ResultFile) -> bool:
    found = file.document.get("benchmarks")
    first = found[0] if isinstance(found, list) and found else None
    return isinstance(first, Mapping) and isinstance(first.get("metrics"), Mapping)


def _read(file: ResultFile) -> list[FoundLevel]:
    document = file.document
    return [_level(document, one, place) for place, one in enumerate(document["benchmarks"], start=1)]


def _level(document: Document, benchmark: Mapping[str, Any], place: int) -> FoundLevel:
    metrics, config = benchmark["metrics"], _section(benchmark, "config")
    counts = _section(metrics, "request_totals") or _section(benchmark, "request_totals")
    requests = tuple(_requests(_section(benchmark, "requests"), counts))
    return FoundLevel(
        form="summary",
        tool=_NAME,
        place=f"benchmark {place}",
        version=_version(document),
        model=_model(document, benchmark),
        dataset=_dataset(document, config),
        **_load(benchmark, config),
        figures=(*_counts(benchmark, counts), *_distributions(metrics)),
        requests=requests,
        evidence=_evidence(metrics),
        findings=() if requests else _sayings(metrics),
    )


def _section(content: Any, *keys: str) -> Mapping[str, Any]:
    """The mapping at a path of keys; an empty one where there is none."""
    for key in keys:
        content = content.get(key) if isinstance(content, Mapping) else None
    return content if isinstance(content, Mapping) else {}


def _version(document: Document) -> str | None:
    metadata = _section(document, "metadata")
    said, report = text_in(metadata, "guidellm_version"), whole(number_in(metadata, "version"))
    return said or (None if report is None else f"report version {report}")


def _model(document: Document, benchmark: Mapping[str, Any]) -> str | None:
    places = (
        _section(benchmark, "config", "backend"),
        _section(document, "config", "spec", "backend"),
        _section(document, "args"),
        _section(benchmark, "worker"),
        _section(benchmark, "benchmarker", "backend"),
    )
    return next((name for one in places if (name := text_in(one, "model", "backend_model", "model_name"))), None)


def _dataset(document: Document, config: Mapping[str, Any]) -> str | None:
    """The lengths of synthetic prompts, as they were asked for."""
    data = _section(document, "config", "spec").get("data") or _section(config, "requests").get("data")
    first = data[0] if isinstance(data, list) and data else data
    if not isinstance(first, Mapping):
        return None
    lengths = [whole(number_in(first, f"{side}_tokens")) for side in ("prompt", "output")]
    return f"synthetic_{lengths[0]}_{lengths[1]}" if None not in lengths else None


def _load(benchmark: Mapping[str, Any], config: Mapping[str, Any]) -> dict[str, Any]:
    strategy = _section(config, "strategy") or _section(benchmark, "args", "strategy")
    strategy = strategy or _section(benchmark, "scheduler", "strategy")
    kind = text_in(strategy, "type_", "kind") or ""
    rate = number_in(strategy, "rate")
    streams = whole(number_in(strategy, "streams"))
    if kind in _RATE_KINDS and rate is not None:
        return {"request_rate": rate}
    if kind == "synchronous":
        return {"concurrency": 1}
    if streams:
        return {"concurrency": streams}
    return {"load": "all-at-once" if kind == "throughput" else kind or None}


def _counts(benchmark: Mapping[str, Any], counts: Mapping[str, Any]) -> list[Figure]:
    """Counts of finished requests: those cut off at the end are neither successes nor errors."""
    good, bad = number_in(counts, "successful"), number_in(counts, "errored")
    duration = number_in(benchmark, "duration")
    if duration is None:
        start, end = number_in(benchmark, "start_time"), number_in(benchmark, "end_time")
        duration = None if start is None or end is None else end - start
    both = None if good is None or bad is None else good + bad
    return [
        *figure("requests", "request_totals.successful + errored", both),
        *figure("successes", "request_totals.successful", good),
        *figure("completions_in_window", "request_totals.successful", good),
        *figure("errors", "request_totals.errored", bad),
        *figure("window_s", "duration", duration),
    ]


def _distributions(metrics: Mapping[str, Any]) -> list[Figure]:
    found: list[Figure] = []
    for family, (name, factor) in {**_TIMES, "TPOT": (_GAP, 1e-3)}.items():
        one = _section(metrics, name, "successful")
        if number_in(one, "count") or number_in(one, "mean"):
            found += figures_at(one, {f"{family}_mean": "mean"}, factor, f"{name}.successful.")
            found += figures_at(
                _section(one, "percentiles"),
                {f"{family}_{q}": q for q in PERCENTILES},
                factor,
                f"{name}.successful.percentiles.",
            )
    means = {
        "prompt_token_count_mean": "prompt_token_count",
        "completion_token_count_mean": "output_token_count",
        "transactions_per_second": "requests_per_second",
        "mean_in_flight": "request_concurrency",
        "prompt_token_throughput": "prompt_tokens_per_second",
        "completion_token_throughput": "output_tokens_per_second",
    }
    for column, name in means.items():
        found += figure(column, f"{name}.successful.mean", number_in(_section(metrics, name, "successful"), "mean"))
    return found


def _evidence(metrics: Mapping[str, Any]) -> dict[str, float]:
    gaps = _section(metrics, _GAP, "successful")
    tokens = _section(metrics, "output_tokens_per_iteration", "successful")
    pairs = [(f"{family}_max", _scaled(metrics, name, factor)) for family, (name, factor) in _TIMES.items()]
    totals = {"total_prompt_tokens": "prompt_token_count", "total_completion_tokens": "output_token_count"}
    sums = [(key, number_in(_section(metrics, name, "successful"), "total_sum")) for key, name in totals.items()]
    return evidence_of(
        [*pairs, *sums, ("tokens_per_event", number_in(tokens, "mean")), ("TPOT_n", number_in(gaps, "count"))]
    )


def _scaled(metrics: Mapping[str, Any], name: str, factor: float) -> float | None:
    value = number_in(_section(metrics, name, "successful"), "max")
    return None if value is None else factor * value


def _sayings(metrics: Mapping[str, Any]) -> tuple[Finding, ...]:
    if not _section(metrics, _GAP, "successful"):
        return ()
    what = "its inter-token latency is the mean gap of each request, weighted by tokens, so it stands under TPOT"
    return (Finding("valid", f"{what}, and gaps of single tokens (ITL) are not in the file"),)


def _requests(requests: Mapping[str, Any], counts: Mapping[str, Any]) -> Iterable[RequestTimes]:
    """Single requests, where all finished ones are in the file: a sample of them is none of the level."""
    good, bad = (requests.get(status) or [] for status in ("successful", "errored"))
    if not good or len(good) != number_in(counts, "successful") or len(bad) != (number_in(counts, "errored") or 0):
        return
    for one in good:
        yield _success(one)
    for one in bad:
        said = text_in(one, "error") or text_in(_section(one, "info"), "error")
        yield RequestTimes(
            _moment(one, "request_start", "start_time"), error="endpoint", error_message=(said or "")[:500] or None
        )


def _success(one: Mapping[str, Any]) -> RequestTimes:
    start, end = _moment(one, "request_start", "start_time"), _moment(one, "request_end", "end_time")
    first = _moment(one, "first_token_iteration", "first_token_time", "first_iteration")
    last = _moment(one, "last_token_iteration", "last_token_time", "last_iteration") or end
    latency, ttft = number_in(one, "request_latency"), number_in(one, "time_to_first_token_ms")
    if start is not None and last is not None:
        latency = last - start
    ttft = first - start if first is not None and start is not None else None if ttft is None else ttft / 1000
    prompt, output = (
        whole(number_in(one, old) if number_in(one, old) is not None else number_in(_section(one, new), "text_tokens"))
        for old, new in (("prompt_tokens", "input_metrics"), ("output_tokens", "output_metrics"))
    )
    if not output or latency is None:
        return RequestTimes(
            start, prompt_tokens=prompt, error="empty", error_message="counted as successful, without a token"
        )
    return RequestTimes(start, ttft, latency, None, prompt, output, streamed=ttft is not None)


def _moment(one: Mapping[str, Any], *names: str) -> float | None:
    """A moment of a request, wherever this version keeps it."""
    places = (one, _section(one, "info", "timings"), _section(one, "scheduler_info", "request_timings"))
    found = (number_in(place, name) for name in names for place in places)
    return next((value for value in found if value is not None and value > 0), None)


TOOL = Tool(_NAME, "the JSON or YAML of --output-path", _recognises, _read)
