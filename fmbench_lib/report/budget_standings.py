"""How the best levels stand to each budget, in words: for the report and its page."""

from __future__ import annotations

from dataclasses import dataclass

from fmbench_lib.metrics.decision.budgets import Outcome, judge
from fmbench_lib.metrics.decision.decision import Decision
from fmbench_lib.metrics.decision.wording import in_unit, limit_text, standing_text


@dataclass(frozen=True, slots=True)
class BudgetStandings:
    """`levels`: which levels are judged, `best` or `nearest`, and `runner-up` · `rows`: each budget, then how each of
    them stands to it."""

    levels: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def budget_standings(decision: Decision) -> BudgetStandings:
    """The standings; no rows where no budget was set but that no request may fail, and where no level was judged."""
    limits = decision.budgets.limits
    shown = {"best": decision.winner, "nearest": decision.nearest, "runner-up": decision.runner_up}
    judged = {name: judge(row, decision.budgets).outcomes for name, row in shown.items() if row is not None}
    usual = [limit.column for limit in limits] == ["error_rate"] and not decision.budgets.error_rate_budget
    if usual or not judged:
        return BudgetStandings(tuple(judged), ())
    rows = (
        (limit_text(limit), *(_stands(outcomes[place]) for outcomes in judged.values()))
        for place, limit in enumerate(limits)
    )
    return BudgetStandings(tuple(judged), tuple(rows))


def _stands(outcome: Outcome) -> str:
    """A figure with its interval, and on which side of its budget it is: `0.41 s (0.39 to 0.44 s), surely met`."""
    if outcome.value is None:
        return standing_text(outcome)
    ends = "" if outcome.low is None or outcome.high is None else _interval(outcome.column, outcome.low, outcome.high)
    return f"{in_unit(outcome.column, outcome.value)}{ends}, {standing_text(outcome)}"


def _interval(column: str, low: float, high: float) -> str:
    unit = in_unit(column, high).partition(" ")[2]
    return f" ({in_unit(column, low).removesuffix(f' {unit}')} to {in_unit(column, high)})"
