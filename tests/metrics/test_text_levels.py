"""Tables of embedding and rerank levels: rates, prices and nDCG@10 worked out by hand."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd
import pytest

from fmbench_lib.metrics.decision.budgets import Budgets
from fmbench_lib.metrics.decision.decision import decide
from fmbench_lib.metrics.missing import rows_of
from fmbench_lib.metrics.text_levels import retrieval_frame, text_levels


def records(*rows: dict[str, Any]) -> pd.DataFrame:
    plain = {"phase": "measured", "error": None, "prompt_id": "q", "texts": None, "scores": ()}
    return pd.DataFrame([plain | row for row in rows])


FACTS: Any = {"experiment_name": "e", "payload_file": "p.jsonl", "load": "concurrency-1"}


def summary_row(**more: Any) -> dict[str, Any]:
    row = {
        **FACTS,
        "concurrency": 1,
        "transactions_per_second": 5.0,
        "prompt_token_throughput": 800.0,
        "latency_p50": 0.1,
        "latency_p95": 0.2,
        "price_per_txn": 0.00004,
        "price_per_token": 0.00000025,
        "verdict": "valid",
    }
    return row | more


def test_texts_per_second_and_the_price_of_a_million() -> None:
    measured = records(
        {"texts": 8}, {"texts": 8}, {"texts": 2, "phase": "warmup"}, {"texts": None, "error": "timeout"}, {"texts": 8}
    )
    (row,) = rows_of(text_levels([(measured, FACTS)], pd.DataFrame([summary_row()])))
    assert row["texts_per_request"] == 8.0
    assert row["texts_per_second"] == pytest.approx(40.0)
    assert row["tokens_per_second"] == 800.0
    assert row["price_per_1m_tokens"] == pytest.approx(0.25)
    assert row["price_per_1m_texts"] == pytest.approx(5.0)  # 0.00004 / 8 * 1,000,000


def test_levels_of_text_have_no_row_and_missing_prices_stay_missing() -> None:
    chat, embedding = records({"texts": None}), records({"texts": 1})
    both = pd.DataFrame([summary_row(), summary_row(price_per_txn=None, price_per_token=None)])
    (row,) = rows_of(text_levels([(chat, FACTS), (embedding, FACTS)], both))
    assert (row["price_per_1m_tokens"], row["price_per_1m_texts"]) == (None, None)


def test_records_of_earlier_versions_have_no_texts() -> None:
    older = records({}).drop(columns=["texts", "scores"])
    assert text_levels([(older, FACTS)], pd.DataFrame([summary_row()])).empty
    assert retrieval_frame([(older, FACTS)], {"p.jsonl": {"q": [1.0]}}).empty


def test_ndcg_counts_each_query_once_and_says_what_it_leaves_out() -> None:
    measured = records(
        {"prompt_id": "right", "scores": (0.9, 0.1)},
        {"prompt_id": "right", "scores": (0.1, 0.9)},  # a second answer to the same query
        {"prompt_id": "wrong", "scores": (0.9, 0.1)},
        {"prompt_id": "none", "scores": (0.9, 0.1)},
        {"prompt_id": "failed", "scores": (), "error": "timeout"},
        {"prompt_id": "ungraded", "scores": (0.5,)},
    )
    grades = {"right": [1.0, 0.0], "wrong": [0.0, 1.0], "none": [0.0, 0.0], "failed": [1.0, 0.0]}
    (row,) = rows_of(retrieval_frame([(measured, FACTS)], {"p.jsonl": grades}))
    second = 1 / math.log2(3)
    assert (row["queries"], row["without_relevant"]) == (2, 1)
    assert row["ndcg_10"] == pytest.approx((1 + second) / 2)
    assert 0.0 == row["ndcg_10_low"] < row["ndcg_10"] < row["ndcg_10_high"] == 1.0  # of two queries: nearly anything


def embedding(payload: str, price: float, tokens: float, experiment: str = "e", p95: float = 0.1) -> dict[str, Any]:
    return {
        "experiment_name": experiment,
        "payload_file": payload,
        "load": "concurrency-1",
        "concurrency": 1,
        "instance_type": "x",
        "latency_p95": p95,
        "price_per_txn": price,
        "price_per_10k_txn": 10_000 * price,
        "price_per_token": price / tokens,
        "prompt_token_count_mean": tokens,
        "completion_token_count_mean": 0.0,
        "error_rate": 0.0,
        "verdict": "valid",
    }


def test_the_decision_is_about_the_batch_with_the_lowest_price_per_token() -> None:
    levels = [embedding("x1", 0.001, 20), embedding("x8", 0.002, 160), embedding("x32", 0.004, 640, p95=2.0)]
    decision = decide(pd.DataFrame(levels), Budgets())
    assert decision.payload_file == "x32"
    assert "6.25 USD per 1,000,000 tokens" in decision.text
    within = decide(pd.DataFrame(levels), Budgets(latency_budget=1.0))
    assert within.payload_file == "x8"
    assert decide(pd.DataFrame(levels), Budgets(), "x1").payload_file == "x1"


def test_a_server_that_counts_more_tokens_is_not_cheaper() -> None:
    levels = [
        embedding("x1", 0.0010, 20, "a"),
        embedding("x1", 0.0011, 30, "b"),  # the same texts, cut into more tokens
        embedding("x8", 0.0080, 160, "a"),
    ]
    decision = decide(pd.DataFrame(levels), Budgets())
    assert decision.winner is not None
    assert decision.winner["experiment_name"] == "a"


def test_where_anything_is_generated_the_payload_file_with_most_levels_is_taken() -> None:
    levels = [embedding("x1", 0.001, 20), embedding("x8", 0.002, 160), embedding("x1", 0.002, 20)]
    levels[0]["completion_token_count_mean"] = 5.0
    assert decide(pd.DataFrame(levels), Budgets()).payload_file == "x1"


def test_a_level_without_a_success_does_not_change_what_the_decision_is_about() -> None:
    nothing = dict.fromkeys(("prompt_token_count_mean", "completion_token_count_mean", "price_per_token"))
    failed = embedding("x32", 0.004, 640) | nothing | {"successes": 0, "error_rate": 1.0}
    levels = [embedding("x1", 0.001, 20), embedding("x8", 0.002, 160), embedding("x1", 0.001, 20), failed]
    assert decide(pd.DataFrame(levels), Budgets(error_rate_budget=1.0)).payload_file == "x8"
