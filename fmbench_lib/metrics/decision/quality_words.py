"""How good the answers are, in the words of the decision: surely or probably good enough, or not known."""

from __future__ import annotations

from collections.abc import Sequence

from fmbench_lib.metrics.decision.budgets import NDCG, Judgement, Outcome, is_quality, without_verdict
from fmbench_lib.metrics.decision.ranking import Ranking, by_cost, unit_cost
from fmbench_lib.metrics.decision.wording import in_unit, level_label, quality_text
from fmbench_lib.metrics.missing import Row


def quality_met(best: Judgement) -> list[str]:
    """How the chosen level meets the budgets of quality, a phrase each."""
    return [
        f"its {outcome.name} of {quality_text(best.row, outcome.column)} {outcome.certainty} meets the budget of "
        f"{in_unit(outcome.column, outcome.budget)}"
        for outcome in best.outcomes
        if is_quality(outcome.column)
    ]


def quality_missed(outcome: Outcome, row: Row) -> str:
    """How a level misses a budget of quality, or that nothing is known."""
    limit = in_unit(outcome.column, outcome.budget)
    if outcome.value is None:
        why = "nothing was ranked that has relevance" if outcome.column == NDCG else "its answers were not judged"
        return f"{outcome.name} is unknown: {why}"
    said = f"{outcome.name} of {quality_text(row, outcome.column)}"
    if outcome.met is None:
        without = without_verdict(row, outcome)
        why = f"{without} of the answers got no verdict" if without else "too few questions"
        return f"{said} says nothing about the budget of {limit}: {why}"
    return f"{said} {outcome.certainty} misses the budget of {limit}"


def left_out_by_quality(judgements: Sequence[Judgement], ranking: Ranking) -> list[str]:
    """The cheapest level of another experiment that only the quality of its answers keeps from being chosen."""
    limit = unit_cost(ranking.best.row, ranking.by)
    for one in by_cost(judgements, ranking.by):
        if unit_cost(one.row, ranking.by) >= limit:
            break
        missed = [outcome for outcome in one.missed if is_quality(outcome.column)]
        if missed and len(missed) == len(one.missed) and not one.invalid and not one.set_aside:
            cheaper = "costs less" if ranking.by.startswith("price") else "completes more"
            return [f"{level_label(one.row)} {cheaper}, but its {quality_missed(missed[0], one.row)}"]
    return []
