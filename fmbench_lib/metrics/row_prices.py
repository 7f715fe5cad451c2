"""The price columns of a row: what a transaction and a token cost at a level, and how far the price can be trusted."""

from __future__ import annotations

from typing import Any

from fmbench_lib.metrics.cells import Row, number, or_nan, text
from fmbench_lib.metrics.prices import (
    InstancePrice,
    Price,
    PriceList,
    TokenPrice,
    hours_cost,
    instance_price_per_txn,
    price_per_token,
    tokens_cost,
)


def price_columns(row: Row, prices: PriceList) -> dict[str, Any]:
    """`price_per_txn`, `price_per_token`, `price_per_10k_txn` of a row, with the price's kind and origin.

    `price_note` says why there is no price: none is listed, nothing was completed, or the tokens are unknown.
    """
    instance_type = text(row, "instance_type")
    found = prices.lookup(instance_type)
    per_txn, note = _price_per_txn(row, found)
    per_token = _price_per_token(row, per_txn)
    origin = found.origin if found else None
    return {
        "price_per_txn": or_nan(per_txn),
        "price_per_token": or_nan(per_token),
        "price_per_10k_txn": or_nan(None if per_txn is None else 10_000 * per_txn),
        "price_kind": {InstancePrice: "instance", TokenPrice: "token"}[type(found)] if found else None,
        "price_source": origin.source if origin else None,
        "price_date": origin.date if origin else None,
        "price_verified": origin.verified if origin else None,
        "price_note": note,
    }


def _price_per_txn(row: Row, price: Price | None) -> tuple[float | None, str | None]:
    if price is None:
        instance_type = text(row, "instance_type")
        return None, f"no price listed for {instance_type}" if instance_type else "no instance_type given"
    if isinstance(price, InstancePrice):
        rate = number(row, "transactions_per_minute")
        if rate is None:
            return None, "no throughput, so no share of the hourly price"
        found = instance_price_per_txn(price.hourly, number(row, "instance_count"), rate)
        return found, None if found is not None else "nothing was completed in the window"
    tokens_in, tokens_out = number(row, "prompt_token_count_mean"), number(row, "completion_token_count_mean")
    if tokens_in is None or tokens_out is None:
        return None, "token counts unknown"
    return tokens_cost(price, tokens_in, tokens_out, number(row, "cached_token_count_mean")), None


def _price_per_token(row: Row, per_txn: float | None) -> float | None:
    tokens_in, tokens_out = number(row, "prompt_token_count_mean"), number(row, "completion_token_count_mean")
    if per_txn is None or tokens_in is None or tokens_out is None:
        return None
    return price_per_token(per_txn, tokens_in, tokens_out)


def cost_of(price: Price, row: Row, seconds: float | None) -> float | None:
    """What `seconds` of a row's instances cost, or its tokens where they are what is paid for; None if unknown.

    Reads `instance_count`, `billed_prompt_tokens`, `billed_completion_tokens`, `billed_cached_tokens`.
    """
    if isinstance(price, InstancePrice):
        return None if seconds is None else hours_cost(price.hourly, number(row, "instance_count"), seconds)
    tokens_in, tokens_out = number(row, "billed_prompt_tokens"), number(row, "billed_completion_tokens")
    if tokens_in is None or tokens_out is None:
        return None
    return tokens_cost(price, tokens_in, tokens_out, number(row, "billed_cached_tokens"))
