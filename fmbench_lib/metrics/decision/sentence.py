"""The decision in words: who wins or ties, by what, what was left out, and what makes it uncertain."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from fmbench_lib.metrics.decision.budgets import Budgets, Judgement, Outcome, is_quality, unit_of
from fmbench_lib.metrics.decision.quality_words import left_out_by_quality, quality_met, quality_missed
from fmbench_lib.metrics.decision.ranking import (
    COMPARED,
    NOISE,
    RankedBy,
    Ranking,
    by_cost,
    cost_interval,
    instances,
    unit_cost,
    within_noise_share,
)
from fmbench_lib.metrics.decision.transaction_size import generates_nothing
from fmbench_lib.metrics.decision.unequal_work import unequal_work_text
from fmbench_lib.metrics.decision.wording import (
    budgets_text,
    figure,
    in_unit,
    level_label,
    percentile_text,
    together,
    told_value,
    usd,
)
from fmbench_lib.metrics.finding import in_times
from fmbench_lib.metrics.missing import Row, number, text

_MOST_TIED = 4
_ALWAYS_TOLD = ("latency_p95", "error_rate", "slo_attainment", "transactions_per_minute", "price_per_10k_txn")
"""Figures that have a place of their own in the sentence, or are told only where they miss their budget."""

BEST: dict[RankedBy, str] = {
    "price": "the cheapest",
    "price_per_output_token": "the cheapest per output token",
    "price_per_token": "the cheapest per token of prompt and output",
    "throughput": "the one with the most transactions per minute",
    "output_token_throughput": "the one with the most output tokens per minute",
    "token_throughput": "the one with the most tokens of prompt and output per minute",
}


def best_words(by: RankedBy, rows: Iterable[Row]) -> str:
    """What the first of these levels is: `the cheapest`; rates are those of an instance where some have several."""
    several = not by.startswith("price") and any(instances(row) != 1 for row in rows)
    return f"{BEST[by]} per instance" if several else BEST[by]


def decision_text(
    scope: str | None,
    budgets: Budgets,
    judgements: Sequence[Judgement],
    ranking: Ranking | None,
    near: Judgement | None,
) -> str:
    """The decision with its figures and with what makes them uncertain.

    `scope` names what the levels have in common: their payload file, and the instance type if they share it. `ranking`
    is that of the levels that pass; without any, `near` comes nearest.
    """
    if scope is None or not judgements:
        return "Nothing can be decided: no level was measured."
    limits = budgets_text(budgets)
    if ranking is not None:
        return _winner_text(scope, limits, judgements, ranking)
    assert near is not None
    count, unusable = len(judgements), sum(judgement.invalid for judgement in judgements)
    if unusable == count:
        why = f"No level of {scope} can be relied on: {_all(count)} invalid"
        return f"{why}; {level_label(near.row)} comes nearest, with {_figures(near)}."
    judged = f"{count - unusable} judged" + (f", {unusable} more invalid" if unusable else "")
    misses = [missed_text(outcome, near.row) for outcome in near.missed]
    misses += [f"whose {why_left_out(near)}"] if near.set_aside else []
    return (
        f"No level of {scope} {_meets(judgements)} ({limits or 'no budget was set'}; {judged}): "
        f"nearest comes {level_label(near.row)}, {', and '.join(misses)}{_caveats([near])}."
    )


def notes_on(judgements: Sequence[Judgement]) -> list[str]:
    """What a reader must know of levels before acting on their figures; the first is the one that a sentence is about.

    A missing interval is said beside the figure.
    """
    first, notes = judgements[0], []
    for outcome in first.outcomes:
        if outcome.doubtful and outcome.low is not None:
            side = "within" if outcome.met else "outside"
            doubt = f"it is uncertain that its {outcome.name} is {side} the budget"
            notes.append(f"{doubt}, which lies inside the interval")
    degraded = [text(one.row, "verdict") == "degraded" for one in judgements]
    if any(degraded):
        notes.append(_whose("measurement", judgements, degraded) + " degraded")
    unverified = [bool(text(one.row, "price_kind")) and not one.row.get("price_verified") for one in judgements]
    if any(unverified):
        notes.append(_whose("price", judgements, unverified) + " unverified")
    return notes


def _winner_text(scope: str, limits: str, judgements: Sequence[Judgement], ranking: Ranking) -> str:
    best, passed = ranking.best, [judgement for judgement in judgements if judgement.passed]
    of = f"of {len(judgements)} level{'s' if len(judgements) != 1 else ''}"
    those = f"of {len(passed)} levels that {_meet(judgements)}"
    if len(passed) == 1:
        those = f"{of} that {_meets(judgements)}"
    if not limits and not _some_are_left_out(judgements):
        those = f"{of} (no budget was set)"
    budget = f" ({limits})" if limits else ""
    where = f"{those}{budget} for {scope}"
    labels = together([level_label(one.row) for one in (best, *ranking.tied)])
    first = best_words(ranking.by, [one.row for one in (best, *ranking.others)])
    if ranking.tied:
        claim = f"{labels} tie as {first} {where}, as {_noise(ranking)}: {_tied_figures(ranking)}"
    else:
        what = "the only one" if len(passed) == 1 else first
        verb = "is" if ranking.by.startswith("price") or len(passed) == 1 else "completes"
        what = what.removeprefix("the one with ") if verb == "completes" else what
        claim = f"{labels} {verb} {what} {where}: {_figures(best, ranking.by)}{_next(ranking)}"
    rest = [*quality_met(best), *left_out_by_quality(judgements, ranking)]
    rest += [
        *_per_transaction(ranking),
        *_unpriced(passed, ranking),
        *_left_out(judgements, ranking),
    ]
    notes = "".join(f"; {note}" for note in rest)
    return f"{unequal_work_text(ranking)}{claim}{notes}{_caveats([best, *ranking.named])}."


def _meets(judgements: Sequence[Judgement]) -> str:
    return _asked(judgements, "meets every budget", "keeps up with its load", "is one that its search allows")


def _meet(judgements: Sequence[Judgement]) -> str:
    return _asked(judgements, "meet every budget", "keep up with their load", "are ones that their search allows")


def _asked(judgements: Sequence[Judgement], budgets: str, keeps_up: str, allowed: str) -> str:
    """What is asked of a level, as far as some that meet every budget do not have it."""
    within = [one for one in judgements if one.meets_budgets]
    asked = [budgets]
    asked += [keeps_up] if not all(one.keeps_up for one in within) else []
    asked += [allowed] if any(one.objection for one in within) else []
    return f"{', '.join(asked[:-1])} and {asked[-1]}" if len(asked) > 1 else budgets


def _some_are_left_out(judgements: Sequence[Judgement]) -> bool:
    return any(judgement.meets_budgets and judgement.set_aside for judgement in judgements)


def why_left_out(judgement: Judgement) -> str:
    """Why a level that meets every budget may not be chosen, a text that follows `its` or `whose`: its load cannot be
    sustained, its search has something against it, or nobody knows whether its load can be sustained."""
    if judgement.queue_grew:
        return "queue grew: such a load cannot be sustained"
    if judgement.objection is not None:
        return judgement.objection
    longer = number(judgement.row, "sustainable_longer")
    times = in_times(longer) if longer is not None and longer > 1 else "several times"
    return f"window is too short to tell if its load can be sustained: measure {times} as long"


def _noise(ranking: Ranking) -> str:
    """Why the difference between the levels that tie means nothing."""
    what = COMPARED[ranking.by]
    if all(cost_interval(one.row, ranking.by) is not None for one in (ranking.best, *ranking.tied)):
        return f"the 95% intervals of their {what} overlap"
    if all(within_noise_share(ranking.best.row, one.row, ranking.by) for one in ranking.tied):
        return f"their {what} are within {NOISE:.0%} of each other"
    return f"their {what} are within the 95% interval of one of them"


def _tied_figures(ranking: Ranking) -> str:
    levels = (ranking.best, *ranking.tied)
    shown = levels if len(levels) <= _MOST_TIED else levels[: _MOST_TIED - 1]
    figures = "; ".join(f"{one.row.get('experiment_name')}: {_figures(one, ranking.by)}" for one in shown)
    return figures if len(shown) == len(levels) else f"{figures}; and so on for {len(levels) - len(shown)} others"


def _next(ranking: Ranking) -> str:
    """The best level of another experiment and how far behind it is; empty where there is none."""
    if not ranking.others:
        return ""
    row, by = ranking.others[0].row, ranking.by
    if not math.isfinite(unit_cost(row, by)):
        return ""
    return f"; next comes {level_label(row)} with {cost_text(row, by)}{behind_text(row, ranking.best.row, by)}"


def behind_text(row: Row, best: Row, by: RankedBy) -> str:
    """How far a level is behind the best one: ` (12% more)`; empty where that is not known."""
    cost, ours = unit_cost(row, by), unit_cost(best, by)
    if not math.isfinite(cost):
        return ""
    if by.startswith("price"):
        return f" ({cost / ours - 1:.0%} more)" if ours > 0 else ""
    return f" ({1 - ours / cost:.0%} fewer)"


def _per_transaction(ranking: Ranking) -> list[str]:
    """Who would be first if transactions were equal, where they are not."""
    first = ranking.per_transaction
    if first is None:
        return []
    whole: RankedBy = "price" if ranking.by.startswith("price") else "throughput"
    if first is ranking.best:
        return [f"it is {BEST[whole]} too"]
    return [
        f"by transactions alone {level_label(first.row)} would be {BEST[whole]}, with {cost_text(first.row, whole)}"
    ]


def _unpriced(passed: Sequence[Judgement], ranking: Ranking) -> list[str]:
    """What is not known of the cost."""
    if not ranking.by.startswith("price"):
        return [f"nothing can be said about cost ({text(ranking.best.row, 'price_note') or 'no price'})"]
    without = sum(not math.isfinite(unit_cost(one.row, ranking.by)) for one in passed)
    what = COMPARED[ranking.by].replace("prices", "price")
    return [f"{without} more {'has' if without == 1 else 'have'} no {what} to compare"] if without else []


def _left_out(judgements: Sequence[Judgement], ranking: Ranking) -> list[str]:
    """The level that would have been first were it known to keep up with its load, and allowed by its search."""
    aside = [one for one in judgements if one.meets_budgets and one.set_aside and not one.invalid]
    limit = unit_cost(ranking.best.row, ranking.by)
    ahead = [one for one in by_cost(aside, ranking.by) if unit_cost(one.row, ranking.by) < limit]
    if not ahead:
        return []
    would = (
        f"{level_label(ahead[0].row)} would have been {BEST[ranking.by]}, with {cost_text(ahead[0].row, ranking.by)}"
    )
    return [f"{would}, but its {why_left_out(ahead[0])}"]


def _figures(judgement: Judgement, by: RankedBy = "price") -> str:
    """p95, the other times that have a budget, throughput and price of a level, those that are known."""
    row, parts = judgement.row, []
    if number(row, "latency_p95") is not None:
        parts.append(f"latency p95 {percentile_text(row, 'latency_p95')}")
    judged = [one for one in judgement.outcomes if one.value is not None and one.column not in _ALWAYS_TOLD]
    parts += [f"{one.name} {told_value(row, one.column)}" for one in judged if not is_quality(one.column)]
    if (rate := number(row, "transactions_per_minute")) is not None:
        parts.append(f"{figure(rate)} transactions/minute")
    if (price := number(row, "price_per_10k_txn")) is not None:
        parts.append(f"{usd(price)} per 10,000 transactions{_price_interval(row)}")
    if (per_token := number(row, "price_per_token")) is not None and generates_nothing(row) and by == "price":
        parts.append(f"{usd(1e6 * per_token)} per 1,000,000 tokens")
    if by not in ("price", "throughput"):
        parts.append(cost_text(row, by))
    return ", ".join(parts) or "no figures"


def _price_interval(row: Row) -> str:
    ends = cost_interval(row, "price")
    return "" if ends is None else f" (95% CI {usd(10_000 * ends[0]).removesuffix(' USD')} to {usd(10_000 * ends[1])})"


def cost_text(row: Row, by: RankedBy) -> str:
    """The figure that decides, with its unit."""
    cost = unit_cost(row, by)
    if not math.isfinite(cost):
        return f"unknown {COMPARED[by]}"
    if by == "price":
        return f"{usd(10_000 * cost)} per 10,000 transactions"
    tokens = "output tokens" if by in ("price_per_output_token", "output_token_throughput") else "tokens"
    if by.startswith("price"):
        return f"{usd(1e6 * cost)} per 1,000,000 {tokens}"
    each = " per instance" if instances(row) != 1 else ""
    return f"{figure(1 / cost)} {'transactions' if by == 'throughput' else tokens}/minute{each}"


def missed_text(outcome: Outcome, row: Row) -> str:
    """By how much a level misses a budget: `whose latency p95 of 2 s is 0.5 s (33%) over`."""
    if is_quality(outcome.column):
        return f"whose {quality_missed(outcome, row)}"
    if outcome.value is None:
        reason = text(row, "price_note") if unit_of(outcome.column) == "cost" else None
        return f"whose {outcome.name} is unknown" + (f" ({reason})" if reason else "")
    unit = unit_of(outcome.column)
    value, over = told_value(row, outcome.column), in_unit(outcome.column, outcome.over)
    if unit == "share":
        over = f"{figure(100 * outcome.over)} percentage points"
    if outcome.value < outcome.budget:
        return f"whose {outcome.name} of {value} is {over} short"
    share = f" ({outcome.excess:.0%})" if unit != "share" and math.isfinite(outcome.excess) else ""
    return f"whose {outcome.name} of {value} is {over}{share} over"


def _caveats(judgements: Sequence[Judgement]) -> str:
    notes = notes_on(judgements)
    return f"; {' and '.join(notes)}" if notes else ""


def _whose(what: str, judgements: Sequence[Judgement], which: Sequence[bool]) -> str:
    """`its price is`, `the price of b is`, `the prices of a and b are`."""
    if which[0] and not any(which[1:]):
        return f"its {what} is"
    names = [str(one.row.get("experiment_name")) for one, chosen in zip(judgements, which, strict=True) if chosen]
    if len(names) == 1:
        return f"the {what} of {names[0]} is"
    return f"the {what}s of {', '.join(names[:-1])} and {names[-1]} are"


def _all(count: int) -> str:
    return "the only one is" if count == 1 else f"all {count} are"
