"""On which side of a budget a figure surely lies, by its interval."""

from __future__ import annotations

import pytest

from fmbench_lib.metrics.decision.budgets import Budgets, judge
from fmbench_lib.metrics.decision.intervals import interval_of
from fmbench_lib.metrics.decision.wording import standing_text
from fmbench_lib.metrics.statistics.proportions import wilson

ROW = {
    "latency_p95": 2.0,
    "latency_p95_low": 1.8,
    "latency_p95_high": 2.1,
    "latency_n": 400,
    "latency_effective_n": 200.0,
    "ITL_p90": 0.02,
    "TPOT_mean": 0.03,
    "requests": 400,
    "error_rate": 0.01,
    "slo_attainment": 0.97,
    "transactions_per_second": 2.0,
    "transactions_per_minute": 120.0,
    "transactions_per_minute_low": 108.0,
    "transactions_per_minute_high": 132.0,
    "completion_token_throughput": 100.0,
    "completion_token_throughput_low": 90.0,
    "completion_token_throughput_high": 110.0,
    "prompt_token_throughput": 50.0,
    "price_per_10k_txn": 50.0,
    "price_per_10k_txn_low": 45.0,
    "price_per_10k_txn_high": 60.0,
    "price_per_1m_tokens": 2.0,
}


def stands(column: str, limit: float) -> str:
    """How the row stands to one budget."""
    outcomes = judge(ROW, Budgets(budgets={column: limit})).outcomes
    return standing_text(outcomes[0])


@pytest.mark.parametrize(
    ("column", "limits"),
    [
        ("latency_p95", {1.7: "surely missed", 1.8: "undecided", 2.05: "undecided", 2.1: "surely met"}),
        ("ITL_p90", {0.01: "undecided", 0.5: "undecided"}),  # a percentile without an interval
        ("TPOT_mean", {0.02: "missed", 0.04: "met"}),  # a mean has none
        ("transactions_per_minute", {107: "surely met", 110: "undecided", 132: "undecided", 133: "surely missed"}),
        ("transactions_per_second", {1.8: "surely met", 1.9: "undecided", 2.21: "surely missed"}),
        ("completion_token_throughput", {89: "surely met", 100: "undecided", 111: "surely missed"}),
        ("prompt_token_throughput", {49: "met", 51: "missed"}),
        ("price_per_1m_tokens", {1.7: "surely missed", 1.9: "undecided", 2.3: "undecided", 2.4: "surely met"}),
        ("goodput", {1.0: "unknown"}),
    ],
)
def test_each_kind_of_budget(column: str, limits: dict[float, str]) -> None:
    assert {limit: stands(column, limit) for limit in limits} == limits


def test_a_share_is_judged_by_the_requests_that_are_independent() -> None:
    """Of 400 requests 4 failed, which tells as much as 2 of 200: by the exact binomial test at 2.5%, 2 or fewer of 200
    would come of 4% in 1.2% of the cases and of 3% in 6%; 2 or more of 200 come of 0.1% in 1.8% and of 0.2% in 6%."""
    shown = {limit: stands("error_rate", limit) for limit in (0.04, 0.03, 0.005, 0.002, 0.001)}
    assert shown == {
        0.04: "surely met",
        0.03: "undecided",
        0.005: "undecided",
        0.002: "undecided",
        0.001: "surely missed",
    }
    assert interval_of(ROW, "error_rate") == wilson(2, 200)
    assert stands("slo_attainment", 0.9) == "surely met"
    assert stands("slo_attainment", 0.95) == "undecided"
    assert stands("slo_attainment", 0.999) == "surely missed"


def test_no_failure_in_a_few_requests_does_not_show_a_small_rate() -> None:
    row = {**ROW, "error_rate": 0.0, "requests": 20, "latency_n": 20, "latency_effective_n": 20.0}
    outcome = judge(row, Budgets(error_rate_budget=0.05)).outcomes[0]
    assert (outcome.met, standing_text(outcome), outcome.doubtful) == (True, "undecided", False)
    assert standing_text(judge(row, Budgets(error_rate_budget=0.5)).outcomes[0]) == "surely met"


def test_a_budget_of_no_failure_is_about_those_that_were_sent() -> None:
    assert standing_text(judge({**ROW, "error_rate": 0.0}, Budgets(error_rate_budget=0.0)).outcomes[0]) == "met"
    assert stands("error_rate", 0.0) == "missed"
    assert stands("slo_attainment", 1.0) == "missed"


def test_where_nobody_knows_what_is_independent_a_share_is_undecided() -> None:
    row = {**ROW, "latency_effective_n": None}
    assert standing_text(judge(row, Budgets(error_rate_budget=0.9)).outcomes[0]) == "undecided"
    assert interval_of(row, "error_rate") is None
