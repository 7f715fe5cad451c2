"""Budgets: limits that a level must meet to be chosen, and whether it meets them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fmbench_lib.metrics.missing import Row, number, text


@dataclass(frozen=True, slots=True)
class Budgets:
    """The limits; None sets no limit. The names are the keys of the config's `report` section.

    `latency_budget`: seconds of latency p95 · `cost_per_10k_txn_budget`: USD per 10,000 transactions ·
    `error_rate_budget`: share of failed requests · `latency_latitude`: the share by which p95 may exceed its budget ·
    `slo_attainment_budget`: least share of requests within their objectives.
    """

    latency_budget: float | None = None
    cost_per_10k_txn_budget: float | None = None
    error_rate_budget: float | None = None
    latency_latitude: float = 0.0
    slo_attainment_budget: float | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one level compares with one budget.

    `met` is None where the level has no such value. `over` is by how much it misses, in the unit of the budget, and
    `excess` the same as a share of the budget (an error rate is a share already). `doubtful`: the confidence interval
    holds the limit, or there is no interval.
    """

    name: str
    column: str
    budget: float
    value: float | None
    met: bool | None
    over: float = 0.0
    excess: float = 0.0
    doubtful: bool = False


@dataclass(frozen=True, slots=True)
class Judgement:
    """A level's row with the outcome for each budget. It passes if it meets every budget and is not `invalid`."""

    row: Mapping[str, Any]
    outcomes: tuple[Outcome, ...]

    @property
    def invalid(self) -> bool:
        """Whether the level's verdict is `invalid`."""
        return text(self.row, "verdict") == "invalid"

    @property
    def meets_budgets(self) -> bool:
        """Whether every budget is met; a missing value meets none."""
        return all(outcome.met for outcome in self.outcomes)

    @property
    def passed(self) -> bool:
        """Whether the level may be chosen."""
        return self.meets_budgets and not self.invalid

    @property
    def missed(self) -> tuple[Outcome, ...]:
        """The budgets that are not met, or that cannot be judged because the value is missing."""
        return tuple(outcome for outcome in self.outcomes if not outcome.met)


def judge(row: Row, budgets: Budgets) -> Judgement:
    """Compare a level's row with the budgets that are set."""
    outcomes = []
    if budgets.latency_budget is not None:
        outcomes.append(_latency(row, budgets.latency_budget, budgets.latency_latitude))
    if budgets.error_rate_budget is not None:
        outcomes.append(_error_rate(row, budgets.error_rate_budget))
    if budgets.cost_per_10k_txn_budget is not None:
        outcomes.append(_cost(row, budgets.cost_per_10k_txn_budget))
    if budgets.slo_attainment_budget is not None:
        outcomes.append(_attainment(row, budgets.slo_attainment_budget))
    return Judgement(row, tuple(outcomes))


def _latency(row: Row, budget: float, latitude: float) -> Outcome:
    value, limit = number(row, "latency_p95"), budget * (1 + latitude)
    low, high = number(row, "latency_p95_low"), number(row, "latency_p95_high")
    doubtful = value is not None and (low is None or high is None or low <= limit < high)
    return _outcome("latency p95", "latency_p95", budget, value, limit, doubtful)


def _error_rate(row: Row, budget: float) -> Outcome:
    value = number(row, "error_rate")
    if value is None or value <= budget:
        return Outcome("error rate", "error_rate", budget, value, None if value is None else True)
    return Outcome("error rate", "error_rate", budget, value, False, value - budget, value - budget)


def _attainment(row: Row, budget: float) -> Outcome:
    value = number(row, "slo_attainment")
    if value is None or value >= budget:
        return Outcome("SLO attainment", "slo_attainment", budget, value, None if value is None else True)
    return Outcome("SLO attainment", "slo_attainment", budget, value, False, budget - value, budget - value)


def _cost(row: Row, budget: float) -> Outcome:
    return _outcome(
        "cost per 10,000 transactions", "price_per_10k_txn", budget, number(row, "price_per_10k_txn"), budget
    )


def _outcome(
    name: str, column: str, budget: float, value: float | None, limit: float, doubtful: bool = False
) -> Outcome:
    if value is None or value <= limit:
        return Outcome(name, column, budget, value, None if value is None else True, doubtful=doubtful)
    excess = value / budget - 1 if budget > 0 else float("inf")
    return Outcome(name, column, budget, value, False, value - budget, excess, doubtful)
