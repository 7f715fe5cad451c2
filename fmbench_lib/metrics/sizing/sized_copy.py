"""What an experiment brings to the sizing: the curve of one copy, its price, and which of its levels were not used."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from fmbench_lib.metrics.comparison.compared_level import ComparedLevel
from fmbench_lib.metrics.decision.wording import load_label
from fmbench_lib.metrics.missing import Row, number, text
from fmbench_lib.metrics.sizing.copy_curve import PROBABILITIES, CopyCurve, CurvePoint, Times
from fmbench_lib.metrics.sizing.open_loop_rates import RateCurve, RatePoint
from fmbench_lib.metrics.sizing.sizing_question import SizingQuestion, TimeLimit
from fmbench_lib.metrics.statistics.arrays import Floats
from fmbench_lib.metrics.token_rates import token_rates

UNEQUAL_TOKENS = 0.25
"""By how much a level's tokens may differ from those asked for."""
_IN_FLIGHT_AS_ASKED = 0.05
_EVEN_ARRIVALS = ("constant", "trace")


@dataclass(frozen=True, slots=True)
class SizedCopy:
    """One copy of an experiment: what was measured, whole, with all its machines.

    `machines`: of `instance_type`, in a copy; 0 where tokens are paid · `hourly`: USD for an hour of a copy, None where
    unknown or paid by the token · `per_request`: USD for a request where tokens are paid · `curve`, `rates`: its closed
    and open loops, None without any that may be used · `served`: the greatest rate of a level within the limits,
    requests per second, and `served_p95` its times by family (s) · `variation`: squared coefficient of variation of its
    services, 1 where unknown · `notes`: what a reader must know of the levels used · `unused`: which were not, and why.
    """

    run: str
    name: str
    payload_file: str
    instance_type: str | None
    machines: int
    hourly: float | None
    per_request: float | None
    tokens_in: float | None
    tokens_out: float | None
    curve: CopyCurve | None
    rates: RateCurve | None
    served: float | None
    served_p95: Mapping[str, float | None] = field(default_factory=dict)
    variation: float = 1.0
    notes: tuple[str, ...] = field(default=())
    unused: tuple[str, ...] = field(default=())

    @property
    def by_token(self) -> bool:
        """Whether tokens are paid, so that there are no machines to count."""
        return self.per_request is not None

    @property
    def tokens(self) -> float | None:
        """Tokens of a request, in and out."""
        return None if self.tokens_in is None or self.tokens_out is None else self.tokens_in + self.tokens_out


def sized_copy(levels: Sequence[ComparedLevel], question: SizingQuestion) -> SizedCopy:
    """The copy that levels of one experiment and payload file tell of."""
    refused = {id(level): why for level in levels if (why := _why_unused(level.row, question))}
    used = [level for level in levels if id(level) not in refused]
    families = [limit.family for limit in question.limits]
    closed = [point for level in used if (point := _curve_point(level, families)) is not None]
    opened = [found for level in used if (found := _rate_point(level.row, families)) is not None]
    first, priced = levels[0].row, next((one.row for one in used if number(one.row, "price_per_txn") is not None), {})
    best = _most_served([level.row for level in used], question)
    by_token = text(priced, "price_kind") == "token"
    return SizedCopy(
        run=levels[0].run,
        name=str(first["experiment_name"]),
        payload_file=str(first["payload_file"]),
        instance_type=text(first, "instance_type"),
        machines=0 if by_token else round(number(first, "instance_count") or 1),
        hourly=None if by_token or not priced else token_rates(priced)["cost_per_hour"],
        per_request=number(priced, "price_per_txn") if by_token else None,
        tokens_in=_mean([one.row for one in used], "prompt_token_count_mean"),
        tokens_out=_mean([one.row for one in used], "completion_token_count_mean"),
        curve=CopyCurve.of(closed) if closed else None,
        rates=RateCurve.of(opened) if opened else None,
        served=None if best is None else number(best, "transactions_per_second"),
        served_p95={} if best is None else {family: number(best, f"{family}_p95") for family in families},
        variation=_variation(used),
        notes=tuple(_notes(used)),
        unused=tuple(f"{load_label(level.row)}: {refused[id(level)]}" for level in levels if id(level) in refused),
    )


def _most_served(rows: Sequence[Row], question: SizingQuestion) -> Row | None:
    """The level with the greatest rate among those within all limits."""
    within = [row for row in rows if all(_is_within(row, limit) for limit in question.limits)]
    return max(within, key=lambda row: number(row, "transactions_per_second") or 0.0, default=None)


def _is_within(row: Row, limit: TimeLimit) -> bool:
    value = number(row, f"{limit.family}_p95")
    return value is not None and value <= limit.limit


def _why_unused(row: Row, question: SizingQuestion) -> str:
    """Why a level tells nothing of a fleet; empty where it does."""
    if text(row, "verdict") == "invalid":
        return "invalid"
    if text(row, "sustainable") == "no":
        return "its queue grew"
    if text(row, "sustainable") == "unknown":
        return "too short to tell whether its queue grew"
    errors = number(row, "error_rate")
    if errors is None or errors > question.error_rate:
        return "how many failed is not known" if errors is None else f"{100 * errors:.3g}% of its requests failed"
    if number(row, "request_rate") is not None and text(row, "arrival") in _EVEN_ARRIVALS:
        return f"its arrivals were not random ({text(row, 'arrival')})"
    if not number(row, "transactions_per_second"):
        return "its throughput is not known"
    missing = [one.family for one in question.limits if number(row, f"{one.family}_p95") is None]
    if missing:
        return f"{missing[0]} is not known"
    return _other_tokens(row, question)


def _other_tokens(row: Row, question: SizingQuestion) -> str:
    """Which tokens its requests have, where they are not those asked for."""
    for wanted, kind, word in ((question.tokens_in, "prompt", "in"), (question.tokens_out, "completion", "out")):
        found = number(row, f"{kind}_token_count_mean")
        if wanted is None:
            continue
        if found is None or abs(found - wanted) > UNEQUAL_TOKENS * wanted:
            measured = "an unknown number of" if found is None else f"{found:.4g}"
            return f"measured with {measured} tokens {word}, not {wanted:.4g}"
    return ""


def _curve_point(level: ComparedLevel, families: Sequence[str]) -> CurvePoint | None:
    row = level.row
    asked, rate = number(row, "concurrency"), number(row, "transactions_per_second")
    if asked is None or rate is None or number(row, "request_rate") is not None:
        return None
    flying = number(row, "mean_in_flight")
    there = flying if flying is not None and abs(flying - asked) > _IN_FLIGHT_AS_ASKED * asked else asked
    low, high = (number(row, f"transactions_per_minute_{end}") for end in ("low", "high"))
    return CurvePoint(
        in_flight=there,
        rate=rate,
        rate_low=rate if low is None or low <= 0 else low / 60,
        rate_high=rate if high is None else high / 60,
        times={family: _times(level, family) for family in families},
    )


def _times(level: ComparedLevel, family: str) -> Times:
    """The quantiles of a family, from the requests, else from the percentiles that are known."""
    value, low, high = (number(level.row, f"{family}_p95{end}") for end in ("", "_low", "_high"))
    assert value is not None  # else the level is not used
    series = level.series.get(family, ())
    values = np.concatenate(series) if series else np.array([])
    values = values[np.isfinite(values)]
    quantiles = np.quantile(values, PROBABILITIES) if values.size else _of_percentiles(level.row, family)
    return Times(quantiles, (high or value) / value, (low or value) / value)


def _of_percentiles(row: Row, family: str) -> Floats:
    """Quantiles through p50, p95 and p99, as far as they are known, and beyond them the last."""
    known = {q: number(row, f"{family}_p{100 * q:.0f}") for q in (0.5, 0.95, 0.99)}
    there = {q: value for q, value in known.items() if value is not None}
    result: Floats = np.interp(PROBABILITIES, list(there), list(there.values()))
    return result


def _rate_point(row: Row, families: Sequence[str]) -> RatePoint | None:
    rate = number(row, "request_rate")
    if rate is None:
        return None
    p95 = {}
    for family in families:
        value, high = number(row, f"{family}_p95"), number(row, f"{family}_p95_high")
        assert value is not None  # else the level is not used
        p95[family] = (value, value if high is None else high)
    return RatePoint(rate, p95)


def _variation(used: Sequence[ComparedLevel]) -> float:
    """The squared coefficient of variation of the latencies with the fewest requests in flight; 1 where they are
    unknown.
    """
    alone = min(used, key=lambda level: number(level.row, "mean_in_flight") or np.inf, default=None)
    series = alone.series.get("latency", ()) if alone is not None else ()
    values = np.concatenate(series) if series else np.array([])
    values = values[np.isfinite(values)]
    return float(values.var() / values.mean() ** 2) if values.size > 1 else 1.0


def _mean(rows: Sequence[Mapping[str, Any]], name: str) -> float | None:
    known = [value for row in rows if (value := number(row, name)) is not None]
    return float(np.mean(known)) if known else None


def _notes(used: Sequence[ComparedLevel]) -> list[str]:
    degraded = [load_label(one.row) for one in used if text(one.row, "verdict") == "degraded"]
    summaries = [load_label(one.row) for one in used if one.summary_only]
    refused = [load_label(one.row) for one in used if text(one.row, "search_objection")]
    unsure = [load_label(one.row) for one in used if number(one.row, "latency_p95_high") is None]
    return [
        f"{what}: {', '.join(names)}"
        for what, names in (
            ("degraded", degraded),
            ("refused by a search, whose objectives are others", refused),
            ("known by percentiles alone", summaries),
            ("p95 without an interval, so without a margin for chance", unsure),
        )
        if names
    ]
