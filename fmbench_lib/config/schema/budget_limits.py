"""The keys `budgets`, limits that a level must meet, by the measure that they bound, and `report.criterion_budgets`."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import PlainValidator

from fmbench_lib.config.budget_measures import BY_NAME, MEASURES, NAME_OF, STATISTICS, BudgetMeasure
from fmbench_lib.config.problems import alternatives, shown
from fmbench_lib.config.schema.values import MOST_LIMIT, Kind, reject
from fmbench_lib.config.spelling import near_ones

BUDGETS = tuple(BY_NAME)
NEED_OBJECTIVES = tuple(name for name in BUDGETS if name.startswith("slo_") or name == "goodput_rate")
"""Budgets of what only the objectives of `slo` define."""
NEED_ANSWERS_JUDGED = ("accuracy", "similarity")

KEYS = {
    "latency_p95": "latency_budget",
    "error_rate": "error_rate_budget",
    "cost_per_10k_txn": "cost_per_10k_txn_budget",
    "slo_attainment": "slo_attainment_budget",
    "accuracy": "accuracy_budget",
    "similarity": "similarity_budget",
    "ndcg": "ndcg_budget",
}
"""The budgets that have a key of their own in `report` too."""

_EVERY_ONE = (
    f"latency, TTFT, TTFT_answer, TPOT or ITL with {alternatives([f'_{name}' for name in STATISTICS])}; or "
    + alternatives([measure.name for measure in MEASURES if measure.unit != "s"])
)


def _limits(value: Any) -> dict[str, float]:
    if not isinstance(value, dict):
        reject(f"is {shown(value)}; write measures with their limits, {{TTFT_p95: 0.5, error_rate: 0}}")
    limits: dict[str, float] = {}
    spelt: dict[str, str] = {}
    for given, limit in value.items():
        measure = _measure(str(given))
        checked = _limit(str(given), measure, limit)
        if limits.setdefault(measure.name, checked) != checked:
            reject(
                f"has {spelt[measure.name]} and {given}, which are one measure, with two limits; keep one of the two"
            )
        spelt.setdefault(measure.name, str(given))
    return limits


def _measure(name: str) -> BudgetMeasure:
    if name not in NAME_OF:
        close = near_ones(name, NAME_OF)
        reject(f"has {shown(name)}; " + (f"did you mean {alternatives(close)}?" if close else f"write {_EVERY_ONE}"))
    return BY_NAME[NAME_OF[name]]


def _limit(given: str, measure: BudgetMeasure, limit: Any) -> float:
    number = limit if isinstance(limit, int | float) and not isinstance(limit, bool) else None
    if measure.unit == "share":
        if number is None or not 0 <= number <= 1:
            other = "; for requests per second write goodput_rate" if given == "goodput" else ""
            reject(f"has {shown(limit)} for {given}; write a number from 0 to 1{other}")
    elif measure.unit == "score":
        if number is None or not -1 <= number <= 1:
            reject(f"has {shown(limit)} for {given}; write a number up to 1")
    elif number is None or not 0 < number <= MOST_LIMIT:
        reject(f"has {shown(limit)} for {given}; write a number above 0, in {measure.unit}")
    return float(number)


BudgetLimits = Annotated[
    dict[str, float], PlainValidator(_limits), Kind("limits by measure, `{TTFT_p95: 0.5, error_rate: 0}`")
]


def _scores(value: Any) -> dict[str, float]:
    if not isinstance(value, dict):
        reject(f"is {shown(value)}; write criteria with their least mean scores, {{clarity: 4}}")
    for name, least in value.items():
        if isinstance(least, bool) or not isinstance(least, int | float) or not 1 <= least <= 5:
            reject(f"has {shown(least)} for {name}; write a number from 1 to 5")
    return {str(name).strip(): float(least) for name, least in value.items()}


CriterionBudgets = Annotated[
    dict[str, float], PlainValidator(_scores), Kind("least mean scores by criterion, `{clarity: 4}`")
]
