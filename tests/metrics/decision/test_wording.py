"""Numbers in words."""

from __future__ import annotations

import pytest

from fmbench_lib.metrics.decision.budgets import Budgets
from fmbench_lib.metrics.decision.wording import (
    budgets_text,
    figure,
    load_label,
    percentile_text,
    time_text,
    together,
    usd,
)
from fmbench_lib.metrics.imported_level import UNKNOWN_LOAD


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (1.83, "1.83"),
        (79.0, "79"),
        (1.80, "1.8"),
        (12345.6, "12,346"),
        (0.00000131, "0.00000131"),
        (100.0, "100"),
        (0, "0"),
    ],
)
def test_three_digits_and_never_an_exponent(value, written):
    assert figure(value) == written


@pytest.mark.parametrize(
    ("value", "written"),
    [(45.3586, "45.36 USD"), (1234.5, "1,234.50 USD"), (0.004536, "0.00454 USD"), (0, "0.00 USD"), (0.1, "0.10 USD")],
)
def test_money(value, written):
    assert usd(value) == written


def test_loads_and_budgets():
    assert load_label({"concurrency": 4}) == "concurrency 4"
    assert load_label({"concurrency": None, "request_rate": 0.5}) == "0.5 requests/s"
    assert load_label({"load": "all-at-once"}) == "load all-at-once"
    assert load_label({"load": UNKNOWN_LOAD}) == load_label({}) == "an unknown load"
    assert budgets_text(Budgets()) == ""
    asked = Budgets(2, 100, 0.01, latency_latitude=0.01)
    assert budgets_text(asked) == "latency p95 ≤ 2 s (+1%), error rate ≤ 1%, ≤ 100.00 USD per 10,000 transactions"
    every = Budgets(
        error_rate_budget=0, slo_attainment_budget=0.99, budgets={"TTFT_p95": 0.5, "slo_attainment_tpot": 0.9}
    )
    assert budgets_text(every) == (
        "TTFT p95 ≤ 0.5 s, error rate ≤ 0%, 99% of requests within their objectives, "
        "attainment of the TPOT objective ≥ 90%"
    )


def test_a_percentile_without_an_interval_is_marked():
    known = {
        "TTFT_p95": 0.5,
        "TTFT_p95_low": 0.4,
        "TTFT_p95_high": 0.6,
        "TTFT_p99": 0.9,
        "TTFT_n": 80,
        "ITL_mean": 0.01,
    }
    assert percentile_text(known, "TTFT_p95") == "0.5 s (95% CI 0.4 to 0.6 s)"
    assert percentile_text(known, "TTFT_p99") == "≈ 0.9 s (n = 80, too few for a confidence interval)"
    assert percentile_text({"ITL_p50": 0.01}, "ITL_p50") == "≈ 0.01 s (no confidence interval)"
    assert percentile_text(known, "ITL_mean") == "0.01 s"
    assert [time_text(known, name) for name in ("TTFT_p95", "TTFT_p99", "TTFT_p50")] == ["0.5 s", "≈ 0.9 s", "unknown"]


def test_of_many_names_the_first_are_told_and_how_many_others_there_are() -> None:
    assert together(["a"]) == "a"
    assert together(["a", "b", "c", "d"]) == "a and b and c and d"
    assert together(list("abcdefg")) == "a, b, c and 4 others"
    assert together(list("abcd"), most=3) == "a, b and 2 others"
