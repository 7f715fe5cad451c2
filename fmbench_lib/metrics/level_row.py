"""From the records of one level to its row: counts, throughput, percentiles with their intervals, prices, verdict.

Latency statistics are over the successes *sent* in the window, also where they end after it. Throughput is over the
completions *inside* the window. They are two different sets of requests with two counts, `successes` and
`completions_in_window`. Warm-up requests never enter the first; those that end inside the window belong to the second,
as the endpoint did that work in that time.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from fmbench_lib.metrics.columns import FAMILIES, INTERVAL_FAMILIES, QUANTILES, SLICE_COLUMNS, SUMMARY_COLUMNS
from fmbench_lib.metrics.drift import drift
from fmbench_lib.metrics.goodput import Objectives, goodput_columns
from fmbench_lib.metrics.missing import NAN, floats, number, or_nan, text
from fmbench_lib.metrics.percentiles import Estimate, clustered_estimate, estimate, percentile
from fmbench_lib.metrics.requests import Floats, request_metrics
from fmbench_lib.metrics.row_prices import price_columns
from fmbench_lib.metrics.thresholds import Thresholds
from fmbench_lib.metrics.verdict import REASON_SEPARATOR, verdict
from fmbench_lib.metrics.window import Window, completed_in, mean_in_flight, measured_in, window_of
from fmbench_lib.pricing.price_list import PriceList

SLICES = 10

_WORDS = ("load", "stop_reason", "stop_note", "arrival", "until", "proxy", "prompt_reuse", "tokenizer")
_NUMBERS = ("requested", "scheduled_rate", "workers", "clock_step_s", "max_concurrency", "think_time", "ramp")

Facts = Mapping[str, Any]


def level_row(
    records: pd.DataFrame,
    facts: Facts,
    prices: PriceList | None = None,
    thresholds: Thresholds | None = None,
    objectives: Objectives | None = None,
) -> dict[str, Any]:
    """The row of a level in `SUMMARY_COLUMNS`. Numbers that cannot be known are NaN, texts None; never 0 or ""."""
    requests = request_metrics(records)
    window = window_of(facts)
    counted = measured_in(requests, window)
    row = _identity(facts) | _level_facts(facts) | _measures(requests, counted, window, facts, objectives)
    row["requests_outside_window"] = int(((requests["phase"] == "measured").to_numpy(dtype=bool) & ~counted).sum())
    row |= _billed(requests) | _drifts(requests, window)
    row |= price_columns(row, prices or PriceList())
    judged = verdict(row, thresholds or Thresholds())
    row |= {"verdict": judged.verdict, "client_limited": judged.client_limited}
    row["verdict_reasons"] = REASON_SEPARATOR.join(judged.reasons) or None
    return {column: row[column] for column in SUMMARY_COLUMNS}


def slice_rows(
    records: pd.DataFrame,
    facts: Facts,
    slices: int = SLICES,
    prices: PriceList | None = None,
    objectives: Objectives | None = None,
) -> list[dict[str, Any]]:
    """The same measures for equal slices of the window, in `SLICE_COLUMNS`; none where the window has no length.

    A request belongs to the slice it was sent in, a completion to the slice it ended in.
    """
    window = window_of(facts)
    if window is None:
        return []
    requests = request_metrics(records)
    rows = []
    for place, part in enumerate(window.slices(slices)):
        row = _identity(facts) | {"load": text(facts, "load"), "slice": place}
        row["slice_start_s"] = part.start - window.start
        row |= _measures(requests, measured_in(requests, part), part, facts, objectives)
        row |= price_columns(row, prices or PriceList())
        rows.append({column: row[column] for column in SLICE_COLUMNS})
    return rows


def _identity(facts: Facts) -> dict[str, Any]:
    names = {key: text(facts, key) for key in ("experiment_name", "payload_file", "instance_type")}
    numbers = {key: or_nan(number(facts, key)) for key in ("instance_count", "concurrency", "request_rate")}
    return names | numbers


def _level_facts(facts: Facts) -> dict[str, Any]:
    window = window_of(facts)
    started, ended = number(facts, "started"), number(facts, "ended")
    shares = [float(share) for share in facts.get("client_cpu") or () if share is not None]
    return {
        **{key: text(facts, key) for key in _WORDS},
        **{key: or_nan(number(facts, key)) for key in _NUMBERS},
        "client_cpu_max": max(shares, default=NAN),
        "window_start": window.start if window else NAN,
        "window_end": window.end if window else NAN,
        "level_s": NAN if started is None or ended is None else ended - started,
    }


def _measures(
    requests: pd.DataFrame, counted: Any, window: Window | None, facts: Facts, objectives: Objectives | None
) -> dict[str, Any]:
    """All that a level and a slice have in common."""
    chosen = requests[counted]
    successes = chosen[chosen["success"]]
    row = _counts(chosen, successes) | _throughput(requests, successes, window)
    for family in (*FAMILIES, "TTFT_answer"):
        row |= _family(successes, family)
    for family in ("TTFT_from_sent", "latency_from_sent"):
        row |= {f"{family}_{q}": or_nan(percentile(floats(successes, family), QUANTILES[q])) for q in ("p50", "p95")}
    row["window_s"] = window.seconds if window else NAN
    row["mean_in_flight"] = mean_in_flight(requests, window, number(facts, "timeout")) if window else NAN
    row["client_lag_p99"] = or_nan(percentile(floats(chosen, "client_lag"), 0.99))
    row["schedule_lag_p99"] = or_nan(percentile(_schedule_lags(chosen), 0.99))
    return row | goodput_columns(requests, counted, window, objectives) | _transport(chosen, successes, facts)


def _counts(chosen: pd.DataFrame, successes: pd.DataFrame) -> dict[str, Any]:
    failures = chosen[~chosen["success"]]
    classes = {str(name): int(count) for name, count in failures["error"].value_counts().sort_index().items()}
    return {
        "requests": len(chosen),
        "successes": len(successes),
        "errors": len(failures),
        "error_rate": len(failures) / len(chosen) if len(chosen) else NAN,
        "errors_by_class": json.dumps(classes),
    }


def _throughput(requests: pd.DataFrame, successes: pd.DataFrame, window: Window | None) -> dict[str, Any]:
    tokens_in, tokens_out = floats(successes, "prompt_tokens"), floats(successes, "completion_tokens")
    row: dict[str, Any] = {
        "prompt_token_count_mean": _mean(tokens_in),
        "completion_token_count_mean": _mean(tokens_out),
        "completion_token_count_std": float(np.nanstd(tokens_out, ddof=1)) if _count(tokens_out) > 1 else NAN,
        "cached_token_count_mean": _cached_mean(floats(successes, "cached_tokens")),
        "prompt_token_n": _count(tokens_in),
        "completion_token_n": _count(tokens_out),
        "completions_in_window": NAN,
        "transactions_per_second": NAN,
        "transactions_per_minute": NAN,
        "prompt_token_throughput": NAN,
        "completion_token_throughput": NAN,
    }
    if window is None:
        return row
    completed = requests[completed_in(requests, window)]
    row["completions_in_window"] = len(completed)
    row["transactions_per_second"] = len(completed) / window.seconds
    row["transactions_per_minute"] = 60 * len(completed) / window.seconds
    for kind in ("prompt", "completion"):
        row[f"{kind}_token_throughput"] = _token_rate(floats(completed, f"{kind}_tokens"), window.seconds)
    return row


def _cached_mean(tokens: Floats) -> float:
    """Cached tokens per success: none where a server that speaks of them is silent, unknown where it always is."""
    return float(np.nansum(tokens)) / tokens.size if _count(tokens) else NAN


def _token_rate(tokens: Floats, seconds: float) -> float:
    """Tokens per second; unknown as soon as one count is (a sum of the known ones would understate it), and without
    any completion (what failed requests were worth in tokens, nobody counted)."""
    return float(tokens.sum()) / seconds if tokens.size and not np.isnan(tokens).any() else NAN


def _family(successes: pd.DataFrame, family: str) -> dict[str, Any]:
    """Mean, percentiles, their number and their intervals of one kind of time."""
    row: dict[str, Any] = {}
    groups = list(successes["ITL"]) if family == "ITL" else []
    values = (np.concatenate(groups) if groups else np.empty(0)) if family == "ITL" else floats(successes, family)
    values = values[~np.isnan(values)]
    row[f"{family}_mean"] = _mean(values)
    row[f"{family}_n"] = int(values.size)
    for name, q in QUANTILES.items():
        found: Estimate = clustered_estimate(groups, q) if family == "ITL" else estimate(values, q)
        row[f"{family}_{name}"] = or_nan(found.value)
        if family in INTERVAL_FAMILIES:
            row[f"{family}_{name}_low"], row[f"{family}_{name}_high"] = or_nan(found.low), or_nan(found.high)
    return row


def _transport(chosen: pd.DataFrame, successes: pd.DataFrame, facts: Facts) -> dict[str, Any]:
    stamps = _joined(chosen, "stamp_source") or text(facts, "stamp_source")
    times = np.concatenate([floats(successes, family) for family in ("TTFT", "latency", "TTFT_from_sent")])
    return {
        "token_source": _joined(successes, "token_source"),
        "stamp_source": stamps,
        "retried": int(np.nansum(floats(chosen, "retried"))),
        "reused_share": _mean(floats(chosen, "reused")),
        "connect_s_mean": _mean(floats(chosen, "connect_s")),
        "busy_s_mean": _mean(floats(chosen, "end") - floats(chosen, "due")),
        "negative_times": int((times < 0).sum()),
        "cap_wait_mean": _mean(floats(chosen, "cap_wait")),
        "cap_wait_p95": or_nan(percentile(floats(chosen, "cap_wait"), 0.95)),
    }


def _billed(requests: pd.DataFrame) -> dict[str, Any]:
    """Tokens of all successes, warm-up too: what a price by the token is charged on; 0 of none. One unknown count makes
    the sum unknown, but a request that says nothing of cached tokens had none at a lower price."""
    done = requests[requests["success"]]
    cached = floats(done, "cached_tokens")
    row: dict[str, Any] = {"billed_cached_tokens": float(np.nansum(cached)) if _count(cached) else NAN}
    for kind in ("prompt", "completion"):
        tokens = floats(done, f"{kind}_tokens")
        row[f"billed_{kind}_tokens"] = NAN if np.isnan(tokens).any() else float(tokens.sum())
    return row


def _drifts(requests: pd.DataFrame, window: Window | None) -> dict[str, Any]:
    """The trend of latency (medians of the slices) and of throughput (completions of the slices) over the window."""
    medians: list[float] = []
    completions: list[float] = []
    for part in window.slices(SLICES) if window else ():
        inside = requests[measured_in(requests, part)]
        medians.append(or_nan(percentile(floats(inside, "latency"), 0.5)))
        completions.append(float(completed_in(requests, part).sum()))
    row: dict[str, Any] = {}
    for name, values in (("latency", medians), ("throughput", completions)):
        found = drift(values) if values else None
        row[f"{name}_drift"] = found.change if found else NAN
        row[f"{name}_drift_p"] = found.p_value if found else NAN
    return row


def _schedule_lags(chosen: pd.DataFrame) -> Floats:
    """How late requests were sent for reasons of the client's own: `sent - due - connect_s - cap_wait`."""
    computed = floats(chosen, "sent") - floats(chosen, "due") - np.nan_to_num(floats(chosen, "connect_s"))
    computed = computed - np.nan_to_num(floats(chosen, "cap_wait"))
    recorded = floats(chosen, "schedule_lag")
    result: Floats = np.where(np.isnan(recorded), computed, recorded)
    return result


def _joined(frame: pd.DataFrame, column: str) -> str | None:
    """The values that occur, joined by +: a level whose tokens were counted in two ways says both."""
    if column not in frame.columns:
        return None
    return "+".join(sorted({str(value) for value in frame[column].dropna()})) or None


def _mean(values: Floats) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if known.size else NAN


def _count(values: Floats) -> int:
    return int(np.count_nonzero(~np.isnan(values)))
