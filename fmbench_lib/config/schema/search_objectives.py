"""The keys of a search for the greatest load: what is searched, and the objectives that it must meet."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import PlainValidator

from fmbench_lib.config.budget_measures import STATISTICS
from fmbench_lib.config.problems import alternatives, shown
from fmbench_lib.config.schema.values import MOST_LIMIT, Kind, one_of, reject
from fmbench_lib.config.spelling import nearest

FIND = ("max_concurrency", "max_request_rate")
AT_LEAST = ("goodput", "slo_attainment")
"""Objectives that are lower bounds; all others are upper bounds."""

SUBJECTS = (
    *(f"{family}_{statistic}" for family in ("TTFT", "TPOT", "ITL", "latency") for statistic in STATISTICS),
    "error_rate",
    *AT_LEAST,
)

FindKind = Literal["max_concurrency", "max_request_rate"]
Find = Annotated[FindKind, PlainValidator(one_of(*FIND)), Kind("`max_concurrency` or `max_request_rate`")]


def _subjects(value: Any) -> dict[str, float]:
    if not isinstance(value, dict):
        reject(f"is {shown(value)}; write measures with their limits, {{TTFT_p95: 0.5, error_rate: 0}}")
    for name, limit in value.items():
        if name not in SUBJECTS:
            close = nearest(str(name), SUBJECTS)
            reject(f"has {shown(name)}; " + (f"did you mean {close}?" if close else f"write {alternatives(SUBJECTS)}"))
        if isinstance(limit, bool) or not isinstance(limit, int | float) or not 0 <= limit <= MOST_LIMIT:
            reject(f"has {shown(limit)} for {name}; write its limit as a number, 0 or more")
        if limit == 0 and name != "error_rate":
            reject(f"has 0 for {name}; write a limit above 0")
    return {str(name): float(limit) for name, limit in value.items()}


Subjects = Annotated[
    dict[str, float], PlainValidator(_subjects), Kind("limits by measure, `{TTFT_p95: 0.5, error_rate: 0}`")
]
