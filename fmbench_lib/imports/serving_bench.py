"""What the serving benchmarks of vLLM and SGLang have in common: one object a load, with times in milliseconds."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from fmbench_lib.imports.found_level import (
    PERCENTILES,
    Figure,
    RequestTimes,
    evidence_of,
    figure,
    figures_at,
    number_in,
    numbers_of,
    whole,
)
from fmbench_lib.imports.tool_file import Document

_PER_MS = 1e-3
_ERRORS = (
    (r"\b429\b|too many requests", "http_429"),
    (r"\b5\d\d\b|internal server error|bad gateway|service unavailable", "http_5xx"),
    (r"\b4\d\d\b|bad request|not found|unauthori[sz]ed|forbidden", "http_4xx"),
    (r"time(d)?\W?out", "timeout"),
    (r"connect|refused|reset|disconnect", "connect"),
)


def time_figures(document: Document, families: Mapping[str, str]) -> list[Figure]:
    """Mean and percentiles of each family; `families` has the tool's name of each of ours: `{"TTFT": "ttft"}`."""
    found: list[Figure] = []
    for ours, theirs in families.items():
        keys = {
            f"{ours}_mean": f"mean_{theirs}_ms",
            f"{ours}_p50": f"median_{theirs}_ms",
            **{f"{ours}_{q}": f"{q}_{theirs}_ms" for q in PERCENTILES if q != "p50"},
        }
        if number_in(document, f"median_{theirs}_ms") is None:
            keys[f"{ours}_p50"] = f"p50_{theirs}_ms"
        found += figures_at(document, keys, _PER_MS)
    return found


def count_figures(document: Document) -> list[Figure]:
    """Counts, rates and lengths."""
    completed, failed = number_in(document, "completed"), number_in(document, "failed")
    asked = number_in(document, "num_prompts")
    named = "num_prompts"
    if asked is None and failed is not None and completed is not None:
        asked, named = completed + failed, "completed + failed"
    lost = None if asked is None or completed is None or asked < completed else asked - completed
    rate = number_in(document, "request_throughput")
    both, output = number_in(document, "total_token_throughput"), number_in(document, "output_throughput")
    read = number_in(document, "input_throughput")
    found = [
        *figure("requests", named, asked),
        *figure("successes", "completed", completed),
        *figure("completions_in_window", "completed", completed),
        *figure("errors", f"{named} - completed", lost),
        *figure("window_s", "duration", number_in(document, "duration")),
        *figure("transactions_per_second", "request_throughput", rate),
        *figure("completion_token_throughput", "output_throughput", output),
    ]
    if read is not None:
        found += figure("prompt_token_throughput", "input_throughput", read)
    elif both is not None and output is not None:
        found += figure("prompt_token_throughput", "total_token_throughput - output_throughput", both - output)
    return [*found, *_mean_tokens(document, completed)]


def _mean_tokens(document: Document, completed: float | None) -> Iterable[Figure]:
    if not completed:
        return
    for column, key in (("prompt", "total_input_tokens"), ("completion", "total_output_tokens")):
        total = number_in(document, key)
        if total is not None:
            yield from figure(f"{column}_token_count_mean", f"{key} / completed", total / completed)


def load_of(document: Document) -> dict[str, Any]:
    """The load in our terms: a rate, a concurrency, or all requests at once."""
    rate, most = number_in(document, "request_rate"), whole(number_in(document, "max_concurrency"))
    if rate is not None:
        return {"request_rate": rate}
    return {"concurrency": most} if most else {"load": "all-at-once"}


def evidence_in(document: Document) -> dict[str, float]:
    """What the verdict looks at beside the columns."""
    return evidence_of(
        {
            "total_prompt_tokens": number_in(document, "total_input_tokens"),
            "total_completion_tokens": number_in(document, "total_output_tokens"),
            "most_in_flight": number_in(document, "max_concurrency"),
        }.items()
    )


def requests_of(document: Document) -> tuple[RequestTimes, ...]:
    """The single requests, where the tool saved them; the gaps between their content events where it saved those."""
    outputs, ttfts = numbers_of(document.get("output_lens")), numbers_of(document.get("ttfts"))
    count = len(ttfts)
    if not count or len(outputs) != count:
        return ()
    inputs, starts = (_padded(numbers_of(document.get(key)), count) for key in ("input_lens", "start_times"))
    gaps, errors = (_as_list(document.get(key), count) for key in ("itls", "errors"))
    return tuple(
        _request(inputs[place], outputs[place], ttfts[place], starts[place], gaps[place], errors[place])
        for place in range(count)
    )


def _request(
    prompt: float | None, output: float | None, ttft: float | None, start: float | None, gaps: Any, error: Any
) -> RequestTimes:
    said = error.strip() if isinstance(error, str) else ""
    if said or not output or not ttft:
        failed = error_class(said) if said else "empty"
        message = said or "counted as completed, without a token"
        return RequestTimes(start, prompt_tokens=whole(prompt), error=failed, error_message=message[:500])
    known = tuple(gap for gap in numbers_of(gaps) if gap is not None) if isinstance(gaps, list) else None
    return RequestTimes(
        start,
        ttft,
        None if known is None else ttft + sum(known),
        known,
        whole(prompt),
        whole(output),
        streamed=True,
    )


def error_class(text: str) -> str:
    """The class of an error by its words; `endpoint` where they do not tell."""
    lowered = text.lower()
    return next((name for pattern, name in _ERRORS if re.search(pattern, lowered)), "endpoint")


def _padded(values: Sequence[float | None], count: int) -> Sequence[float | None]:
    return values if len(values) == count else [None] * count


def _as_list(values: Any, count: int) -> list[Any]:
    return values if isinstance(values, list) and len(values) == count else [None] * count
