"""The price columns of a row."""

from __future__ import annotations

import math

import pytest

from fmbench_lib.metrics.row_prices import cost_of, price_columns
from fmbench_lib.pricing.price_list import PriceList

PRICES = PriceList.from_mapping(
    {
        "pricing": {
            "instance_based": {
                "trn1.32xlarge": {"hourly": 21.5, "source": "EC2", "date": "2024-09-30", "region": "us-west-2"}
            },
            "token_based": {
                "model:0": {"input-per-1k-tokens": 0.003, "output-per-1k-tokens": 0.015},
                "cached:0": {
                    "input-per-1k-tokens": 0.003,
                    "output-per-1k-tokens": 0.015,
                    "cached-input-per-1k-tokens": 0.0003,
                },
            },
            "accelerators": {"trn1.32xlarge": 16},
        }
    },
    "test",
)
ROW = {
    "instance_type": "trn1.32xlarge",
    "instance_count": float("nan"),
    "transactions_per_minute": 79.0,
    "prompt_token_count_mean": 3433.0,
    "completion_token_count_mean": 42.0,
    "cached_token_count_mean": float("nan"),
}


def test_an_instance_by_the_hour():
    found = price_columns(ROW, PRICES)
    assert found["price_per_txn"] == pytest.approx(0.004535865, rel=1e-5)
    assert found["price_per_token"] == pytest.approx(0.00000130528, rel=1e-5)
    assert found["price_per_10k_txn"] == pytest.approx(45.35865, rel=1e-5)
    assert (found["price_kind"], found["price_source"], found["price_date"]) == ("instance", "EC2", "2024-09-30")
    assert found["price_verified"] is False
    assert (found["price_listed_in"], found["price_region"]) == ("test", "us-west-2")
    assert found["price_per_accelerator_hour"] == 1.34375  # 21.50 for 16 chips
    assert found["price_note"] is None


def test_a_model_by_the_token_needs_no_throughput():
    found = price_columns(ROW | {"instance_type": "model:0", "transactions_per_minute": float("nan")}, PRICES)
    assert found["price_per_txn"] == pytest.approx(3.433 * 0.003 + 0.042 * 0.015)
    assert found["price_kind"] == "token"
    assert math.isnan(found["price_per_accelerator_hour"])


def test_a_model_on_bedrock_by_hand():
    """2,000 tokens in, 150 out, at 0.003 and 0.015 USD per 1,000: 0.006 + 0.00225; with 1,200 of them from the cache
    at 0.0003: 0.8 · 0.003 + 1.2 · 0.0003 + 0.00225 = 0.00501."""
    row = ROW | {"prompt_token_count_mean": 2000.0, "completion_token_count_mean": 150.0}
    plain = price_columns(row | {"instance_type": "model:0", "cached_token_count_mean": 1200.0}, PRICES)
    assert plain["price_per_txn"] == pytest.approx(0.00825, rel=1e-12)
    assert plain["price_per_10k_txn"] == pytest.approx(82.5, rel=1e-12)
    assert plain["price_per_token"] == pytest.approx(0.00825 / 2150, rel=1e-12)
    cached = price_columns(row | {"instance_type": "cached:0", "cached_token_count_mean": 1200.0}, PRICES)
    assert cached["price_per_txn"] == pytest.approx(0.00501, rel=1e-12)
    unsaid = price_columns(row | {"instance_type": "cached:0"}, PRICES)
    assert unsaid["price_per_txn"] == pytest.approx(0.00825, rel=1e-12)


@pytest.mark.parametrize(
    ("change", "note"),
    [
        ({"instance_type": "x1.big"}, "no price listed for x1.big"),
        ({"instance_type": None}, "no instance_type given"),
        ({"transactions_per_minute": float("nan")}, "no throughput, so no share of the hourly price"),
        ({"transactions_per_minute": 0.0}, "nothing was completed in the window"),
        ({"instance_type": "model:0", "completion_token_count_mean": float("nan")}, "token counts unknown"),
    ],
)
def test_a_price_that_cannot_be_known_is_missing_and_says_why(change, note):
    found = price_columns(ROW | change, PRICES)
    assert math.isnan(found["price_per_txn"])
    assert math.isnan(found["price_per_token"])
    assert found["price_note"] == note


def test_without_token_counts_a_transaction_has_a_price_but_a_token_has_none():
    found = price_columns(ROW | {"prompt_token_count_mean": float("nan")}, PRICES)
    assert found["price_per_txn"] == pytest.approx(0.004535865, rel=1e-5)
    assert math.isnan(found["price_per_token"])


def test_what_time_or_tokens_cost():
    instance, model = PRICES.lookup("trn1.32xlarge"), PRICES.lookup("model:0")
    assert cost_of(instance, {"instance_count": 2}, 3600) == pytest.approx(43.0)
    assert cost_of(instance, {}, None) is None
    assert cost_of(model, {"billed_prompt_tokens": 1e6, "billed_completion_tokens": 1e5}, None) == pytest.approx(4.5)
    assert cost_of(model, {"billed_prompt_tokens": 1e6}, 100) is None
