"""Quality against cost and latency: which levels are on the front, worked out by hand."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from fmbench_lib.metrics.missing import rows_of
from fmbench_lib.metrics.quality_and_cost import front, quality_measure, trade_frame


def level(name: str, payload: str = "p.jsonl", price: float | None = 0.001, p95: float = 1.0, **more: Any) -> Any:
    named = {"experiment_name": name, "payload_file": payload, "load": "concurrency-1", "concurrency": 1}
    return {**named, "price_per_txn": price, "latency_p95": p95, **more}


@pytest.mark.parametrize(
    ("points", "expected"),
    [
        ([(1, 0.5), (2, 0.9), (3, 0.8)], [True, True, False]),
        ([(1, 0.5), (1, 0.9)], [False, True]),  # the same cost, less quality
        ([(1, 0.5), (2, 0.5)], [True, False]),  # the same quality, more cost
        ([(1, 0.5), (1, 0.5)], [True, True]),  # the same level twice: neither is better
        ([(None, 0.99), (2, 0.5)], [None, True]),  # no price: neither on the front nor better than another
        ([], []),
    ],
)
def test_the_front_has_what_nothing_beats(points: Any, expected: Any) -> None:
    assert front(points) == expected


def test_levels_are_compared_within_their_payload_file() -> None:
    quality = {"accuracy_low": 0.4, "accuracy_high": 0.9, "accuracy_n": 20}
    levels = [
        level("dear", price=0.004, p95=0.5, accuracy=0.8, **quality),
        level("cheap", price=0.001, p95=2.0, accuracy=0.6, **quality),
        level("worse", price=0.002, p95=3.0, accuracy=0.5, **quality),
        level("worse", payload="q.jsonl", price=0.002, p95=3.0, accuracy=0.5, **quality),
        level("unjudged", price=0.0001, accuracy=None),
    ]
    rows = rows_of(trade_frame(pd.DataFrame(levels)))
    assert [row["experiment_name"] for row in rows] == ["dear", "cheap", "worse", "worse"]
    assert [row["on_cost_front"] for row in rows] == [True, True, False, True]
    assert [row["on_latency_front"] for row in rows] == [True, False, False, True]
    assert rows[0]["price_per_1k_answers"] == pytest.approx(4.0)
    assert (rows[0]["measure"], rows[0]["quality"], rows[0]["quality_n"]) == ("accuracy", 0.8, 20)


def test_a_level_without_a_price_has_none_on_the_front() -> None:
    (row,) = rows_of(trade_frame(pd.DataFrame([level("free", price=None, accuracy=0.8)])))
    assert (row["price_per_1k_answers"], row["on_cost_front"], row["on_latency_front"]) == (None, None, True)


def test_accuracy_stands_for_quality_before_rankings_criteria_and_similarity() -> None:
    names = ["cosine_similarity", "criterion_clarity_n", "criterion_clarity", "ndcg_10", "accuracy"]
    found = []
    while (measure := quality_measure(names)) is not None:
        found.append(measure)
        names.remove(measure)
    assert found == ["accuracy", "ndcg_10", "criterion_clarity", "cosine_similarity"]
    assert trade_frame(pd.DataFrame([level("a")])).empty
