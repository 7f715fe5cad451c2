"""Price lists as files and configs write them."""

from __future__ import annotations

import datetime

import pytest

from fmbench_lib.errors import PriceFileError
from fmbench_lib.pricing.price_list import InstancePrice, Origin, PriceList, TokenPrice

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
