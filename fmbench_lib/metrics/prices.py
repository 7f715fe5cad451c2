"""What things cost, in USD: the price of a transaction and of a token, the cost of an experiment."""

from __future__ import annotations

import math

from fmbench_lib.pricing.price_list import TokenPrice


def instance_price_per_txn(hourly: float, instance_count: float | None, transactions_per_minute: float) -> float | None:
    """`hourly * instance_count / 60 / transactions_per_minute`; a count that is not given is one instance.

    None where nothing was completed: the instance cost something, but no transaction to spread it over.
    """
    if transactions_per_minute <= 0:
        return None
    return hourly * (1 if instance_count is None else instance_count) / 60 / transactions_per_minute


def tokens_cost(price: TokenPrice, tokens_in: float, tokens_out: float, cached: float | None = None) -> float:
    """`in/1000 * in_rate + out/1000 * out_rate`, cached input tokens at their own rate where the list has one."""
    at_cached_rate = min(cached or 0.0, tokens_in) if price.cached_per_1k is not None else 0.0
    cost = (tokens_in - at_cached_rate) / 1000 * price.input_per_1k + tokens_out / 1000 * price.output_per_1k
    return cost + at_cached_rate / 1000 * (price.cached_per_1k or 0.0)


def price_per_token(price_per_txn: float, tokens_in_mean: float, tokens_out_mean: float) -> float | None:
    """`price_per_txn / (in_mean + out_mean)`; None of a transaction without tokens."""
    tokens = tokens_in_mean + tokens_out_mean
    return price_per_txn / tokens if tokens > 0 else None


def hours_cost(hourly: float, instance_count: float | None, seconds: float) -> float:
    """`hourly / 3600 * seconds * instance_count`; a count that is not given is one instance."""
    return hourly / 3600 * seconds * (1 if instance_count is None else instance_count)


def begun_hours(seconds: float) -> float:
    """The seconds that are paid for where every hour that was begun is, rounded up to whole hours."""
    return 3600.0 * math.ceil(seconds / 3600) if math.isfinite(seconds) else seconds
