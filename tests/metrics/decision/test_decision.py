"""Which level wins, which comes nearest, and the sentence that says it."""

from __future__ import annotations

import json

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fmbench_lib.metrics.decision.budgets import Budgets
from fmbench_lib.metrics.decision.decision import decide
from fmbench_lib.metrics.metric_groups import SUMMARY_COLUMNS

BUDGETS = Budgets(latency_budget=2.0, cost_per_10k_txn_budget=100.0, error_rate_budget=0.0)


def test_the_cheapest_within_the_budgets_wins(summary_of):
    found = decide(
        summary_of(
            {"concurrency": 1, "latency_p95": 1.0, "price_per_txn": 0.009},
            {"concurrency": 2, "latency_p95": 1.5, "price_per_txn": 0.005},
            {"concurrency": 4, "latency_p95": 2.5, "price_per_txn": 0.002},
            {"concurrency": 8, "latency_p95": 1.5, "price_per_txn": 0.001, "error_rate": 0.1},
            {"concurrency": 16, "latency_p95": 1.5, "price_per_txn": 0.001, "verdict": "invalid"},
        ),
        BUDGETS,
    )
    assert found.winner["concurrency"] == 2
    assert found.ranked_by == "price"
    assert [one.row["concurrency"] for one in found.passed] == [1, 2]
    assert [one.row["concurrency"] for one in found.failed] == [4, 8, 16]
    assert found.nearest is None


def test_ties_go_to_the_lower_p95_then_to_the_order_of_the_config(summary_of):
    rows = [{"concurrency": 1, "latency_p95": 1.5}, {"concurrency": 2, "latency_p95": 1.2}]
    assert decide(summary_of(*rows), BUDGETS).winner["concurrency"] == 2
    same = [{"concurrency": 4}, {"concurrency": 2}]
    assert decide(summary_of(*same), BUDGETS).winner["concurrency"] == 4


def test_a_level_without_a_price_never_passes_a_cost_budget(summary_of):
    summary = summary_of({"price_per_txn": None, "price_note": "no price listed for g5.xlarge"})
    found = decide(summary, BUDGETS)
    assert found.winner is None
    assert found.nearest["concurrency"] == 1
    assert "unknown (no price listed for g5.xlarge)" in found.text


def test_a_level_without_a_price_is_never_the_cheapest(summary_of):
    summary = summary_of(
        {"concurrency": 8, "price_per_txn": None, "transactions_per_minute": 900.0},
        {"concurrency": 1, "price_per_txn": 0.5, "transactions_per_minute": 1.0},
    )
    found = decide(summary, Budgets(latency_budget=2.0))
    assert found.winner["concurrency"] == 1
    assert "1 more has no price to compare" in found.text


def test_without_any_price_throughput_decides_and_the_sentence_claims_nothing_of_cost(summary_of):
    unpriced = {"price_per_txn": None, "price_note": "no price listed for x"}
    slow, fast = {"transactions_per_minute": 30.0}, {"transactions_per_minute": 90.0}
    summary = summary_of({"concurrency": 1} | slow | unpriced, {"concurrency": 4} | fast | unpriced)
    found = decide(summary, Budgets(latency_budget=2.0))
    assert (found.winner["concurrency"], found.ranked_by) == (4, "throughput")
    assert "cheapest" not in found.text
    assert "nothing can be said about cost (no price listed for x)" in found.text


def test_the_nearest_is_the_one_with_the_smallest_largest_excess(summary_of):
    summary = summary_of(
        {"concurrency": 1, "latency_p95": 1.0, "price_per_txn": 0.02},  # 100% over the cost budget
        {"concurrency": 2, "latency_p95": 2.4, "price_per_txn": 0.011},  # 20% and 10% over
        {"concurrency": 4, "latency_p95": 3.0, "price_per_txn": 0.006},  # 50% over
        {"concurrency": 8, "latency_p95": 2.1, "verdict": "invalid"},
        {"concurrency": 16, "latency_p95": None, "error_rate": 1.0},
    )
    found = decide(summary, BUDGETS)
    assert found.winner is None
    assert found.nearest["concurrency"] == 2
    assert "whose latency p95 of 2.4 s" in found.text
    assert "is 0.4 s (20%) over" in found.text
    assert "of 110.00 USD is 10.00 USD (10%) over" in found.text


def test_errors_over_the_budget_are_told_in_percentage_points(summary_of):
    found = decide(summary_of({"error_rate": 0.05}), Budgets(error_rate_budget=0.02))
    assert "error rate of 5% is 3 percentage points over" in found.text


def test_levels_that_are_all_invalid_cannot_be_relied_on(summary_of):
    found = decide(summary_of({"verdict": "invalid"}, {"verdict": "invalid", "concurrency": 2}), Budgets())
    assert found.winner is None
    assert "all 2 are invalid" in found.text


def test_only_the_payload_file_of_interest_is_decided_on(summary_of):
    summary = summary_of(
        {"payload_file": "payload_en_1-500.jsonl", "price_per_txn": 0.0001},
        {"payload_file": "payload_en_500-1000.jsonl"},
    )
    found = decide(summary, BUDGETS, "en_500-1000")
    assert found.payload_file == "payload_en_500-1000.jsonl"
    assert len(found.judgements) == 1
    assert decide(summary, BUDGETS).payload_file == "payload_en_1-500.jsonl"


def test_nothing_measured_is_said():
    found = decide(pd.DataFrame(columns=list(SUMMARY_COLUMNS)), BUDGETS)
    assert found.text == "Nothing can be decided: no level was measured."
    assert found.winner is None
    assert found.nearest is None
    json.dumps(found.to_dict())


def test_the_sentence_of_the_reference_level(summary_of):
    summary = summary_of(
        {
            "experiment_name": "Meta-Llama-3-8B-Instruct-triton",
            "payload_file": "payload_en_3000-3840.jsonl",
            "instance_type": "trn1.32xlarge",
            "concurrency": 2,
            "latency_p95": 1.83,
            "latency_p95_low": 1.8,
            "latency_p95_high": 1.86,
            "transactions_per_minute": 79.0,
            "price_per_txn": 21.5 / 60 / 79,
        },
        {"payload_file": "payload_en_3000-3840.jsonl", "concurrency": 4, "latency_p95": 2.25},
    )
    assert decide(summary, BUDGETS, "en_3000-3840").text == (
        "Meta-Llama-3-8B-Instruct-triton on trn1.32xlarge at concurrency 2 is the only one of 2 levels that meets "
        "every budget (latency p95 ≤ 2 s, error rate ≤ 0%, ≤ 100.00 USD per 10,000 transactions) for "
        "payload_en_3000-3840.jsonl: latency p95 1.83 s (95% CI 1.8 to 1.86 s), 79 transactions/minute, "
        "45.36 USD per 10,000 transactions."
    )


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            {"latency_p95": 1.9, "latency_p95_low": 1.8, "latency_p95_high": 2.2},
            "uncertain that its latency p95 is within",
        ),
        ({"latency_p95_low": None, "latency_p95_high": None, "latency_n": 30}, "n = 30, too few for a confidence"),
        ({"latency_p95_low": None, "latency_p95_high": None, "latency_n": None}, "(no confidence interval)"),
        (
            {"verdict": "degraded", "price_verified": False},
            "; its measurement is degraded and its price is unverified.",
        ),
        ({"verdict": "degraded"}, "its measurement is degraded"),
        ({"price_verified": False}, "its price is unverified"),
        ({"concurrency": None, "request_rate": 0.5}, "at 0.5 requests/s is"),
        ({"instance_count": 3}, "on 3 × g5.xlarge at"),
    ],
)
def test_what_a_reader_must_know_is_in_the_sentence(summary_of, change, words):
    assert words in decide(summary_of(change), BUDGETS).text


def test_no_budget_is_said(summary_of):
    assert "(no budget was set)" in decide(summary_of({}, {"concurrency": 2}), Budgets()).text


@given(
    st.lists(
        st.tuples(
            st.one_of(st.none(), st.floats(0.1, 10)),
            st.one_of(st.none(), st.floats(0.0001, 0.1)),
            st.floats(0, 1),
            st.sampled_from(["valid", "degraded", "invalid"]),
        ),
        min_size=1,
        max_size=8,
    ),
    st.one_of(st.none(), st.floats(0.1, 10)),
    st.one_of(st.none(), st.floats(1, 1000)),
    st.one_of(st.none(), st.floats(0, 1)),
)
def test_whatever_the_levels_the_rule_holds_and_one_sentence_is_said(levels, latency, cost, errors):
    budgets = Budgets(latency_budget=latency, cost_per_10k_txn_budget=cost, error_rate_budget=errors)
    rows = [
        {
            "experiment_name": "e",
            "payload_file": "p",
            "instance_type": "i",
            "concurrency": place,
            "latency_p95": p95,
            "price_per_txn": price,
            "price_per_10k_txn": None if price is None else price * 10_000,
            "error_rate": rate,
            "verdict": verdict,
        }
        for place, (p95, price, rate, verdict) in enumerate(levels)
    ]
    found = decide(pd.DataFrame(rows), budgets)
    assert (found.winner is None) != (found.nearest is None)
    assert found.text.endswith(".")
    assert "\n" not in found.text
    assert "nan" not in found.text
    assert "None" not in found.text
    json.dumps(found.to_dict(), allow_nan=False)
    if found.winner is not None:
        assert found.winner["verdict"] != "invalid"
        assert latency is None or found.winner["latency_p95"] <= latency
        assert cost is None or found.winner["price_per_10k_txn"] <= cost
        assert errors is None or found.winner["error_rate"] <= errors
        prices = [one.row["price_per_txn"] for one in found.passed if one.row["price_per_txn"] is not None]
        assert found.winner["price_per_txn"] == (min(prices) if prices else None)
