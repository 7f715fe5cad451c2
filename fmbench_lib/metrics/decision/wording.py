"""Decisions, levels and calibrations in words, the same for the command line, the report and summary.json."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from fmbench_lib.metrics.decision.budgets import Budgets, Judgement, Outcome
from fmbench_lib.metrics.missing import Row, number, text


def figure(value: float, digits: int = 3) -> str:
    """A number to `digits` significant digits, without an exponent: 1.83, 79, 12,345, 0.00000131."""
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    decimals = max(0, digits - 1 - math.floor(math.log10(abs(value))))
    written = f"{value:,.{decimals}f}"
    return written.rstrip("0").rstrip(".") if "." in written else written


def usd(value: float) -> str:
    """An amount in USD, to the cent, or to three significant digits below 0.10 USD."""
    return f"{value:,.2f} USD" if value >= 0.1 or value == 0 else f"{figure(value)} USD"


def load_label(row: Row) -> str:
    """The load of a level: `concurrency 4` or `0.5 requests/s`."""
    concurrency, rate = number(row, "concurrency"), number(row, "request_rate")
    if rate is not None:
        return f"{figure(rate)} requests/s"
    return f"concurrency {concurrency:.0f}" if concurrency is not None else str(row.get("load") or "an unknown load")


def level_label(row: Row) -> str:
    """`experiment on instance at load`."""
    instance, count = text(row, "instance_type") or "an unnamed instance", number(row, "instance_count")
    copies = f"{count:.0f} × " if count is not None and count != 1 else ""
    return f"{row.get('experiment_name')} on {copies}{instance} at {load_label(row)}"


def budgets_text(budgets: Budgets) -> str:
    """The budgets that are set, as one phrase; empty if none is."""
    parts = []
    if budgets.latency_budget is not None:
        latitude = f" (+{100 * budgets.latency_latitude:.3g}%)" if budgets.latency_latitude else ""
        parts.append(f"latency p95 ≤ {figure(budgets.latency_budget)} s{latitude}")
    if budgets.error_rate_budget is not None:
        parts.append(f"error rate ≤ {figure(100 * budgets.error_rate_budget)}%")
    if budgets.slo_attainment_budget is not None:
        parts.append(f"{figure(100 * budgets.slo_attainment_budget)}% of requests within their objectives")
    if budgets.cost_per_10k_txn_budget is not None:
        parts.append(f"≤ {usd(budgets.cost_per_10k_txn_budget)} per 10,000 transactions")
    return ", ".join(parts)


def decision_text(
    scope: str | None,
    budgets: Budgets,
    judgements: Sequence[Judgement],
    best: Judgement | None,
    near: Judgement | None,
    ranked_by: str | None,
) -> str:
    """The decision in one sentence, with its figures and with what makes them uncertain.

    `scope` names what the levels have in common: their payload file, and the instance type if they share it.
    """
    if scope is None or not judgements:
        return "Nothing can be decided: no level was measured."
    limits = budgets_text(budgets)
    if best is not None:
        return _winner_text(scope, limits, judgements, best, ranked_by)
    assert near is not None
    count, unusable = len(judgements), sum(judgement.invalid for judgement in judgements)
    if unusable == count:
        why = f"No level of {scope} can be relied on: {_all(count)} invalid"
        return f"{why}; {level_label(near.row)} comes nearest, with {_figures(near)}."
    left_out = f", {unusable} more invalid" if unusable else ""
    missed = ", and ".join(_missed_text(outcome, near.row) for outcome in near.missed)
    return (
        f"No level of {scope} meets every budget ({limits}; {count - unusable} judged{left_out}): "
        f"nearest comes {level_label(near.row)}, {missed}{_caveats(near)}."
    )


def _winner_text(
    scope: str, limits: str, judgements: Sequence[Judgement], best: Judgement, ranked_by: str | None
) -> str:
    passed = [judgement for judgement in judgements if judgement.passed]
    what = "is the cheapest" if ranked_by == "price" else "completes the most transactions per minute"
    unpriced = sum(number(judgement.row, "price_per_txn") is None for judgement in passed)
    if len(passed) == 1:
        what = "is the only one"
    of = f"of {len(judgements)} level{'s' if len(judgements) != 1 else ''}"
    those = f"{of} that meets every budget" if len(passed) == 1 else f"of {len(passed)} levels that meet every budget"
    if not limits:
        those = f"{of} (no budget was set)"
    note = ""
    if ranked_by == "throughput":
        note = f"; nothing can be said about cost ({text(best.row, 'price_note') or 'no price'})"
    elif unpriced:
        note = f"; {unpriced} more {'has' if unpriced == 1 else 'have'} no price to compare"
    budget = f" ({limits})" if limits else ""
    claim = f"{level_label(best.row)} {what} {those}{budget} for {scope}"
    return f"{claim}: {_figures(best)}{note}{_caveats(best)}."


def _figures(judgement: Judgement) -> str:
    """p95, throughput and price of a level, those that are known."""
    parts = []
    if (p95 := number(judgement.row, "latency_p95")) is not None:
        parts.append(f"latency p95 {figure(p95)} s{_interval(judgement.row)}")
    if (rate := number(judgement.row, "transactions_per_minute")) is not None:
        parts.append(f"{figure(rate)} transactions/minute")
    if (price := number(judgement.row, "price_per_10k_txn")) is not None:
        parts.append(f"{usd(price)} per 10,000 transactions")
    return ", ".join(parts) or "no figures"


def _interval(row: Row) -> str:
    low, high, n = number(row, "latency_p95_low"), number(row, "latency_p95_high"), number(row, "latency_n")
    if low is not None and high is not None:
        return f" (95% CI {figure(low)} to {figure(high)} s)"
    return f" (n = {n:.0f}, too few for a confidence interval)" if n is not None else " (no confidence interval)"


def _missed_text(outcome: Outcome, row: Row) -> str:
    if outcome.value is None:
        reason = text(row, "price_note") if outcome.column == "price_per_10k_txn" else None
        return f"whose {outcome.name} is unknown" + (f" ({reason})" if reason else "")
    if outcome.column == "error_rate":
        value, over = f"{figure(100 * outcome.value)}%", f"{figure(100 * outcome.over)} percentage points"
    elif outcome.column == "latency_p95":
        value, over = f"{figure(outcome.value)} s{_interval(row)}", f"{figure(outcome.over)} s"
    elif outcome.column == "slo_attainment":
        short = f"{figure(100 * outcome.over)} percentage points"
        return f"whose {outcome.name} of {figure(100 * outcome.value)}% is {short} short"
    else:
        value, over = usd(outcome.value), usd(outcome.over)
    share = f" ({outcome.excess:.0%})" if outcome.column != "error_rate" and math.isfinite(outcome.excess) else ""
    return f"whose {outcome.name} of {value} is {over}{share} over"


def _caveats(judgement: Judgement) -> str:
    """What a reader must know before acting on the figures; a missing interval is named beside the p95."""
    notes = []
    for outcome in judgement.outcomes:
        interval = number(judgement.row, "latency_p95_low") is not None
        if outcome.doubtful and interval:
            side = "within" if outcome.met else "above"
            notes.append(f"it is uncertain that its p95 is {side} the budget, which lies inside the interval")
    if text(judgement.row, "verdict") == "degraded":
        notes.append("its measurement is degraded")
    if text(judgement.row, "price_kind") and not judgement.row.get("price_verified"):
        notes.append("its price is unverified")
    return f"; {' and '.join(notes)}" if notes else ""


def _all(count: int) -> str:
    return "the only one is" if count == 1 else f"all {count} are"


def reach_sentence(within: Mapping[str, Mapping[str, float | None]]) -> str:
    """How exactly TTFT is measured and up to which load, from the `within` of a calibration."""
    parts = []
    for limit, reach in within.items():
        shown = limit.replace("_", " ")
        streams, rate = reach["streams"], reach["events_per_second"]
        known = [] if streams is None else [f"{streams:,.0f} streams"]
        known += [] if rate is None else [f"{rate:,.0f} content events per second"]
        parts.append(f"up to {' and '.join(known)} within {shown}" if known else f"at no load within {shown}")
    return f"This machine measures TTFT {', '.join(parts)} (p99 of the error)."
