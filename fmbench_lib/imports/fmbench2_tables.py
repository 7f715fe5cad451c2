"""The tables of FMBench 2.x, CSV: a row a level, a row a batch of requests that were sent together, or a row a request.

Its summary averages over batches: rates of batches are not a count over a time, and percentiles of batches none of the
level. A batch of one request is that request.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from fmbench_lib.errors import ERROR_CLASSES
from fmbench_lib.imports.found_level import (
    PERCENTILES,
    Figure,
    Form,
    FoundLevel,
    RequestTimes,
    as_number,
    evidence_of,
    figure,
    figures_at,
    number_in,
    text_in,
    whole,
)
from fmbench_lib.imports.serving_bench import error_class
from fmbench_lib.imports.tool import Tool
from fmbench_lib.imports.tool_file import ResultFile
from fmbench_lib.metrics.finding import Finding

_NAME = "FMBench 2.x"
_LEVEL = ("experiment_name", "payload_file", "concurrency")
_STATISTICS = ("mean", *PERCENTILES)
_AS_THEY_ARE = (
    *(f"{family}_{statistic}" for family in ("latency", "TTFT", "TPOT") for statistic in _STATISTICS),
    "error_rate",
    "prompt_token_count_mean",
    "completion_token_count_mean",
    "prompt_token_throughput",
    "completion_token_throughput",
    "transactions_per_minute",
    "price_per_txn",
    "price_per_token",
)
_COUNTED = Finding(
    "valid",
    "transactions per minute are FMBench's mean over batches, cut to a whole number, and no count over a time",
)
_AVERAGED = Finding("valid", "its percentiles may be averages over batches, which are no percentiles of the level")


class _Batches(NamedTuple):
    """Batches of a level together. `seconds`: their times added up; None where one has none."""

    successes: float
    errors: float
    prompt_tokens: float
    completion_tokens: float
    seconds: float | None
    latency: float | None
    printed_rate: float | None


def _recognises(file: ResultFile) -> bool:
    names = file.rows[0].keys() if file.rows else ()
    return all(name in names for name in _LEVEL) and (
        "transactions_per_minute" in names or "latency" in names or "latency_mean" in names
    )


def _read(file: ResultFile) -> list[FoundLevel]:
    groups: dict[tuple[str, ...], list[Mapping[str, str]]] = {}
    for row in file.rows:
        groups.setdefault(tuple(row.get(name) or "" for name in (*_LEVEL, "request_rate")), []).append(row)
    first = file.rows[0]
    own = "verdict" in first
    if "transactions" in first and not own:
        return [_of_batches(rows) for rows in groups.values()]
    if "latency" in first and "transactions_per_minute" not in first:
        return [_of_requests(rows) for rows in groups.values()]
    return [_of_summary(row, own) for row in file.rows]


def _level(
    row: Mapping[str, str],
    form: Form,
    figures: Iterable[Figure],
    requests: Sequence[RequestTimes] = (),
    findings: tuple[Finding, ...] = (),
    tool: str = _NAME,
) -> FoundLevel:
    return FoundLevel(
        form=form,
        tool=tool,
        experiment=text_in(row, "experiment_name"),
        model=text_in(row, "model_name", "ModelName"),
        dataset=text_in(row, "payload_file"),
        instance_type=text_in(row, "instance_type"),
        instance_count=whole(number_in(row, "instance_count")),
        concurrency=whole(number_in(row, "concurrency")),
        request_rate=number_in(row, "request_rate"),
        figures=tuple(figures),
        requests=tuple(requests),
        evidence=evidence_of([("batch_rounding", 1.0 if form == "summary" and tool == _NAME else None)]),
        findings=findings,
    )


def _of_summary(row: Mapping[str, str], own: bool) -> FoundLevel:
    figures = figures_at(row, {name: name for name in _AS_THEY_ARE})
    if own:
        names = ("requests", "successes", "errors", "completions_in_window", "window_s", "transactions_per_second")
        more = figures_at(row, {name: name for name in (*names, *(f"ITL_{each}" for each in _STATISTICS))})
        return _level(row, "summary", [*figures, *more], tool="fmbench")
    percentiles = any(number_in(row, f"latency_{q}") is not None for q in PERCENTILES)
    findings = (_COUNTED, _AVERAGED) if percentiles else (_COUNTED,)
    return _level(row, "summary", figures, findings=findings)


def _of_requests(rows: Sequence[Mapping[str, str]]) -> FoundLevel:
    return _level(rows[0], "requests", (), [_request(row) for row in rows if row.get("phase") != "warmup"])


def _request(row: Mapping[str, str]) -> RequestTimes:
    prompt, output = (whole(number_in(row, f"{side}_tokens")) for side in ("prompt", "completion"))
    start, latency = number_in(row, "due"), number_in(row, "latency")
    said = text_in(row, "error")
    if said and said.lower() not in ("nan", "none", "0", "false"):
        named = said if said in ERROR_CLASSES else error_class(said)
        return RequestTimes(start, prompt_tokens=prompt, error=named, error_message=said[:500])
    if latency is None:
        return RequestTimes(start, prompt_tokens=prompt, error="empty", error_message="no latency in the file")
    ttft = number_in(row, "time_to_first_token") or None
    return RequestTimes(start, ttft, latency, None, prompt, output, streamed=True if ttft else None)


def _of_batches(rows: Sequence[Mapping[str, str]]) -> FoundLevel:
    batches, first = _together(rows), rows[0]
    single = all(number_in(row, "transactions") == 1 and not _errors(row) for row in rows)
    requests = [_single(row) for row in rows] if single else []
    return _level(first, "batches", _batch_figures(batches), requests, tuple(_sayings(rows, batches)))


def _single(row: Mapping[str, str]) -> RequestTimes:
    prompt, output = (number_in(row, f"{side}_token_count_mean") for side in ("prompt", "completion"))
    ttft = number_in(row, "TTFT_mean") or None
    return RequestTimes(
        None, ttft, number_in(row, "latency_mean"), None, whole(prompt), whole(output), streamed=bool(ttft) or None
    )


def _together(rows: Sequence[Mapping[str, str]]) -> _Batches:
    def total(value: Callable[[Mapping[str, str]], float | None]) -> float:
        return sum(value(row) or 0.0 for row in rows)

    successes = total(lambda row: number_in(row, "successes"))
    times = [_seconds(row) for row in rows]
    known = [one for one in times if one is not None]
    weighted = total(lambda row: (number_in(row, "latency_mean") or 0.0) * (number_in(row, "successes") or 0.0))
    rates = [rate for row in rows if (rate := number_in(row, "transactions_per_minute")) is not None]
    return _Batches(
        successes,
        float(sum(map(_errors, rows))),
        total(lambda row: number_in(row, "all_prompts_token_count")),
        total(lambda row: number_in(row, "all_completions_token_count")),
        sum(known) if len(known) == len(times) else None,
        weighted / successes if successes else None,
        sum(rates) / len(rates) if rates else None,
    )


def _seconds(row: Mapping[str, str]) -> float | None:
    """How long a batch took: its prompt tokens over their rate, which is rounded less than the rate of transactions."""
    tokens, rate = number_in(row, "all_prompts_token_count"), number_in(row, "prompt_token_throughput")
    if tokens and rate:
        return tokens / rate
    done, per_second = number_in(row, "transactions"), number_in(row, "transactions_per_second")
    return done / per_second if done and per_second else None


def _errors(row: Mapping[str, str]) -> int:
    """How many requests of a batch failed: the length of its list of errors, or its share of failures."""
    try:
        listed: Any = ast.literal_eval(row.get("errors") or "[]")
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        listed = None
    if isinstance(listed, list):
        return len(listed)
    share, asked = number_in(row, "error_rate"), number_in(row, "concurrency")
    return round((share or 0.0) * (asked or 0.0))


def _batch_figures(batches: _Batches) -> list[Figure]:
    done, seconds = batches.successes, batches.seconds
    mean = {"prompt": batches.prompt_tokens, "completion": batches.completion_tokens}
    found = [
        *figure("requests", "successes + errors of all batches", done + batches.errors),
        *figure("successes", "successes of all batches", done),
        *figure("completions_in_window", "successes of all batches", done),
        *figure("errors", "errors of all batches", batches.errors),
        *figure("latency_mean", "latency_mean, weighted by successes", batches.latency),
        *figure("window_s", "the batches' times added up", seconds),
    ]
    for side, tokens in mean.items():
        if done and tokens:
            found += figure(f"{side}_token_count_mean", f"all_{side}s_token_count / successes", tokens / done)
        if seconds:
            found += figure(f"{side}_token_throughput", f"all_{side}s_token_count / their time", tokens / seconds)
    rate = done / seconds if seconds else None
    found += figure("transactions_per_second", "successes / their time", rate)
    return [
        *found,
        *figure("transactions_per_minute", "60 * successes / their time", None if rate is None else 60 * rate),
    ]


def _sayings(rows: Sequence[Mapping[str, str]], batches: _Batches) -> Iterable[Finding]:
    if batches.seconds and batches.printed_rate is not None and batches.successes:
        counted = 60 * batches.successes / batches.seconds
        if abs(counted - batches.printed_rate) > 0.01 * counted:
            what = (
                f"FMBench averages the rates of {len(rows)} batches to {batches.printed_rate:.3g} transactions a minute"
            )
            yield Finding(
                "valid", f"{what}, of which {batches.successes:.0f} in {batches.seconds:.3g} s are {counted:.3g}"
            )
    if any(as_number(row.get("latency_p95")) is not None for row in rows):
        yield Finding("valid", "percentiles of batches are none of the level, so they are left out")


TOOL = Tool(_NAME, "its summary, its table of batches, or its single requests, CSV", _recognises, _read)
