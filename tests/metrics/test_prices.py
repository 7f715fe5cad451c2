"""The price formulas against the figures of a published report, and the price columns of a row."""

from __future__ import annotations

import math

import pytest

from fmbench_lib.errors import PriceFileError
from fmbench_lib.metrics.prices import (
    begun_hours,
    cost_of,
    hours_cost,
    instance_price_per_txn,
    price_columns,
    price_per_token,
    tokens_cost,
)
from fmbench_lib.pricing.price_list import Origin, PriceList, TokenPrice

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


CACHE = TokenPrice("m", 0.003, 0.015, Origin("x"), cached_per_1k=0.0003, cache_write_per_1k=0.00375)


def test_tokens_read_from_a_cache_and_written_to_it_have_their_own_rates():
    """2,000 in, 1,200 of them read and 500 written, 150 out: 0.3·0.003 + 1.2·0.0003 + 0.5·0.00375 + 0.15·0.015."""
    assert tokens_cost(CACHE, 2000, 150, 1200, 500) == pytest.approx(0.0009 + 0.00036 + 0.001875 + 0.00225)
    assert tokens_cost(CACHE, 2000, 0, 1800, 500) == pytest.approx(
        1.8 * 0.0003 + 0.2 * 0.00375
    )  # no more than there are
    without = TokenPrice("m", 0.003, 0.015, Origin("x"))
    assert tokens_cost(without, 2000, 150, 1200, 500) == pytest.approx(0.00825)


def test_a_million_tokens_in_out_and_blended_by_the_token():
    listed = {
        "input-per-1m-tokens": 3.0,
        "output-per-1m-tokens": 15.0,
        "cached-input-per-1m-tokens": 0.3,
        "cache-write-per-1m-tokens": 3.75,
    }
    prices = PriceList.from_mapping({"token_based": {"model:1": listed}}, "test")
    row = {
        "instance_type": "model:1",
        "prompt_token_count_mean": 2000.0,
        "completion_token_count_mean": 150.0,
        "cached_token_count_mean": 1200.0,
        "cache_write_token_count_mean": 500.0,
    }
    found = price_columns(row, prices)
    per_txn = 0.0009 + 0.00036 + 0.001875 + 0.00225
    assert found["price_per_txn"] == pytest.approx(per_txn)
    assert found["price_per_1m_tokens"] == pytest.approx(1e6 * per_txn / 2150)
    assert found["price_per_1m_input_tokens"] == pytest.approx(1e6 * (per_txn - 0.00225) / 2000)
    assert found["price_per_1m_output_tokens"] == pytest.approx(15.0)


def test_a_million_tokens_of_a_machine():
    """21.50 USD/h at 79 transactions a minute: each side alone bears the whole of 0.0045359 USD."""
    found = price_columns(ROW, PRICES)
    per_txn = 21.5 / 60 / 79
    assert found["price_per_1m_tokens"] == pytest.approx(1e6 * per_txn / 3475)
    assert found["price_per_1m_input_tokens"] == pytest.approx(1e6 * per_txn / 3433)
    assert found["price_per_1m_output_tokens"] == pytest.approx(1e6 * per_txn / 42)
    silent = price_columns({**ROW, "completion_token_count_mean": 0.0}, PRICES)
    assert math.isnan(silent["price_per_1m_output_tokens"])
    unpriced = price_columns({**ROW, "instance_type": "other"}, PRICES)
    assert all(math.isnan(unpriced[f"price_per_1m_{what}tokens"]) for what in ("", "input_", "output_"))


@pytest.mark.parametrize(
    ("choice", "hourly", "terms"),
    [
        ({}, 10.0, "on demand"),
        ({"use": "on_demand"}, 10.0, "on demand"),
        ({"use": "spot"}, 4.0, "spot"),
        ({"use": "reserved", "discount": 0.15}, 6 * 0.85, "reserved, 15% off"),
        ({"discount": 0.1}, 9.0, "on demand, 10% off"),
    ],
)
def test_the_price_on_the_terms_that_are_chosen(choice, hourly, terms):
    entry = {"hourly": 10.0, "spot": 4.0, "reserved": 6.0}
    row = {**ROW, "instance_type": "big"}
    for mapping in (
        {"big": entry, **choice},
        {"big": {**entry, **choice}},
        {"instance_based": {"big": entry}, **choice},
    ):
        prices = PriceList.from_mapping({"pricing": mapping}, "test")
        found = price_columns(row, prices)
        assert found["price_per_txn"] == pytest.approx(hourly / 60 / 79)
        assert found["price_terms"] == terms


def test_what_an_entry_says_goes_before_the_list_and_the_config_before_the_file():
    shipped = PriceList.from_mapping({"a": {"hourly": 1.0, "spot": 0.5}, "b": {"hourly": 2.0, "spot": 1.0}}, "file")
    own = PriceList.from_mapping({"use": "spot", "b": {"hourly": 2.0, "spot": 1.0, "use": "on_demand"}}, "config")
    both = shipped.overridden_by(own)
    assert (both.lookup("a").hourly, both.lookup("b").hourly) == (0.5, 2.0)
    assert both.lookup("a").offers == {"on demand": 1.0, "spot": 0.5}
    assert shipped.lookup("a").hourly == 1.0


def test_terms_that_are_not_offered_have_no_price_and_say_so():
    prices = PriceList.from_mapping({"use": "spot", "big": 10.0}, "test")
    found = price_columns({**ROW, "instance_type": "big"}, prices)
    assert math.isnan(found["price_per_txn"])
    assert (found["price_kind"], found["price_note"]) == (None, "no spot price listed for big")
    only = PriceList.from_mapping({"big": {"reserved": 6.0}}, "test")
    assert price_columns({**ROW, "instance_type": "big"}, only)["price_terms"] == "reserved"


def test_a_discount_takes_its_share_off_every_rate_of_tokens():
    listed = {"input-per-1k-tokens": 1.0, "output-per-1k-tokens": 2.0, "cache-write-per-1k-tokens": 4.0}
    found = PriceList.from_mapping({"discount": 0.25, "m": listed}, "test").lookup("m")
    assert (found.input_per_1k, found.output_per_1k, found.cached_per_1k, found.cache_write_per_1k) == (
        0.75,
        1.5,
        None,
        3,
    )


@pytest.mark.parametrize(
    ("mapping", "words"),
    [
        ({"use": "spott", "a": 1}, "pricing.use: expected on_demand, spot or reserved, found 'spott'"),
        ({"discount": 15, "a": 1}, "pricing.discount: expected a share from 0 to below 1 (0.15 is 15%), found 15"),
        ({"a": {"hourly": 1, "discount": -0.1}}, "pricing.a.discount: expected a share"),
        ({"a": {"hourly": 1, "spot": "cheap"}}, "pricing.a.spot: expected a price in USD"),
        (
            {"a": {"input-per-1k-tokens": 1, "input-per-1m-tokens": 1, "output-per-1k-tokens": 1}},
            "pricing.a.input-per-1m-tokens: input-per-1k-tokens is given too",
        ),
        ({"a": {"input-per-1m-tokens": 1}}, "pricing.a: output-per-1k-tokens is missing"),
    ],
)
def test_a_mistake_in_the_choice_of_a_price_is_named(mapping, words):
    with pytest.raises(PriceFileError) as caught:
        PriceList.from_mapping({"pricing": mapping}, "test")
    assert words in str(caught.value)
