"""The table of the prices that a report was made with."""

from __future__ import annotations

from fmbench_lib.pricing.price_list import PriceList
from fmbench_lib.report.sections.provenance import prices_table

LISTED = {
    "instance_based": {
        "trn1.32xlarge": {
            "hourly": 21.5,
            "source": "EC2",
            "region": "us-west-2",
            "date": "2026-11-22",
            "verified": True,
        },
        "mine": 2,
    },
    "token_based": {
        "a.model": {"input-per-1k-tokens": 0.003, "output-per-1k-tokens": 0.015, "cached-input-per-1k-tokens": 0.0003}
    },
    "accelerators": {"trn1.32xlarge": 16},
}


def test_each_price_says_where_it_comes_from_and_what_a_gpu_hour_is() -> None:
    prices = PriceList.from_mapping({"pricing": LISTED}, "own.yml")
    found = prices_table([prices.lookup(key) for key in ("trn1.32xlarge", "mine", "a.model")]).set_index("for")
    assert found.loc["trn1.32xlarge", "price"] == "21.50 USD per hour, 1.34 USD for each of 16 accelerators"
    assert list(found.loc["trn1.32xlarge", ["source", "listed in", "date", "region", "standing"]]) == [
        "EC2",
        "own.yml",
        "2026-11-22",
        "us-west-2",
        "verified",
    ]
    assert found.loc["mine", "price"] == "2.00 USD per hour"
    assert list(found.loc["mine", ["source", "date", "region"]]) == ["own.yml", "–", "–"]
    assert "0.0003 USD in from the cache" in found.loc["a.model", "price"]
