"""Tokens per user, per accelerator and per USD, by hand."""

from __future__ import annotations

import pytest

from fmbench_lib.metrics.token_rates import token_rates

ROW = {
    "TPOT_p50": 0.02,
    "TPOT_p50_low": 0.016,
    "TPOT_p50_high": 0.025,
    "completion_token_throughput": 400.0,
    "completion_token_throughput_low": 380.0,
    "completion_token_throughput_high": 420.0,
    "transactions_per_minute": 120.0,
    "price_per_txn": 4.0 / 7200,
    "price_per_token": 2e-6,
    "price_per_accelerator_hour": 1.0,
}
"""Two instances of 2 USD an hour with two accelerators each, 7,200 requests an hour."""


def test_the_pace_of_a_user_is_that_of_the_median_token() -> None:
    rates = token_rates(ROW)
    assert [rates[f"tokens_per_user{end}"] for end in ("", "_low", "_high")] == pytest.approx([50, 40, 62.5])


def test_throughput_is_shared_by_accelerators_and_by_dollars() -> None:
    rates = token_rates(ROW)
    assert rates["cost_per_hour"] == pytest.approx(4.0)
    assert [rates[f"tokens_per_accelerator{end}"] for end in ("", "_low", "_high")] == pytest.approx([100, 95, 105])
    assert rates["tokens_per_usd_hour"] == pytest.approx(100)
    assert rates["price_per_1m_tokens"] == pytest.approx(2.0)


@pytest.mark.parametrize(
    ("without", "unknown"),
    [
        ("price_per_txn", {"cost_per_hour", "tokens_per_accelerator", "tokens_per_usd_hour"}),
        ("price_per_accelerator_hour", {"tokens_per_accelerator"}),
        ("TPOT_p50", {"tokens_per_user"}),
        ("price_per_token", {"price_per_1m_tokens"}),
        ("TPOT_p50_low", {"tokens_per_user_high"}),
    ],
)
def test_what_is_not_known_is_missing(without: str, unknown: set[str]) -> None:
    rates = token_rates({**ROW, without: None})
    shown = [name for name in rates if not name.endswith(("_low", "_high"))]
    assert {name for name in [*shown, "tokens_per_user_high"] if rates[name] is None} == unknown
