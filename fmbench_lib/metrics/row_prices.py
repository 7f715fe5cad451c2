"""The price columns of a row: what a transaction and a token cost at a level, and how far the price can be trusted."""

from __future__ import annotations

from typing import Any

from fmbench_lib.metrics.missing import Row, number, or_nan, text
from fmbench_lib.metrics.prices import begun_hours, hours_cost, instance_price_per_txn, price_per_token, tokens_cost
from fmbench_lib.pricing.price_list import InstancePrice, Price, PriceList, TokenPrice


def price_columns(row: Row, prices: PriceList) -> dict[str, Any]:
    """`price_per_txn`, `price_per_token`, `price_per_10k_txn` and GPU-hour of a row, with the price's kind and origin.

    `price_note` says why there is no price: none is listed, nothing was completed, or the tokens are unknown.
    """
    instance_type = text(row, "instance_type")
    found = prices.lookup(instance_type)
    per_txn, note = _price_per_txn(row, found) if found else (None, prices.why_none(instance_type))
    per_token = _price_per_token(row, per_txn)
    return {
        "price_per_txn": or_nan(per_txn),
        "price_per_token": or_nan(per_token),
        "price_per_10k_txn": or_nan(None if per_txn is None else 10_000 * per_txn),
        "price_per_accelerator_hour": or_nan(accelerator_hourly(found)),
        **price_origin(found),
        "price_note": note,
    }


def price_origin(price: Price | None) -> dict[str, Any]:
    """What kind of price it is and where it comes from, by column; all empty of none."""
    origin = price.origin if price else None
    return {
        "price_kind": {InstancePrice: "instance", TokenPrice: "token"}[type(price)] if price else None,
        "price_source": origin.source if origin else None,
        "price_listed_in": origin.listed_in if origin else None,
        "price_region": origin.region if origin else None,
        "price_date": origin.date if origin else None,
        "price_verified": origin.verified if origin else None,
    }


def accelerator_hourly(price: Price | None) -> float | None:
    """USD for an hour of one accelerator; None of a price by the token, or where their number is not known."""
    return price.accelerator_hourly if isinstance(price, InstancePrice) else None


def _price_per_txn(row: Row, price: Price) -> tuple[float | None, str | None]:
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


def cost_of(price: Price, row: Row, seconds: float | None, *, whole_hours: bool = False) -> float | None:
    """What `seconds` of a row's instances cost, or its tokens where they are what is paid for; None if unknown.

    `whole_hours`: every hour that was begun is paid for. What requests cost of which none succeeded is unknown. Reads
    `instance_count`, `billed_prompt_tokens`, `billed_completion_tokens`, `billed_cached_tokens`.
    """
    if isinstance(price, InstancePrice):
        if seconds is None:
            return None
        paid = begun_hours(seconds) if whole_hours else seconds
        return hours_cost(price.hourly, number(row, "instance_count"), paid)
    tokens_in, tokens_out = number(row, "billed_prompt_tokens"), number(row, "billed_completion_tokens")
    if tokens_in is None or tokens_out is None or tokens_in + tokens_out == 0:
        return None
    return tokens_cost(price, tokens_in, tokens_out, number(row, "billed_cached_tokens"))
