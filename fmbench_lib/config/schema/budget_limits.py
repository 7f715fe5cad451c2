"""The keys `report.budgets`, limits that a level must meet, by the column of the summary that they bound, and
`report.criterion_budgets`."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import PlainValidator

from fmbench_lib.config.problems import alternatives, shown
from fmbench_lib.config.schema.values import MOST_LIMIT, Kind, reject
from fmbench_lib.config.spelling import nearest

COST = "cost_per_10k_txn"
AT_LEAST = ("slo_attainment", "slo_attainment_ttft", "slo_attainment_tpot", "slo_attainment_latency")
"""Budgets that are the least that is wanted; all others are the most."""

TIMES = tuple(
    f"{family}_{statistic}"
    for family in ("latency", "TTFT", "TTFT_answer", "TPOT", "ITL")
    for statistic in ("mean", "p50", "p95", "p99")
)
SHARES = ("error_rate", *AT_LEAST)
BUDGETS = (*TIMES, *SHARES, COST)

KEYS = {
    "latency_p95": "latency_budget",
    "error_rate": "error_rate_budget",
    COST: "cost_per_10k_txn_budget",
    "slo_attainment": "slo_attainment_budget",
}
"""The budgets that have a key of their own in `report` too."""


def _limits(value: Any) -> dict[str, float]:
    if not isinstance(value, dict):
        reject(f"is {shown(value)}; write measures with their limits, {{TTFT_p95: 0.5, error_rate: 0}}")
    return {str(name): _limit(str(name), limit) for name, limit in value.items()}


def _limit(name: str, limit: Any) -> float:
    if name not in BUDGETS:
        close = nearest(name, BUDGETS)
        reject(f"has {shown(name)}; " + (f"did you mean {close}?" if close else f"write {alternatives(BUDGETS)}"))
    if name in SHARES:
        if isinstance(limit, bool) or not isinstance(limit, int | float) or not 0 <= limit <= 1:
            reject(f"has {shown(limit)} for {name}; write a number from 0 to 1")
    elif isinstance(limit, bool) or not isinstance(limit, int | float) or not 0 < limit <= MOST_LIMIT:
        reject(f"has {shown(limit)} for {name}; write a number above 0")
    return float(limit)


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
