"""`summary_metrics_for_dataset_w_scores.csv`: the table that scripts written for FMBench 2.x read.

The score is that of FMBench 2.x: a point for each of the three budgets that is met (error rate, latency p95, cost),
with the room left under latency and cost as a share of the budget. A level that meets all gets its number of requests
in flight on top. The decision does not use it. A budget that the config does not set gives no point and fails nothing.
"""

from __future__ import annotations

import pandas as pd

from fmbench_lib.metrics.columns import Cells, Column, frame_of
from fmbench_lib.metrics.decision.budgets import Judgement, Outcome
from fmbench_lib.metrics.decision.decision import Decision
from fmbench_lib.metrics.metric_groups import SUMMARY
from fmbench_lib.metrics.missing import number

_SAME = (
    *("experiment_name", "payload_file", "instance_type", "instance_count", "concurrency", "error_rate"),
    *("prompt_token_count_mean", "prompt_token_throughput", "completion_token_count_mean"),
    *("completion_token_throughput", "latency_p50", "latency_p95", "latency_p99"),
    *(f"{family}_{q}" for family in ("TTFT", "TPOT", "TTLT") for q in ("p50", "p95", "p99")),
    *("transactions_per_minute", "price_per_txn", "price_per_token"),
)
_CRITERIA = {
    "error_rate": "error_rate_criterion_failed",
    "latency_p95": "latency_criterion_failed",
    "price_per_10k_txn": "cost_per_txn_criterion_failed",
}
_TEXTS = {name: f"{name}_text" for name in _CRITERIA}
_BY_NAME = {column.name: column for column in SUMMARY}
SCORE_TABLE: tuple[Column, ...] = (
    *(_BY_NAME[name] for name in _SAME),
    Column("score", "", "number", "FMBench 2.x's score: budgets met, room left under them, concurrency"),
    Column("any_criterion_failed", "", "flag", "whether the level misses one of the three budgets below"),
    *(Column(failed, "", "flag", f"whether `{name}` misses its budget") for name, failed in _CRITERIA.items()),
    *(Column(shown, "", "text", f"`{name}`, in red where it misses its budget") for name, shown in _TEXTS.items()),
)
"""The columns of the table."""


def scores_frame(decision: Decision) -> pd.DataFrame:
    """The levels of the decision's payload file with their scores, the highest first."""
    rows = [_row(judgement) for judgement in decision.judgements]
    rows.sort(key=lambda row: -(number(row, "score") or 0.0))
    return frame_of(rows, SCORE_TABLE)


def _row(judgement: Judgement) -> Cells:
    outcomes = {outcome.column: outcome for outcome in judgement.outcomes if outcome.column in _CRITERIA}
    failed = any(not outcome.met for outcome in outcomes.values())
    score = sum(_points(outcome) for outcome in outcomes.values() if outcome.met)
    if not failed:
        score += number(judgement.row, "concurrency") or 0.0
    row: Cells = {name: judgement.row.get(name) for name in _SAME}
    row |= {"score": score, "any_criterion_failed": failed}
    for name in _CRITERIA:
        met = name not in outcomes or bool(outcomes[name].met)
        row |= {_CRITERIA[name]: not met, _TEXTS[name]: _shown(number(judgement.row, name), met)}
    return row


def _points(outcome: Outcome) -> float:
    room = (outcome.budget - (outcome.value or 0.0)) / outcome.budget if outcome.column != "error_rate" else 0.0
    return 1.0 + room


def _shown(value: float | None, met: bool) -> str:
    text = "None" if value is None else f"{value:.2f}"
    return f"<span style='color:green'>{text}</span>" if met else f"<span style='color:red'>**{text}**</span>"
