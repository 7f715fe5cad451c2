"""Quality against cost and against latency: which levels give the most of one for the least of the other."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import pandas as pd

from fmbench_lib.metrics.columns import Cells, Column, frame_of
from fmbench_lib.metrics.decision.budgets import ACCURACY, CRITERION, NDCG, SIMILARITY
from fmbench_lib.metrics.groups.identity import IDENTITY, LOAD
from fmbench_lib.metrics.missing import Row, number, rows_of

ANSWERS = 1000
"""Answers that a cost is for."""

TRADE: tuple[Column, ...] = (
    *IDENTITY,
    LOAD,
    Column("measure", "", "text", "what stands for quality: the first of these that was evaluated: accuracy, "
           "nDCG@10, a criterion's mean score, cosine similarity"),
    Column("quality", "", "number", "its value for the level's experiment and payload file"),
    Column("quality_low", "", "number", "lower end of its 95% confidence interval"),
    Column("quality_high", "", "number", "upper end of it"),
    Column("quality_n", "", "whole number", "questions that it is about"),
    Column("price_per_1k_answers", "USD", "number", "1,000 × `price_per_txn`"),
    *(
        Column(f"price_per_1k_answers_{end}", "USD", "number", f"{which} end of its 95% confidence interval")
        for end, which in (("low", "lower"), ("high", "upper"))
    ),
    *(
        Column(name, "s", "number", "as in the summary")
        for name in ("latency_p95", "latency_p95_low", "latency_p95_high")
    ),
    Column("on_cost_front", "", "flag", "no level of the payload file has more quality and costs no more, or "
           "costs less and has no less; empty without a price"),
    Column("on_latency_front", "", "flag", "the same for latency p95"),
)  # fmt: skip
"""`quality_and_cost.csv`."""


def quality_measure(columns: Iterable[str]) -> str | None:
    """The column that stands for quality, None where nothing was evaluated."""
    found = list(columns)
    criteria = [name for name in found if name.startswith(CRITERION) and not name.endswith(("_n", "_low", "_high"))]
    return next((name for name in (ACCURACY, NDCG, *criteria, SIMILARITY) if name in found), None)


def trade_frame(levels: pd.DataFrame) -> pd.DataFrame:
    """A row for each level whose answers were evaluated, from levels with the columns of quality."""
    measure = quality_measure(levels.columns)
    if measure is None:
        return frame_of([], TRADE)
    rows = [_row(row, measure) for row in rows_of(levels) if number(row, measure) is not None]
    for payload in dict.fromkeys(row["payload_file"] for row in rows):
        group: list[dict[str, Any]] = [row for row in rows if row["payload_file"] == payload]
        for axis, column in (("price_per_1k_answers", "on_cost_front"), ("latency_p95", "on_latency_front")):
            for row, best in zip(group, front([(row[axis], row["quality"]) for row in group]), strict=True):
                row[column] = best
    return frame_of(rows, TRADE)


def front(points: Sequence[tuple[float | None, float]]) -> list[bool | None]:
    """Whether each point (less of the first is better, more of the second) is on the Pareto front; None where its
    first is not known."""
    known = [(cost, quality) for cost, quality in points if cost is not None]
    return [
        None if cost is None else not any(_dominates(one, (cost, quality)) for one in known) for cost, quality in points
    ]


def _dominates(one: tuple[float, float], other: tuple[float, float]) -> bool:
    return one[0] <= other[0] and one[1] >= other[1] and one != other


def _row(row: Row, measure: str) -> Cells:
    price = number(row, "price_per_txn")
    return {
        **{column.name: row.get(column.name) for column in (*IDENTITY, LOAD)},
        "measure": measure,
        "quality": number(row, measure),
        **{f"quality_{end}": number(row, f"{measure}_{end}") for end in ("low", "high", "n")},
        "price_per_1k_answers": None if price is None else ANSWERS * price,
        **{f"price_per_1k_answers_{end}": _per_1k(number(row, f"price_per_10k_txn_{end}")) for end in ("low", "high")},
        **{name: number(row, name) for name in ("latency_p95", "latency_p95_low", "latency_p95_high")},
    }


def _per_1k(per_10k: float | None) -> float | None:
    return None if per_10k is None else per_10k * ANSWERS / 10_000
