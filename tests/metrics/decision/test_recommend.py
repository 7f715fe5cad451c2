"""The level to run on each instance type, for each payload file."""

from __future__ import annotations

from fmbench_lib.metrics.decision.budgets import Budgets
from fmbench_lib.metrics.decision.recommend import COLUMNS, recommendations


def test_the_most_transactions_within_the_budgets(summary_of):
    found = recommendations(
        summary_of(
            {"concurrency": 1, "transactions_per_minute": 40.0},
            {"concurrency": 12, "transactions_per_minute": 364.0, "latency_p50": 1.92, "latency_p95": 1.98},
            {"concurrency": 25, "transactions_per_minute": 500.0, "latency_p95": 4.28},
        ),
        Budgets(latency_budget=2.0),
    )
    assert tuple(found.columns) == COLUMNS
    assert list(found["concurrency"]) == [12]
    assert list(found["within_budgets"]) == [True]
    text = found["recommendation"][0]
    assert text.startswith("Concurrency 12 of exp gets the most done within the budgets (latency p95 ≤ 2 s): ")
    assert "364 transactions/minute, a median latency of ≈ 1.92 s" in text
    assert "on average 100 tokens in and 10 out" in text


def test_one_row_for_each_payload_file_and_instance_type(summary_of):
    found = recommendations(
        summary_of(
            {"payload_file": "b", "instance_type": "x"},
            {"payload_file": "a", "instance_type": "x", "experiment_name": "one", "transactions_per_minute": 5.0},
            {"payload_file": "a", "instance_type": "x", "experiment_name": "two", "transactions_per_minute": 6.0},
            {"payload_file": "a", "instance_type": "y"},
        ),
        Budgets(),
    )
    assert list(zip(found["payload_file"], found["instance_type"], found["experiment_name"], strict=True)) == [
        ("b", "x", "exp"),
        ("a", "x", "two"),
        ("a", "y", "exp"),
    ]


def test_a_type_without_a_level_within_the_budgets_names_its_nearest_and_speaks_of_itself_alone(summary_of):
    found = recommendations(
        summary_of(
            {"instance_type": "fast", "latency_p95": 1.0},
            {"instance_type": "slow", "latency_p95": 5.0, "concurrency": 2},
            {"instance_type": "slow", "latency_p95": 3.0},
        ),
        Budgets(latency_budget=2.0),
    )
    assert list(found["within_budgets"]) == [True, False]
    text = found["recommendation"][1]
    assert text.startswith(
        "No level of payload_en_1-500.jsonl on slow meets every budget (latency p95 ≤ 2 s; 2 judged)"
    )
    assert "is 1 s (50%) over" in text
