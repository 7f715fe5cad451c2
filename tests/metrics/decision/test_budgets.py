"""Levels beside budgets."""

from __future__ import annotations

import math

import pytest

from fmbench_lib.metrics.decision.budgets import Budgets, judge

ROW = {
    "latency_p95": 2.0,
    "latency_p95_low": 1.8,
    "latency_p95_high": 2.1,
    "error_rate": 0.01,
    "price_per_10k_txn": 50.0,
    "verdict": "valid",
}


def test_nothing_asked_is_met_by_every_level_that_is_not_invalid():
    assert judge({}, Budgets()).passed
    assert not judge({"verdict": "invalid"}, Budgets()).passed


@pytest.mark.parametrize(
    ("budgets", "met"),
    [
        (Budgets(latency_budget=2.0), True),  # at most, not below
        (Budgets(latency_budget=1.99), False),
        (Budgets(latency_budget=1.99, latency_latitude=0.01), True),
        (Budgets(error_rate_budget=0.01), True),
        (Budgets(error_rate_budget=0), False),
        (Budgets(cost_per_10k_txn_budget=50), True),
        (Budgets(cost_per_10k_txn_budget=49.99), False),
    ],
)
def test_each_budget(budgets, met):
    assert judge(ROW, budgets).passed is met


def test_a_miss_says_by_how_much():
    found = judge(ROW, Budgets(latency_budget=1.6, error_rate_budget=0, cost_per_10k_txn_budget=40))
    over = {outcome.column: (outcome.over, outcome.excess) for outcome in found.missed}
    assert over["latency_p95"] == (pytest.approx(0.4), pytest.approx(0.25))
    assert over["error_rate"] == (pytest.approx(0.01), pytest.approx(0.01))
    assert over["price_per_10k_txn"] == (pytest.approx(10), pytest.approx(0.25))
    assert judge(ROW, Budgets(cost_per_10k_txn_budget=0)).missed[0].excess == math.inf


@pytest.mark.parametrize(
    ("missing", "budgets"),
    [
        ("latency_p95", Budgets(latency_budget=2)),
        ("error_rate", Budgets(error_rate_budget=1)),
        ("slo_attainment", Budgets(slo_attainment_budget=0.1)),
        ("price_per_10k_txn", Budgets(cost_per_10k_txn_budget=1e9)),
    ],
)
def test_a_value_that_is_missing_meets_no_budget(missing, budgets):
    found = judge(ROW | {missing: float("nan")}, budgets)
    assert not found.passed
    assert found.missed[0].met is None
    assert judge(ROW | {missing: float("nan")}, Budgets()).passed


@pytest.mark.parametrize(
    ("budget", "doubtful"),
    [(1.7, False), (1.8, True), (2.0, True), (2.09, True), (2.1, False), (3.0, False)],
)
def test_a_budget_inside_the_interval_is_doubtful(budget, doubtful):
    assert judge(ROW, Budgets(latency_budget=budget)).outcomes[0].doubtful is doubtful


def test_no_interval_is_doubtful():
    row = ROW | {"latency_p95_low": None, "latency_p95_high": None}
    assert judge(row, Budgets(latency_budget=100)).outcomes[0].doubtful


@pytest.mark.parametrize(("budget", "met"), [(0.9, True), (0.95, True), (0.96, False)])
def test_a_share_within_objectives_is_bounded_from_below(budget, met):
    found = judge(ROW | {"slo_attainment": 0.95}, Budgets(slo_attainment_budget=budget))
    assert found.passed is met
    if not met:
        assert found.missed[0].over == pytest.approx(0.01)


@pytest.mark.parametrize(
    ("limits", "met"),
    [
        ({"TTFT_p95": 0.5}, True),
        ({"TTFT_p95": 0.4}, False),
        ({"TPOT_p50": 0.03, "ITL_mean": 0.02}, True),
        ({"TPOT_p50": 0.03, "ITL_mean": 0.01}, False),
        ({"slo_attainment_ttft": 0.9}, True),
        ({"slo_attainment_ttft": 0.95}, False),
    ],
)
def test_any_time_or_share_can_have_a_budget(limits, met):
    row = ROW | {"TTFT_p95": 0.5, "TPOT_p50": 0.03, "ITL_mean": 0.02, "slo_attainment_ttft": 0.92}
    found = judge(row, Budgets(budgets=limits))
    assert found.passed is met
    assert not judge(ROW, Budgets(budgets=limits)).passed


def test_a_percentile_without_an_interval_is_doubtful_and_a_mean_or_share_is_not():
    limits = {"TTFT_p99": 1.0, "TTFT_mean": 1.0, "slo_attainment_tpot": 0.5}
    found = judge(dict.fromkeys(limits, 0.8), Budgets(budgets=limits))
    assert {outcome.column: outcome.doubtful for outcome in found.outcomes} == {
        "TTFT_p99": True,
        "TTFT_mean": False,
        "slo_attainment_tpot": False,
    }


def test_a_level_that_is_not_known_to_keep_up_does_not_pass():
    for said, passes in (("no", False), ("yes", True), ("unknown", False), (None, True), (float("nan"), True)):
        assert judge(ROW | {"sustainable": said}, Budgets()).passed is passes
