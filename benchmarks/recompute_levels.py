"""The columns of a level and of a slice, each by a function of `Part`: `COLUMNS`. A new column is a row there."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import recompute_contents as contents
from recompute_client import FAMILIES as ERROR_FAMILIES
from recompute_client import client_error
from recompute_energy import READ as ENERGY_READ
from recompute_energy import transactions
from recompute_nodes import node_clock_bound, nodes, requests_by_node
from recompute_part import FAMILIES, PERCENTILES, SLICES, WITH_P90, Part
from recompute_queueing import in_flight, spread_over_time, trend
from recompute_reading import Cell, Flags, Floats, joined
from recompute_stalls import long_requests, silence_max, silence_plausible

Function = Callable[[Part], Cell]


def _fact(name: str) -> Function:
    return lambda part: part.level.facts.get(name)


def _parts_gap(part: Part) -> float:
    parts = part.level.facts.get("parts") or []
    return float(sum(each["gap"] for each in parts)) if parts else math.nan


def _mean(values: Floats) -> float:
    return float(values.mean()) if values.size else math.nan


def _quantile(values: Floats, q: float) -> float:
    return float(np.quantile(values, q)) if values.size else math.nan


def _max(values: Floats) -> float:
    return float(values.max()) if values.size else math.nan


def _known(values: Floats) -> Floats:
    return values[~np.isnan(values)]


def _spread(values: Floats) -> float:
    return float(np.std(values, ddof=1)) if values.size > 1 else math.nan


def _outside(part: Part) -> int:
    window, sent = part.facts_window, part.level.sent
    counted = (sent >= window[0]) & (sent <= window[1]) if window else np.ones(part.level.count, dtype=bool)
    return _count(part.level.measured & ~counted)


def _count(flags: Flags) -> int:
    return int(np.count_nonzero(flags))


def _family(family: str) -> dict[str, Function]:
    columns: dict[str, Function] = {
        f"{family}_mean": lambda part: _mean(part.pooled(family)),
        f"{family}_n": lambda part: len(part.pooled(family)),
    }
    for name, q in WITH_P90.items():
        columns[f"{family}_{name}"] = lambda part, q=q: _quantile(part.pooled(family), q)
        columns[f"{family}_{name}_low"] = lambda part, name=name: part.interval(family, name).low
        columns[f"{family}_{name}_high"] = lambda part, name=name: part.interval(family, name).high
    return columns


def _from_sent(family: str) -> dict[str, Function]:
    name = f"{family}_from_sent"
    quantiles = {q: PERCENTILES[q] for q in ("p50", "p95")}
    return {
        f"{name}_{q}": lambda part, at=at: _quantile(part.of(name, part.successes), at) for q, at in quantiles.items()
    }


def _attained(name: str) -> Function:
    return lambda part: _mean(part.attained[name][part.chosen]) if name in part.attained else math.nan


def _token_attainment(part: Part) -> float:
    if not part.attained:
        return math.nan
    tokens = part.level.numbers("completion_tokens")
    total = tokens[part.successes].sum()
    return float(tokens[part.chosen & part.attained["all"]].sum() / total) if total > 0 else math.nan


def _goodput(part: Part, *, tokens: bool) -> float:
    if not part.attained:
        return math.nan
    amounts = part.level.numbers("completion_tokens") if tokens else np.ones(part.level.count)
    return part.work(amounts, part.attained["all"], by_events=tokens)[0]


def _littles_law(part: Part) -> float:
    if part.window is None or not part.chosen.any():
        return math.nan
    level, edges = part.level, np.array(part.window)
    times = (level.ended - level.sent)[part.chosen]
    known = times[~np.isnan(times)]
    per_second = float(spread_over_time(edges, level.sent, level.ended, np.ones(level.count))[0]) / part.seconds
    expected = per_second * _mean(known)
    return in_flight(level.sent, level.ended, part.window) / expected - 1 if expected > 0 else math.nan


def _drift(what: str, figure: int) -> Function:
    def of(part: Part) -> float:
        if part.window is None:
            return math.nan
        parts = [Part(part.level, {}, number) for number in range(SLICES)]
        if what == "latency":
            return trend([_quantile(one.of("latency", one.successes), 0.5) for one in parts])[figure]
        return trend([float(_count(one.completed)) for one in parts])[figure]

    return of


def _resend_wait(part: Part) -> float:
    return _max(_known(part.level.sending_waits[part.chosen & part.level.resent]))


def _per_second(part: Part, flags: Flags) -> float:
    return _count(flags) / part.seconds if part.window else math.nan


def _billed(kind: str) -> Function:
    def of(part: Part) -> float:
        tokens = part.level.numbers(f"{kind}_tokens")[part.level.ok]
        if kind in ("cached", "cache_write"):
            return float(np.nansum(tokens)) if (~np.isnan(tokens)).any() else math.nan
        return float(tokens.sum())

    return of


def _cache_mean(kind: str) -> Function:
    def of(part: Part) -> float:
        known = part.of(f"{kind}_tokens", part.successes)
        return float(known.sum()) / _count(part.successes) if known.size else math.nan

    return of


def _stamp_source(part: Part) -> str | None:
    sources = [name for name, use in zip(part.level.texts("stamp_source"), part.chosen, strict=True) if use]
    return joined(sources) or part.level.facts.get("stamp_source")


_FACTS = (
    "experiment_name", "payload_file", "load", "instance_type", "instance_count", "concurrency", "request_rate",
    "requested", "scheduled_rate", "stop_reason", "stop_note", "arrival", "max_concurrency", "think_time", "ramp",
    "until", "proxy", "prompt_reuse", "tokenizer", "workers", "clock_step_s", "client_stopped_s",
    "client_suspended_s", "resent_prompts", "earlier_run",
    "earlier_run_at", "earlier_prompts", "earlier_ttft_p50", "host_machine", "host_cores", "host_cores_busy",
    "host_cores_others", "host_cores_others_p95", "host_cpu_waiting", "host_cpu_stolen", "host_cpu_throttled",
    *ENERGY_READ,
)  # fmt: skip

COLUMNS: dict[str, Function] = {
    **{name: _fact(name) for name in _FACTS},
    "attempt": lambda part: part.level.attempt,
    "slice": lambda part: part.number,
    "slice_start_s": lambda part: part.window[0] - part.whole[0] if part.window and part.whole else math.nan,
    # counts
    "requests": lambda part: _count(part.chosen),
    "successes": lambda part: _count(part.successes),
    "completions_in_window": lambda part: _count(part.completed) if part.window else math.nan,
    "errors": lambda part: _count(part.chosen & ~part.level.ok),
    "error_rate": lambda part: _mean(1.0 - part.level.ok[part.chosen]),
    "errors_by_class": contents.errors_by_class,
    "error_messages": contents.error_messages,
    "requests_by_copy": contents.requests_by_copy,
    "nodes": nodes,
    "requests_by_node": requests_by_node,
    "node_clock_bound": node_clock_bound,
    "parts": lambda part: len(part.level.facts.get("parts") or []) or math.nan,
    "parts_gap_s": _parts_gap,
    # work
    "transactions_per_second": lambda part: part.transactions[0],
    "transactions_per_minute": lambda part: 60 * part.transactions[0],
    "transactions_per_minute_low": lambda part: 60 * part.transactions[1],
    "transactions_per_minute_high": lambda part: 60 * part.transactions[2],
    "prompt_token_throughput": lambda part: part.tokens("prompt")[0],
    "completion_token_throughput": lambda part: part.tokens("completion")[0],
    "completion_token_throughput_low": lambda part: part.tokens("completion")[1],
    "completion_token_throughput_high": lambda part: part.tokens("completion")[2],
    # times
    **{name: function for family in FAMILIES for name, function in _family(family).items()},
    **{name: function for family in ("TTFT", "latency") for name, function in _from_sent(family).items()},
    "latency_effective_n": lambda part: part.interval("latency", "p95").effective,
    "latency_longer": lambda part: part.interval("latency", "p95").longer,
    "latency_max": lambda part: _max(part.of("latency", part.successes)),
    "TTFT_max": lambda part: _max(part.of("TTFT", part.successes)),
    "long_requests": lambda part: long_requests(part)[0],
    "long_requests_share": lambda part: long_requests(part)[1],
    "silence_max": silence_max,
    "silence_plausible": silence_plausible,
    # objectives
    "goodput": lambda part: _goodput(part, tokens=False),
    "goodput_tokens": lambda part: _goodput(part, tokens=True),
    "slo_attainment": _attained("all"),
    **{f"slo_attainment_{name}": _attained(name) for name in ("ttft", "tpot", "latency")},
    "slo_token_attainment": _token_attainment,
    # tokens
    "prompt_token_count_mean": lambda part: _mean(part.of("prompt_tokens", part.successes)),
    "completion_token_count_mean": lambda part: _mean(part.of("completion_tokens", part.successes)),
    "prompt_token_n": lambda part: len(part.of("prompt_tokens", part.successes)),
    "completion_token_n": lambda part: len(part.of("completion_tokens", part.successes)),
    "completion_token_count_std": lambda part: _spread(part.of("completion_tokens", part.successes)),
    "cached_token_count_mean": _cache_mean("cached"),
    "cache_write_token_count_mean": _cache_mean("cache_write"),
    "completion_token_count_p5": lambda part: _quantile(part.of("completion_tokens", part.successes), 0.05),
    "completion_token_count_p95": lambda part: _quantile(part.of("completion_tokens", part.successes), 0.95),
    "completion_token_count_cv": contents.token_cv,
    "length_share": contents.length_share,
    "finish_reason_n": lambda part: len(contents.ends(part)),
    "cached_token_share": contents.cached_share,
    "events": contents.events,
    "tokens_per_event": contents.tokens_per_event,
    "reasoning_tokens": lambda part: _mean(part.of("reasoning_tokens", part.successes)),
    "buffered_share": contents.buffered_share,
    "remarks": contents.remarks,
    "token_source": contents.token_source,
    "prompt_token_source": lambda part: contents.side_source(part, "prompt"),
    "completion_token_source": lambda part: contents.side_source(part, "completion"),
    **{f"billed_{kind}_tokens": _billed(kind) for kind in ("prompt", "completion", "cached", "cache_write")},
    "energy_transactions": transactions,
    # the client
    "client_lag_p99": lambda part: _quantile(part.of("client_lag", part.chosen), 0.99),
    "schedule_lag_p99": lambda part: _quantile(part.of("schedule_lag", part.chosen), 0.99),
    "resend_wait_max": _resend_wait,
    **{
        f"{family}_{name}_client_error": lambda part, family=family, q=q: client_error(part, family, q)
        for family in ERROR_FAMILIES
        for name, q in PERCENTILES.items()
    },
    "client_cpu_max": lambda part: max(
        (cpu for cpu in part.level.facts["client_cpu"] if cpu is not None), default=None
    ),
    "stamp_source": _stamp_source,
    "retried": lambda part: int(part.of("retried", part.chosen).sum()),
    "reused_share": lambda part: _mean(part.of("reused", part.chosen)),
    "connect_s_mean": lambda part: _mean(part.of("connect_s", part.chosen)),
    "busy_s_mean": lambda part: _mean(_known((part.level.numbers("end") - part.level.due)[part.chosen])),
    "negative_times": lambda part: sum(
        _count(part.of(name, part.successes) < 0) for name in ("TTFT", "latency", "TTFT_from_sent")
    ),
    "cap_wait_mean": lambda part: _mean(part.of("cap_wait", part.chosen)),
    "cap_wait_p95": lambda part: _quantile(part.of("cap_wait", part.chosen), 0.95),
    # the window
    "window_s": lambda part: part.seconds,
    "window_start": lambda part: part.window[0] if part.window else math.nan,
    "window_end": lambda part: part.window[1] if part.window else math.nan,
    "level_s": lambda part: part.level.facts["ended"] - part.level.facts["started"],
    "mean_in_flight": lambda part: (
        in_flight(part.level.sent, part.level.ended, part.window) if part.window else math.nan
    ),
    "requests_outside_window": _outside,
    "steady": lambda part: part.steady,
    "steady_after_s": lambda part: part.steady_after,
    "sustainable": lambda part: part.growth[0] if part.growth else None,
    "sustainable_longer": lambda part: part.growth[3] if part.growth else None,
    "in_flight_start": lambda part: part.growth[1] if part.growth else None,
    "in_flight_end": lambda part: part.growth[2] if part.growth else None,
    "littles_law": _littles_law,
    "offered_rate": lambda part: part.level.fact("scheduled_rate") if part.window else math.nan,
    "sent_rate": lambda part: _per_second(part, part.inside(part.level.sent)),
    "completed_rate": lambda part: _per_second(part, part.completed),
    "latency_drift": _drift("latency", 0),
    "latency_drift_p": _drift("latency", 1),
    "throughput_drift": _drift("throughput", 0),
    "throughput_drift_p": _drift("throughput", 1),
}
"""By name, the columns of `all_metrics_summary.csv` and `all_metrics.csv` that follow from the requests alone."""
