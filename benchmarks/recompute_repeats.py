"""The row of a level that was measured several times, written from docs/metrics.md, "Repeated levels".

What is of the requests of all repeats is computed by the functions of `COLUMNS` on one level that holds them all.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
from recompute_levels import COLUMNS
from recompute_part import FAMILIES, PERCENTILES, WITH_P90, Part
from recompute_prices import PRICES, Price
from recompute_queueing import student
from recompute_reading import Cell, Flags, Floats, Level

Row = Mapping[str, Any]
Figure = tuple[float, float, float, float]
"""A figure of a repeat, the ends of its interval (NaN without one), and its weight."""

SPREAD = ("latency_p95", "TTFT_p95", "transactions_per_minute", "price_per_10k_txn")
MEASURED_ONCE: dict[str, Cell] = {
    "repeats": 1,
    **{f"{name}_repeat_{what}": None for name in SPREAD for what in ("min", "max", "std")},
}
"""What a level that was measured once has beside those that were repeated."""
SUMS = (
    "completions_in_window", "requested", "window_s", "level_s", "requests_outside_window", "resent_prompts",
    "earlier_prompts", "energy_joules", "energy_s", "energy_transactions",
)  # fmt: skip
RATES = (
    "prompt_token_throughput", "completion_token_throughput", "transactions_per_second", "transactions_per_minute",
    "mean_in_flight", "goodput", "goodput_tokens", "scheduled_rate", "offered_rate", "sent_rate", "completed_rate",
)  # fmt: skip
WORST = (
    "client_cpu_max", "clock_step_s", "client_stopped_s", "client_suspended_s", "parts", "parts_gap_s", "littles_law",
    "steady_after_s", "host_cores_busy", "host_cores_others", "host_cores_others_p95",
    "host_cpu_waiting", "host_cpu_stolen", "host_cpu_throttled",
)  # fmt: skip
OF_ALL_REQUESTS = (
    "requests", "successes", "errors", "error_rate", "errors_by_class", "error_messages", "requests_by_copy",
    "prompt_token_count_mean", "completion_token_count_mean", "completion_token_count_p5",
    "completion_token_count_p95", "completion_token_count_cv", "length_share", "finish_reason_n",
    "cached_token_share", "events", "tokens_per_event", "reasoning_tokens", "buffered_share", "remarks",
    "token_source", "prompt_token_source", "completion_token_source", "prompt_token_n", "completion_token_n",
    "completion_token_count_std", "cached_token_count_mean", "billed_prompt_tokens", "billed_completion_tokens",
    "billed_cached_tokens", "cache_write_token_count_mean", "billed_cache_write_tokens", "client_lag_p99",
    "schedule_lag_p99", "resend_wait_max", "stamp_source", "retried",
    "reused_share", "connect_s_mean", "busy_s_mean", "negative_times", "cap_wait_mean", "cap_wait_p95",
    "slo_attainment", "slo_attainment_ttft", "slo_attainment_tpot", "slo_attainment_latency", "slo_token_attainment",
    "TTFT_from_sent_p50", "TTFT_from_sent_p95", "latency_from_sent_p50", "latency_from_sent_p95", "latency_max",
    "TTFT_max", "long_requests", "long_requests_share",
    *(f"{family}_{q}_client_error" for family in ("latency", "TTFT", "ITL") for q in PERCENTILES),
    *(f"{family}_{what}" for family in FAMILIES for what in ("mean", "n", *WITH_P90)),
)  # fmt: skip


class _AllRequests(Level):
    """The requests of several levels as those of one."""

    def __init__(self, levels: Sequence[Level]) -> None:
        names = dict.fromkeys(name for level in levels for name in level.columns)
        self.columns = {
            name: [cell for level in levels for cell in level.columns.get(name, [None] * level.count)] for name in names
        }
        self.count, self.facts = sum(level.count for level in levels), dict(levels[0].facts)
        self._attempt = levels[0].attempt


class _Together(Part):
    """All repeats as one part without a window, of the requests that count in each."""

    def __init__(self, parts: Sequence[Part], slo: Mapping[str, float]) -> None:
        level = _AllRequests([part.level for part in parts])
        level.facts |= {"window_start": None, "window_end": None}
        super().__init__(level, slo)
        self._counted = np.concatenate([part.chosen for part in parts])

    @cached_property
    def chosen(self) -> Flags:
        """The requests that count in their repeats."""
        return self._counted


def pooled_row(rows: Sequence[Row], levels: Sequence[Level], slo: Mapping[str, float], price: Price) -> dict[str, Cell]:
    """The row over the repeats of a level: `rows` are theirs, with verdicts."""
    parts = [Part(level, slo) for level in levels]
    whole = _Together(parts, slo)
    row: dict[str, Any] = {name: _common(rows, name) for name in rows[0] if not name.startswith("_")}
    row |= {name: COLUMNS[name](whole) for name in OF_ALL_REQUESTS}
    row |= {name: _all(rows, name, sum) for name in SUMS} | {name: _rate(rows, name) for name in RATES}
    row |= {name: max((value for value in _known(rows, name)), key=abs, default=math.nan) for name in WORST}
    row |= _answers(rows) | _silence(rows)
    row |= {"latency_effective_n": math.nan, "latency_longer": math.nan}
    for family in FAMILIES:
        for q in WITH_P90:
            low, high = _interval_of_times(parts, family, q, row[f"{family}_{q}"])
            row |= {f"{family}_{q}_low": low, f"{family}_{q}_high": high}
    for name in ("transactions_per_minute", "completion_token_throughput"):
        row[f"{name}_low"], row[f"{name}_high"] = _interval_of_rate(rows, name, row)
    row |= {name: function(row, price) for name, function in PRICES.items()}
    row |= {"load": str(rows[0]["load"]).rpartition("-repeat-")[0] or rows[0]["load"], "repeats": len(rows)}
    for name in SPREAD:
        row[f"{name}_repeat_min"] = _all(rows, name, min)
        row[f"{name}_repeat_max"] = _all(rows, name, max)
        row[f"{name}_repeat_std"] = _all(rows, name, lambda values: float(np.std(values, ddof=1)))
    return row


def _answers(rows: Sequence[Row]) -> dict[str, Cell]:
    """The worst verdict, and whether every repeat was sustainable and steady."""
    order, answers = ("valid", "degraded", "invalid"), [row["sustainable"] for row in rows]
    sustainable = next((answer for answer in ("no", "unknown", "yes") if answer in answers), None)
    if sustainable == "yes" and None in answers:
        sustainable = "unknown"
    steady = [row["steady"] for row in rows]
    return {
        "verdict": order[max(order.index(row["verdict"]) for row in rows)],
        "client_limited": any(row["client_limited"] for row in rows),
        "sustainable": sustainable,
        "sustainable_longer": _longer(rows, sustainable),
        "steady": None if None in steady else all(steady),
    }


def _longer(rows: Sequence[Row], sustainable: str | None) -> Cell:
    """How many times as long to measure, where it is not known: what the repeat that needs it most says."""
    longer = [row["sustainable_longer"] for row in rows if row["sustainable_longer"] is not None]
    if sustainable == "unknown":
        return max(longer, default=math.nan)
    return 1.0 if longer else math.nan


def _silence(rows: Sequence[Row]) -> dict[str, Cell]:
    """That of the repeat with the longest one."""
    longest = max(rows, key=lambda row: -1.0 if row["silence_max"] is None else row["silence_max"])
    return {name: longest[name] for name in ("silence_max", "silence_plausible")}


def _common(rows: Sequence[Row], name: str) -> Cell:
    values = {row[name] for row in rows}
    return values.pop() if len(values) == 1 else None


def _known(rows: Sequence[Row], name: str) -> list[float]:
    return [float(row[name]) for row in rows if row[name] is not None]


def _all(rows: Sequence[Row], name: str, of: Callable[[list[float]], float]) -> float:
    values = _known(rows, name)
    return of(values) if len(values) == len(rows) else math.nan


def _rate(rows: Sequence[Row], name: str) -> float:
    if len(_known(rows, name)) < len(rows) or len(_known(rows, "window_s")) < len(rows):
        return math.nan
    return sum(row[name] * row["window_s"] for row in rows) / sum(row["window_s"] for row in rows)


# -- intervals -------------------------------------------------------------------------------------------------------


def _interval_of_times(parts: Sequence[Part], family: str, q: str, pooled: float) -> tuple[float, float]:
    enough, figures = 0.0, []
    for part in parts:
        values = part.pooled(family)
        if part.grows or not values.size:
            return math.nan, math.nan
        one = part.interval(family, q)
        figures.append((float(np.quantile(values, WITH_P90[q])), one.low, one.high, float(values.size)))
        enough += 1 / one.longer
    return (
        _repeated(pooled, figures, 1 + 1 / (len(figures) - 1))
        if enough >= 1 and len(figures) > 1
        else (math.nan, math.nan)
    )


def _interval_of_rate(rows: Sequence[Row], name: str, pooled: Row) -> tuple[float, float]:
    known = [row for row in rows if row[name] is not None]
    if pooled["sustainable"] == "no" or math.isnan(pooled[name]) or not known:
        return math.nan, math.nan
    ends = [[math.nan if row[key] is None else row[key] for key in (f"{name}_low", f"{name}_high")] for row in known]
    return _repeated(
        pooled[name], [(row[name], *end, row["window_s"] or 0.0) for row, end in zip(known, ends, strict=True)]
    )


def _repeated(value: float, figures: Sequence[Figure], upward: float = 1.0) -> tuple[float, float]:
    if len(figures) < 2:
        return math.nan, math.nan
    values = np.array([figure[0] for figure in figures])
    share = student(len(values) - 1) / math.sqrt(len(values))
    if value > 0 and (values > 0).all():
        logs = np.log(values)
        middle, factor = math.exp(float(logs.mean())), math.exp(share * float(np.std(logs, ddof=1)))
        low, high = min(value, middle) / factor, max(value, middle) * factor**upward
    else:
        half = share * float(np.std(values, ddof=1))
        low, high = max(0.0, value - half), value + half
    below = _within(np.array([(weight, of - end) for of, end, _, weight in figures]))
    above = _within(np.array([(weight, end - of) for of, _, end, weight in figures]))
    return min(low, value - below), max(high, value + above)


def _within(reaches: Floats) -> float:
    """How far the weighted mean reaches by chance within the repeats alone."""
    known = reaches[~np.isnan(reaches[:, 1])]
    weights = known[:, 0]
    return math.sqrt(float(np.sum((weights * known[:, 1]) ** 2))) / float(weights.sum()) if weights.sum() > 0 else 0.0
