"""The titles of pictures: what each shows, in a sentence that its intervals and tests bear out."""

from __future__ import annotations

import math
from dataclasses import dataclass

import pandas as pd

from fmbench_lib.metrics.decision.brief import brief_of
from fmbench_lib.metrics.decision.decision import Decision
from fmbench_lib.metrics.decision.ranking import unit_cost
from fmbench_lib.metrics.decision.sentence import cost_text
from fmbench_lib.metrics.decision.wording import load_label, together
from fmbench_lib.metrics.groups.counts import errors_by_class
from fmbench_lib.metrics.missing import Row, number
from fmbench_lib.metrics.statistics.trend import mann_kendall
from fmbench_lib.report.figures.style import short_name
from fmbench_lib.report.level_order import Rows, counted, dataset_name, in_order, is_rate, load_order, names_in
from fmbench_lib.report.numbers import percent, plain, seconds, several, significant

_MOST = {"throughput": "fastest", "output_token_throughput": "fastest", "price_per_output_token": "cheapest per token"}
SHOWN = 0.05
"""The p-value below which a trend is said."""
_LONGEST = 30
_MOST_TESTED = 400
"""Requests of a level that are tested for a trend: more make it slow and no surer."""


def price_finding(decision: Decision) -> str:
    """Who wins and by how much, as surely as the decision itself says it."""
    winner, row = decision.winner, decision.winner or decision.nearest
    if row is None:
        return "No level was measured"
    name = f"{_name(row)} at {load_label(row)}"
    if winner is None or decision.ranked_by is None:
        return f"No level meets every budget; {name} comes nearest"
    by, figure = decision.ranked_by, cost_text(winner, decision.ranked_by)
    if len(decision.judgements) == 1:
        return f"{_name(winner)}: {figure} at {load_label(winner)}"
    if decision.tied:
        names = together([_name(winner), *map(_name, decision.tied)], most=3)
        return f"{names} cannot be told apart: {figure}"
    verb = "is" if brief_of(decision.to_dict()).tone == "good" else "seems"
    what = _MOST.get(by, "cheapest")
    first = f"{_name(winner)} {verb} {what}: {figure} at {load_label(winner)}"
    return first if decision.runner_up is None else f"{first}; {_behind(decision.runner_up, winner, decision)}"


def _behind(runner_up: Row, winner: Row, decision: Decision) -> str:
    assert decision.ranked_by is not None
    ours, theirs = unit_cost(winner, decision.ranked_by), unit_cost(runner_up, decision.ranked_by)
    name = _name(runner_up)
    if not (math.isfinite(ours) and math.isfinite(theirs) and ours > 0):
        return f"{name} comes next"
    more = f"{significant(theirs / ours, 2)}×" if theirs > 2 * ours else f"{theirs / ours - 1:.0%} more"
    fewer = f"{1 - ours / theirs:.0%} less"
    return f"{name} {f'costs {more}' if decision.ranked_by.startswith('price') else fewer}"


@dataclass(frozen=True, slots=True)
class _Best:
    """The level of an experiment with most transactions within the latency budget, and the interval of those."""

    row: Row
    rate: float
    low: float | None
    high: float | None


def latency_finding(levels: Rows, budget: float | None) -> str:
    """Which experiment serves most within the latency budget, else how p95 changes with the load."""
    if budget is None:
        return growth_finding(levels, "latency")
    best = sorted(_best_within(levels, budget), key=lambda each: -each.rate)
    names = names_in(levels)
    sure = all(number(each.row, "latency_p95_low") is not None for each in best)
    within = f"within {plain(budget)} s"
    if not best:
        return f"No level keeps latency p95 {within}"
    first = best[0]
    name, told = _name(first.row), f"{significant(first.rate / 60)} requests/s"
    if len(best) < 2:
        alone = f"Only {name}" if len(names) > 1 else name
        keeps = "keeps" if sure else "seems to keep"
        return f"{alone} {keeps} latency p95 {within}: {told} at {load_label(first.row)}"
    second = best[1]
    if first.low is not None and second.high is not None and first.low > second.high:
        times = significant(first.rate / second.rate, 2)
        serves = "serves" if sure else "seems to serve"
        return f"{name} {serves} {times}× the requests of {_name(second.row)} {within}"
    both = f"{name} {told}, {_name(second.row)} {significant(second.rate / 60)}"
    known = first.low is not None and second.high is not None
    doubt = "the difference is not certain" if known else "too few requests for intervals"
    return f"With latency p95 {within}: {both}; {doubt}"


def _best_within(levels: Rows, budget: float) -> list[_Best]:
    found = []
    for name in names_in(levels):
        kept = [row for row in levels if row["experiment_name"] == name and _keeps(row, budget)]
        rates = [(rate, row) for row in kept if (rate := number(row, "transactions_per_minute")) is not None]
        if rates:
            rate, row = max(rates, key=lambda each: each[0])
            ends = (number(row, f"transactions_per_minute_{end}") for end in ("low", "high"))
            found.append(_Best(row, rate, *ends))
    return found


def _keeps(row: Row, budget: float) -> bool:
    """Whether p95 is within the budget; the upper end of its interval where it has one."""
    ends = [number(row, "latency_p95"), number(row, "latency_p95_high")]
    known = [end for end in ends if end is not None]
    return bool(known) and max(known) <= budget and row.get("verdict") != "invalid"


def spread_finding(levels: Rows, family: str) -> str:
    """The least and the greatest p95 of a time among experiments at the highest load that all of them have; of a single
    experiment how it changes with the load."""
    known = [row for row in levels if number(row, f"{family}_p95") is not None and row.get("verdict") != "invalid"]
    names = names_in(known)
    loads = [{load_order(row) for row in known if row["experiment_name"] == name} for name in names]
    shared = set.intersection(*loads) if loads else set()
    if len(names) < 2 or not shared:
        return growth_finding(levels, family)
    highest = max(shared)
    rows = [row for row in known if load_order(row) == highest]
    ordered = sorted(rows, key=lambda row: float(row[f"{family}_p95"]))
    least, most = (f"{seconds(row[f'{family}_p95'])} ({_name(row)})" for row in (ordered[0], ordered[-1]))
    return f"{family} p95 at {load_label(ordered[0])}: from {least} to {most}"


def growth_finding(levels: Rows, family: str) -> str:
    """How p95 of a time changes from the lowest load to the highest, of the experiment where it changes most."""
    pairs = []
    for name in names_in(levels):
        own = [row for row in levels if row["experiment_name"] == name and number(row, f"{family}_p95")]
        alike = [row for row in own if is_rate(row) == is_rate(own[0])]
        if alike:
            least, most = alike[0], alike[-1]
            pairs.append((float(most[f"{family}_p95"]) / float(least[f"{family}_p95"]), least, most))
    if not pairs:
        return f"No level has a {family}"
    _, lowest, highest = max(pairs, key=lambda pair: pair[0])
    what = f"{family} p95 of {_name(lowest)}"
    first = f"{seconds(lowest[f'{family}_p95'])} at {load_label(lowest)}"
    if lowest is highest:
        return f"{what}: {first}"
    last = f"{seconds(highest[f'{family}_p95'])} at {load_label(highest)}"
    return f"{what} grows from {first} to {last}" if _above(highest, lowest, family) else f"{what}: {first}, {last}"


def _above(high: Row, low: Row, family: str) -> bool:
    """Whether the intervals of p95 show that one level's is greater."""
    least, most = number(high, f"{family}_p95_low"), number(low, f"{family}_p95_high")
    return least is not None and most is not None and least > most


def lengths_finding(requests: pd.DataFrame) -> str:
    """Whether latency rises with the length of the prompt, by a rank test at each level, corrected for their number."""
    known = counted(requests).dropna(subset=["latency", "prompt_token_count"])
    keys = ["experiment_name", "payload_file", "load"]
    tested = [_length_trend(part) for _, part in known.groupby(keys, sort=False) if len(part) >= 10]
    if not tested:
        return "Too few requests to tell whether longer prompts take longer"
    rising = sum(p * len(tested) < SHOWN and slope > 0 for p, slope in tested)
    if not rising:
        return f"No level shows that longer prompts take longer ({several(len(tested), 'level')} tested)"
    if len(tested) == 1:
        return "Longer prompts take longer"
    which = f"all {len(tested)}" if rising == len(tested) else f"{rising} of {len(tested)}"
    return f"Longer prompts take longer at {which} levels"


def _length_trend(part: pd.DataFrame) -> tuple[float, float]:
    """The p-value of no trend of latency over prompt length, and the sign of the trend."""
    part = part.head(_MOST_TESTED) if len(part) > _MOST_TESTED else part
    if part["prompt_token_count"].nunique() < 2:
        return 1.0, 0.0
    ordered = part.sort_values("prompt_token_count", kind="stable")["latency"].to_numpy(float)
    half = len(ordered) // 2
    return mann_kendall(ordered), float(ordered[half:].mean() - ordered[:half].mean())


def tail_finding(levels: Rows) -> str:
    """How far p95 lies above the median, over all levels."""
    ratios = [
        p95 / p50
        for row in levels
        if (p50 := number(row, "latency_p50")) and (p95 := number(row, "latency_p95")) is not None
    ]
    if not ratios:
        return "Distribution of latency"
    low, high = significant(min(ratios), 2), significant(max(ratios), 2)
    spread = f"{low} times" if low == high else f"{low} to {high} times"
    return f"Latency p95 is {spread} the median of its level"


def drift_finding(levels: Rows) -> str:
    """At how many levels latency drifted over the window, by the test that the verdict uses, corrected for their
    number: of twenty steady levels one would seem to drift."""
    known = [row for row in levels if number(row, "latency_drift_p") is not None]
    if not known:
        return "Too few requests to tell whether latency drifted"
    drifted = [row for row in known if float(row["latency_drift_p"]) * len(known) < SHOWN]
    if not drifted:
        return f"No sign of latency drift at {several(len(known), 'level')}"
    most = max(drifted, key=lambda row: abs(number(row, "latency_drift") or 0))
    change = number(most, "latency_drift") or 0
    way = f"{'rose' if change > 0 else 'fell'} by {abs(change):.0%}"
    where = f"{_name(most)}, {dataset_name(str(most['payload_file']))}, {load_label(most)}"
    if len(known) == 1:
        return f"Latency {way} at {where}"
    return f"Latency drifted at {len(drifted)} of {len(known)} levels; most at {where}: it {way}"


def errors_finding(failing: Rows, levels: int) -> str:
    """How many levels had errors, and the one with the highest rate with its commonest class."""
    most = max(in_order(failing), key=lambda row: number(row, "error_rate") or 0)
    classes = errors_by_class(most)
    commonest = max(classes, key=lambda name: classes[name]) if classes else "errors"
    worst = f"{percent(most['error_rate'])} of requests at {_name(most)}, {load_label(most)}"
    return f"{len(failing)} of {several(levels, 'level')} had errors: up to {worst}, mainly {commonest}"


def _name(row: Row) -> str:
    return short_name(str(row["experiment_name"]), _LONGEST)
