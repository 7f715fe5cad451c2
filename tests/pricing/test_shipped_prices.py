"""The price file that ships."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from fmbench_lib.pricing.price_list import InstancePrice, PriceList, TokenPrice

PATH = Path(__file__).parents[2] / "pricing.yml"


@pytest.fixture(scope="module")
def shipped():
    return PriceList.from_mapping(yaml.safe_load(PATH.read_text(encoding="utf-8")), PATH.name)


def test_it_holds_prices_of_both_kinds(shipped):
    kinds = [type(price) for price in shipped.entries.values()]
    assert kinds.count(InstancePrice) > 60
    assert kinds.count(TokenPrice) > 30
    assert shipped.lookup("trn1.32xlarge").hourly == 21.50
    assert shipped.lookup("ml.g5.xlarge").hourly == 1.4084
    assert shipped.lookup("us.amazon.nova-lite-v1:0").output_per_1k == 0.00024


def test_no_price_claims_to_be_verified_that_is_not(shipped):
    for price in shipped.entries.values():
        assert not price.origin.verified
        assert "not checked" in price.origin.source or price.origin.source.startswith("assumption")


def test_accelerators_are_counted_by_type(shipped):
    assert shipped.lookup("trn1.32xlarge").accelerator_hourly == 1.34375
    assert shipped.lookup("ml.g5.12xlarge").accelerators == 4
    assert shipped.lookup("m7i.12xlarge").accelerators is None
    assert not [kind for kind in shipped.accelerators if kind.startswith("ml.")]


def test_the_local_machine_is_priced_by_an_assumption_that_says_so(shipped):
    local = shipped.lookup("local-cpu")
    assert local.hourly == 0.1008
    assert local.origin.source.startswith("assumption")
    assert local.origin.date == "2026-11-22"
