"""Numbers in words."""

from __future__ import annotations

import pytest

from fmbench_lib.metrics.decision.budgets import Budgets
from fmbench_lib.metrics.decision.wording import budgets_text, figure, load_label, usd


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
    assert load_label({"load": "trace-1"}) == "trace-1"
    assert budgets_text(Budgets()) == ""
    asked = Budgets(2, 100, 0.01, latency_latitude=0.01)
    assert budgets_text(asked) == "latency p95 ≤ 2 s (+1%), error rate ≤ 1%, ≤ 100.00 USD per 10,000 transactions"
