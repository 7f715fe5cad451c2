"""The price formulas against the figures of a published report."""

from __future__ import annotations

import math

import pytest

from fmbench_lib.metrics.prices import begun_hours, hours_cost, instance_price_per_txn, price_per_token, tokens_cost
from fmbench_lib.pricing.price_list import Origin, PriceList, TokenPrice


def test_the_figures_of_the_reference_report():
    """A trn1.32xlarge at 21.50 USD/h: 79 transactions/minute of 3433 + 42 tokens, 305 of them, and 1259.29 s."""
    per_txn = instance_price_per_txn(21.50, None, 79)
    assert per_txn == pytest.approx(0.004535865, rel=1e-5)
    assert round(per_txn, 6) == 0.004536
    assert price_per_token(per_txn, 3433, 42) == pytest.approx(0.00000130528, rel=1e-5)
    assert round(price_per_token(per_txn, 3433, 42), 8) == 0.00000131
    assert 10_000 * instance_price_per_txn(21.50, 1, 305) == pytest.approx(11.748634, rel=1e-5)
    assert round(10_000 * instance_price_per_txn(21.50, 1, 305), 2) == 11.75
    assert hours_cost(21.50, None, 1259.29) == pytest.approx(7.520760, rel=1e-5)
    assert round(hours_cost(21.50, None, 1259.29), 4) == 7.5208


def test_prices_by_hand():
    assert instance_price_per_txn(6.0, 2, 10) == pytest.approx(6 * 2 / 60 / 10)
    assert instance_price_per_txn(6.0, 1, 0) is None
    price = TokenPrice("m", 0.003, 0.015, Origin("x"))
    assert tokens_cost(price, 2000, 100) == pytest.approx(0.006 + 0.0015)
    assert tokens_cost(price, 2000, 100, cached=1500) == pytest.approx(0.0075)  # the list has no cached price
    cached = TokenPrice("m", 0.003, 0.015, Origin("x"), cached_per_1k=0.0003)
    assert tokens_cost(cached, 2000, 100, cached=1500) == pytest.approx(0.5 * 0.003 + 1.5 * 0.0003 + 0.0015)
    assert price_per_token(0.1, 0, 0) is None
    assert hours_cost(3.6, 3, 1000) == pytest.approx(3.0)


@pytest.mark.parametrize(
    ("seconds", "paid"), [(0, 0), (0.5, 3600), (3600, 3600), (3600.01, 7200), (9000, 10800), (math.inf, math.inf)]
)
def test_hours_that_were_begun(seconds, paid):
    assert begun_hours(seconds) == paid


@pytest.mark.parametrize(
    ("transactions_per_minute", "per_10k"),
    [(305, 11.75), (292, 12.27), (265, 13.52), (237, 15.12), (228, 15.72), (209, 17.15), (189, 18.96), (167, 21.46),
     (112, 31.99), (79, 45.36)],
)  # fmt: skip
def test_ten_thousand_transactions_at_growing_loads(transactions_per_minute, per_10k):
    """21.50 · 10,000 / 60 = 3583.33 USD over the transactions of a minute."""
    assert round(10_000 * instance_price_per_txn(21.50, None, transactions_per_minute), 2) == per_10k


def test_an_instance_may_be_free():
    assert PriceList.from_mapping({"mine": 0}, "f").lookup("mine").hourly == 0
    assert instance_price_per_txn(0.0, None, 10) == 0
