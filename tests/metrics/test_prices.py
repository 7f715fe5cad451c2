"""Price lists as files and configs write them, and the price formulas against the figures of a published report."""

from __future__ import annotations

import datetime
import math

import pytest

from fmbench_lib.errors import PriceFileError
from fmbench_lib.metrics.prices import (
    InstancePrice,
    Origin,
    PriceList,
    TokenPrice,
    begun_hours,
    hours_cost,
    instance_price_per_txn,
    price_per_token,
    tokens_cost,
)

LISTED = {
    "pricing": {
        "defaults": {"source": "a list", "region": "us-west-2", "date": "unknown"},
        "instance_based": {
            "trn1.32xlarge": 21.50,
            "g5.xlarge": {"hourly": 1.006, "date": datetime.date(2026, 11, 22), "source": "EC2", "verified": True},
            "both": 3,
        },
        "token_based": {
            "some.model:0": {"input-per-1k-tokens": 0.003, "output-per-1k-tokens": 0.015},
            "both": {"input-per-1k-tokens": 1, "output-per-1k-tokens": 1},
        },
    }
}


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


def test_a_list_keeps_where_each_price_comes_from():
    prices = PriceList.from_mapping(LISTED, "pricing.yml")
    trn1 = prices.lookup("trn1.32xlarge")
    assert trn1 == InstancePrice("trn1.32xlarge", 21.5, Origin("a list", None, "us-west-2", False, "pricing.yml"))
    assert prices.lookup("g5.xlarge").origin == Origin("EC2", "2026-11-22", "us-west-2", True, "pricing.yml")
    assert prices.lookup("some.model:0").input_per_1k == 0.003
    assert prices.lookup("p5.48xlarge") is None
    assert prices.lookup(None) is None


def test_an_id_listed_both_ways_costs_by_the_hour():
    assert isinstance(PriceList.from_mapping(LISTED, "f").lookup("both"), InstancePrice)


def test_an_inline_mapping_needs_no_sections_and_names_its_source():
    prices = PriceList.from_mapping(
        {"g5.xlarge": 1, "m": {"input-per-1k-tokens": 1, "output-per-1k-tokens": 2}}, "my.yml"
    )
    assert prices.lookup("g5.xlarge") == InstancePrice("g5.xlarge", 1.0, Origin("my.yml", listed_in="my.yml"))
    assert isinstance(prices.lookup("m"), TokenPrice)


def test_a_users_prices_replace_entry_by_entry_whatever_their_kind():
    base = PriceList.from_mapping(LISTED, "pricing.yml")
    own = PriceList.from_mapping({"both": {"input-per-1k-tokens": 9, "output-per-1k-tokens": 9}, "new": 5}, "config")
    merged = base.overridden_by(own)
    assert isinstance(merged.lookup("both"), TokenPrice)
    assert merged.lookup("new").hourly == 5
    assert merged.lookup("trn1.32xlarge").hourly == 21.5
    assert merged.lookup("new").origin.listed_in == "config"
    assert merged.lookup("trn1.32xlarge").origin.listed_in == "pricing.yml"
    assert base.lookup("new") is None


def test_a_plain_price_of_a_users_own_keeps_the_accelerators_that_the_type_has():
    base = PriceList.from_mapping({"pricing": {"accelerators": {"g5.12xlarge": 4}}}, "pricing.yml")
    merged = base.overridden_by(PriceList.from_mapping({"g5.12xlarge": 6.0, "ml.g5.12xlarge": 8.0, "mine": 1}, "own"))
    assert merged.lookup("g5.12xlarge").accelerator_hourly == 1.5
    assert merged.lookup("ml.g5.12xlarge").accelerator_hourly == 2.0
    assert merged.lookup("mine").accelerator_hourly is None


def test_a_price_by_the_gpu_hour_is_that_of_all_accelerators():
    prices = PriceList.from_mapping({"h100": {"accelerator_hourly": 2.5, "accelerators": 8}, "cpu": 1}, "rented.yml")
    assert prices.lookup("h100").hourly == 20.0
    assert prices.lookup("h100").accelerator_hourly == 2.5


def test_why_there_is_no_price():
    prices = PriceList({}, absent={"g5.xlarge": "AWS refused"})
    assert prices.why_none("g5.xlarge") == "no price listed for g5.xlarge, and none found: AWS refused"
    assert prices.why_none("x") == "no price listed for x"
    assert prices.why_none(None) == "no instance_type given"


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


@pytest.mark.parametrize(
    ("content", "place"),
    [
        ({"pricing": {"instance_based": {"g5.xlarge": "1.006"}}}, "pricing.instance_based.g5.xlarge"),
        ({"pricing": {"instance_based": {"g5.xlarge": -1}}}, "pricing.instance_based.g5.xlarge"),
        ({"pricing": {"instance_based": {"g5.xlarge": True}}}, "pricing.instance_based.g5.xlarge"),
        ({"pricing": {"instance_based": {"g5.xlarge": None}}}, "pricing.instance_based.g5.xlarge"),
        ({"pricing": {"instance_based": {"g5.xlarge": float("nan")}}}, "pricing.instance_based.g5.xlarge"),
        ({"pricing": {"instance_based": {"g5.xlarge": {"hourly": "x"}}}}, "pricing.instance_based.g5.xlarge.hourly"),
        ({"pricing": {"instance_based": {"g5.xlarge": {"source": "x"}}}}, "pricing.instance_based.g5.xlarge"),
        ({"pricing": {"instance_based": {"g5.xlarge": {"hourly": 1, "dat": 1}}}}, "g5.xlarge.dat"),
        ({"pricing": {"token_based": {"m": {"input-per-1k-tokens": 1}}}}, "pricing.token_based.m"),
        ({"pricing": {"token_based": {"m": 3}}}, "pricing.token_based.m"),
        ({"pricing": {"instance_based": [1]}}, "pricing.instance_based"),
        ({"pricing": {"instance_based": {}, "other": {}}}, "other"),
        ({"pricing": {"defaults": {"verified": "yes"}, "instance_based": {}}}, "defaults.verified"),
        ({"pricing": {"defaults": {"hourly": 1}, "instance_based": {}}}, "defaults.hourly"),
        ({"pricing": {"defaults": "x", "instance_based": {}}}, "pricing.defaults"),
        ({"pricing": 3}, "pricing"),
        ({"pricing": {"accelerators": {"g5.xlarge": "one"}}}, "pricing.accelerators.g5.xlarge"),
        ({"pricing": {"accelerators": [1]}}, "pricing.accelerators"),
        ({"h100": {"accelerator_hourly": 2.5}}, "pricing.h100"),
        ({"h100": {"accelerator_hourly": 2.5, "accelerators": 0}}, "pricing.h100"),
        ({"h100": {"accelerator_hourly": 2.5, "hourly": 20, "accelerators": 8}}, "pricing.h100"),
        ({"h100": {"hourly": 20, "accelerators": 1.5}}, "pricing.h100.accelerators"),
    ],
)
def test_what_is_no_price_is_named_with_its_file_and_key(content, place):
    with pytest.raises(PriceFileError) as caught:
        PriceList.from_mapping(content, "my-prices.yml")
    message = str(caught.value)
    assert message.startswith("my-prices.yml: ")
    assert place in message
    assert "\n" not in message
