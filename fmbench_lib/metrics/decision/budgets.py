"""Budgets: limits that a level must meet to be chosen, and whether it meets them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from fmbench_lib.config.budget_measures import BY_COLUMN
from fmbench_lib.metrics.decision.intervals import certainty_of, interval_of
from fmbench_lib.metrics.missing import Row, number, text
from fmbench_lib.metrics.statistics.proportions import Certainty, reaches, side_of

Unit: TypeAlias = Literal["time", "share", "cost", "score", "rate", "energy"]

_KINDS: Mapping[str, Unit] = {
    "s": "time",
    "share": "share",
    "USD": "cost",
    "score": "score",
    "requests/s": "rate",
    "requests/minute": "rate",
    "tokens/s": "rate",
    "joules": "energy",
    "grams CO2": "energy",
}
"""By the unit of a measure: what kind of figure it is."""

_NAMES = {
    "error_rate": "error rate",
    "slo_attainment": "SLO attainment",
    "slo_attainment_ttft": "attainment of the TTFT objective",
    "slo_attainment_tpot": "attainment of the TPOT objective",
    "slo_attainment_latency": "attainment of the latency objective",
    "price_per_10k_txn": "cost per 10,000 transactions",
    "price_per_txn": "cost per transaction",
    "price_per_1m_tokens": "cost per 1,000,000 tokens",
    "price_per_1m_input_tokens": "cost per 1,000,000 input tokens",
    "price_per_1m_output_tokens": "cost per 1,000,000 output tokens",
    "transactions_per_second": "transactions per second",
    "transactions_per_minute": "transactions per minute",
    "prompt_token_throughput": "throughput of input tokens",
    "completion_token_throughput": "throughput of output tokens",
    "accuracy": "accuracy",
    "cosine_similarity": "cosine similarity",
    "ndcg_10": "nDCG@10",
}
GOODPUT = "goodput"
"""Requests per second within their objectives."""

ACCURACY, SIMILARITY, NDCG, CRITERION = "accuracy", "cosine_similarity", "ndcg_10", "criterion_"
"""Columns of the quality of answers and of rankings, and what the names of a rubric's criteria begin with."""


@dataclass(frozen=True, slots=True)
class Budgets:
    """The limits; None sets no limit. The names are the keys of the config's `report` section.

    `latency_budget`: seconds of latency p95 · `cost_per_10k_txn_budget`: USD per 10,000 transactions ·
    `error_rate_budget`: share of failed requests · `latency_latitude`: the share by which p95 may exceed its budget ·
    `slo_attainment_budget`: least share of requests within their objectives · `quality`: least values of columns of
    the answers' quality · `budgets`: limits of further columns of a summary, by column.
    """

    latency_budget: float | None = None
    cost_per_10k_txn_budget: float | None = None
    error_rate_budget: float | None = None
    latency_latitude: float = 0.0
    slo_attainment_budget: float | None = None
    quality: Mapping[str, float] = field(default_factory=dict)
    budgets: Mapping[str, float] = field(default_factory=dict)

    @property
    def limits(self) -> tuple[Limit, ...]:
        """Every limit that is set: times, shares, cost."""
        known = {"latency_p95": self.latency_budget, **self.budgets}
        shares = {"error_rate": self.error_rate_budget, "slo_attainment": self.slo_attainment_budget}
        times = {column: budget for column, budget in known.items() if unit_of(column) == "time"}
        others = {column: budget for column, budget in known.items() if column not in times}
        ordered = {**times, **shares, **others, **self.quality, "price_per_10k_txn": self.cost_per_10k_txn_budget}
        return tuple(
            Limit(column, budget, self.latency_latitude if column == "latency_p95" else 0.0)
            for column, budget in ordered.items()
            if budget is not None
        )


@dataclass(frozen=True, slots=True)
class Limit:
    """One budget: the column that it bounds, from above or (shares of what was wanted) from below."""

    column: str
    budget: float
    latitude: float = 0.0

    @property
    def name(self) -> str:
        """The column in words."""
        return name_of(self.column)

    @property
    def unit(self) -> Unit:
        """What the limit is counted in: seconds, a share, USD, a score, or requests per second."""
        return unit_of(self.column)

    @property
    def at_least(self) -> bool:
        """Whether the limit is the least that is wanted."""
        measure = BY_COLUMN.get(self.column)
        return is_quality(self.column) if measure is None else measure.at_least


def name_of(column: str) -> str:
    """A column of a summary in words: `TTFT p95`, `error rate`."""
    if column.startswith(CRITERION):
        return f"mean {column.removeprefix(CRITERION)} (1 to 5)"
    return _NAMES.get(column, column.replace("_", " "))


def is_quality(column: str) -> bool:
    """Whether a column is about how good the answers are."""
    return column in (ACCURACY, SIMILARITY, NDCG) or column.startswith(CRITERION)


def unit_of(column: str) -> Unit:
    """What a column that can have a budget, or limit a search, is counted in."""
    measure = BY_COLUMN.get(column)
    return "score" if measure is None else _KINDS[measure.unit]


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one level compares with one budget.

    `met` is None where the level has no such value. `over` is by how much it misses, in the unit of the budget, and
    `excess` the same as a share of the budget (a share of requests is a share already). `low` and `high` are the ends
    of its 95% interval. `certainty` is whether it is sure, None where nothing tells: a figure without an interval.
    `doubtful`: it is not known, as the interval holds the limit, or it is a percentile without an interval; of a share
    that leaves no request out nothing is said. The estimate decides even so, except of the quality of answers: where
    that is not known, `met` is None.
    """

    name: str
    column: str
    budget: float
    value: float | None
    met: bool | None
    over: float = 0.0
    excess: float = 0.0
    doubtful: bool = False
    certainty: Certainty | None = None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class Judgement:
    """A level's row with the outcome for each budget.

    It passes if it meets every budget, is not `invalid`, its load is one that the endpoint keeps up with, and no search
    has anything against it.
    """

    row: Mapping[str, Any]
    outcomes: tuple[Outcome, ...]

    @property
    def invalid(self) -> bool:
        """Whether the level's verdict is `invalid`."""
        return text(self.row, "verdict") == "invalid"

    @property
    def queue_grew(self) -> bool:
        """Whether the level's load was more than the endpoint can sustain; a level that does not say was not."""
        return text(self.row, "sustainable") == "no"

    @property
    def may_grow(self) -> bool:
        """Whether the level was too short to tell if the endpoint can sustain its load."""
        return text(self.row, "sustainable") == "unknown"

    @property
    def keeps_up(self) -> bool:
        """Whether the endpoint can sustain the load, as it always can in a closed loop."""
        return not self.queue_grew and not self.may_grow

    @property
    def objection(self) -> str | None:
        """What the search that covers the level has against it (`search_bounds`); None for nothing."""
        return text(self.row, "search_objection")

    @property
    def set_aside(self) -> bool:
        """Whether the level may not be chosen whatever budgets it meets, for another reason than its verdict."""
        return not self.keeps_up or self.objection is not None

    @property
    def meets_budgets(self) -> bool:
        """Whether every budget is met; a missing value meets none."""
        return all(outcome.met for outcome in self.outcomes)

    @property
    def passed(self) -> bool:
        """Whether the level may be chosen."""
        return self.meets_budgets and not self.invalid and not self.set_aside

    @property
    def missed(self) -> tuple[Outcome, ...]:
        """The budgets that are not met, or that cannot be judged because the value is missing."""
        return tuple(outcome for outcome in self.outcomes if not outcome.met)


def judge(row: Row, budgets: Budgets) -> Judgement:
    """Compare a level's row with the budgets that are set."""
    return Judgement(row, tuple(outcome_of(row, limit) for limit in budgets.limits))


def outcome_of(row: Row, limit: Limit) -> Outcome:
    """Compare a level's row with one limit."""
    value, bound = number(row, limit.column), limit.budget * (1 + limit.latitude)
    if value is None:
        return Outcome(limit.name, limit.column, limit.budget, None, None)
    if is_quality(limit.column):
        return _quality_outcome(row, limit, value)
    certainty = certainty_of(row, limit.column, bound, limit.at_least)
    met = value >= bound if limit.at_least else value <= bound
    over = 0.0 if met else abs(value - limit.budget)
    excess = over if limit.unit == "share" or met else over / limit.budget if limit.budget > 0 else float("inf")
    low, high = interval_of(row, limit.column) or (None, None)
    return Outcome(
        limit.name,
        limit.column,
        limit.budget,
        value,
        met,
        over,
        excess,
        doubtful=certainty == "not known" and not (limit.unit == "share" and value == float(limit.at_least)),
        certainty=certainty,
        low=low,
        high=high,
    )


def _quality_outcome(row: Row, limit: Limit, value: float) -> Outcome:
    """Whether answers are good enough, which a few questions cannot tell: a budget is met where that is sure or
    probable."""
    count = number(row, f"{limit.column}_n") or 0
    if limit.column == ACCURACY:
        met, certainty = _accuracy_reaches(row, round(value * count), round(count), limit.budget)
    else:
        low, high = number(row, f"{limit.column}_low"), number(row, f"{limit.column}_high")
        met, certainty = side_of(value, low, high, limit.budget)
    over = max(limit.budget - value, 0.0)
    excess = over / limit.budget if limit.budget > 0 else 0.0  # nothing misses a budget of 0
    low, high = interval_of(row, limit.column) or (None, None)
    return Outcome(
        limit.name, limit.column, limit.budget, value, met, over, excess, certainty=certainty, low=low, high=high
    )


def _accuracy_reaches(row: Row, correct: int, count: int, budget: float) -> tuple[bool | None, Certainty]:
    """Whether an accuracy meets its budget. An answer without a verdict is not known to be wrong: a budget is missed
    only where it would be if all of those were right."""
    met, certainty = reaches(correct, count, budget)
    without = round(number(row, f"{ACCURACY}_no_verdict") or 0)
    if met is False and without:
        at_best, certainty = reaches(correct + without, count, budget)
        return (False, certainty) if at_best is False else (None, "not known")
    return met, certainty


def without_verdict(row: Row, outcome: Outcome) -> int:
    """The answers without a verdict because of which it is not known whether an accuracy meets its budget, 0 where that
    has another reason."""
    count, value = round(number(row, f"{ACCURACY}_n") or 0), outcome.value
    if outcome.column != ACCURACY or outcome.met is not None or value is None:
        return 0
    missed = reaches(round(value * count), count, outcome.budget)[0] is False
    return round(number(row, f"{ACCURACY}_no_verdict") or 0) if missed else 0
