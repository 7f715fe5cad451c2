"""Numbers, levels, budgets and calibrations in words, the same for the command line, the report and summary.json."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from fmbench_lib.config.budget_measures import BY_COLUMN
from fmbench_lib.config.repeat_names import split_repeat
from fmbench_lib.metrics.decision.budgets import Budgets, Limit, Outcome, unit_of
from fmbench_lib.metrics.imported_level import UNKNOWN_LOAD
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
    """The load of a level: `concurrency 4` or `0.5 requests/s`; of one of its repeats `concurrency 4 (repeat 2)`, of
    all of them together `concurrency 4 (3 repeats)`, of a level measured again `concurrency 4 (attempt 2)`; of an
    imported one as its tool called it, such as `load all-at-once`, or `an unknown load`."""
    concurrency, rate = number(row, "concurrency"), number(row, "request_rate")
    name, repeat = split_repeat(str(row.get("load") or ""))
    together, attempt = number(row, "repeats") or 1, number(row, "attempt") or 1
    again = f" (repeat {repeat})" if repeat > 1 else f" ({together:.0f} repeats)" if together > 1 else ""
    again += f" (attempt {attempt:.0f})" if attempt > 1 else ""
    if rate is not None:
        return f"{figure(rate)} requests/s{again}"
    if concurrency is not None:
        return f"concurrency {concurrency:.0f}{again}"
    return f"{'an unknown load' if name in ('', UNKNOWN_LOAD) else f'load {name}'}{again}"


def level_label(row: Row) -> str:
    """`experiment on instance at load`."""
    instance, count = text(row, "instance_type") or "an unnamed instance", number(row, "instance_count")
    copies = f"{count:.0f} × " if count is not None and count != 1 else ""
    return f"{row.get('experiment_name')} on {copies}{instance} at {load_label(row)}"


def budgets_text(budgets: Budgets) -> str:
    """The budgets that are set, as one phrase; empty if none is."""
    return ", ".join(map(limit_text, budgets.limits))


def together(names: Sequence[str], most: int = 4) -> str:
    """Names joined by `and`; of more than `most` the first of them, and how many others there are."""
    if len(names) <= most:
        return " and ".join(names)
    shown = names[: most - 1]
    return f"{', '.join(shown)} and {len(names) - len(shown)} others"


def limit_text(limit: Limit) -> str:
    """One limit: `TTFT p95 ≤ 0.5 s`."""
    if limit.unit == "cost":
        return f"≤ {usd(limit.budget)} per {BY_COLUMN[limit.column].per}"
    if limit.column == "slo_attainment":
        return f"{in_unit(limit.column, limit.budget)} of requests within their objectives"
    latitude = f" (+{100 * limit.latitude:.3g}%)" if limit.latitude else ""
    return f"{limit.name} {'≥' if limit.at_least else '≤'} {in_unit(limit.column, limit.budget)}{latitude}"


def in_unit(column: str, value: float) -> str:
    """The value of a column that can have a budget, with its unit: `0.5 s`, `5%`, `12.00 USD`."""
    unit = unit_of(column)
    if unit == "cost":
        return usd(value)
    if unit == "score":
        return figure(value)
    if unit in ("rate", "energy"):
        return f"{figure(value)} {BY_COLUMN[column].unit}"
    return f"{figure(100 * value)}%" if unit == "share" else f"{figure(value)} s"


def told_value(row: Row, column: str) -> str:
    """A figure of a level that has a budget, with its unit, and with its interval where it is a time that has one."""
    value = number(row, column)
    if unit_of(column) == "time":
        return percentile_text(row, column)
    return "unknown" if value is None else in_unit(column, value)


def standing_text(outcome: Outcome) -> str:
    """How a level stands to a budget: `surely met`, `probably missed`, `undecided`; `met` or `missed` where there is no
    interval that could tell; `unknown` without the figure."""
    if outcome.value is None:
        return "unknown"
    if outcome.certainty == "not known":
        return "undecided"
    side = "met" if outcome.met else "missed"
    return side if outcome.certainty is None else f"{outcome.certainty} {side}"


def quality_text(row: Row, column: str) -> str:
    """How good the answers are, with how much that rests on: `91% (n = 100, 95% CI 84% to 95%)`."""
    value, count = number(row, column), number(row, f"{column}_n")
    low, high = number(row, f"{column}_low"), number(row, f"{column}_high")
    if value is None:
        return "unknown"
    known = [] if count is None else [f"n = {count:.0f}"]
    known += [] if low is None or high is None else [f"95% CI {in_unit(column, low)} to {in_unit(column, high)}"]
    return f"{in_unit(column, value)} ({', '.join(known) or 'how many questions is not known'})"


def time_text(row: Row, column: str) -> str:
    """A time of a level: `1.9 s`, or `≈ 1.9 s` for a percentile without a confidence interval."""
    value, low = number(row, column), number(row, f"{column}_low")
    if value is None:
        return "unknown"
    return f"{figure(value)} s" if low is not None or column.endswith("_mean") else f"≈ {figure(value)} s"


def percentile_text(row: Row, column: str) -> str:
    """A time of a level with its 95% interval: `1.9 s (95% CI 1.8 to 2.1 s)`; `≈ 1.9 s` and why, without one."""
    low, high = number(row, f"{column}_low"), number(row, f"{column}_high")
    family, _, statistic = column.rpartition("_")
    if low is not None and high is not None:
        return f"{time_text(row, column)} (95% CI {figure(low)} to {figure(high)} s)"
    if statistic == "mean" or number(row, column) is None:
        return time_text(row, column)
    n = number(row, f"{family}_n")
    why = f"n = {n:.0f}, too few for a confidence interval" if n is not None else "no confidence interval"
    return f"{time_text(row, column)} ({why})"


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
