"""What things cost, in USD: a transaction and a token at a level, an hour of an instance, the tokens of a run."""

from __future__ import annotations

import math

from fmbench_lib.metrics.columns import Cells, Column
from fmbench_lib.metrics.missing import NAN, Row, number, or_nan, text
from fmbench_lib.pricing.price_list import ON_DEMAND, InstancePrice, Price, PriceList, TokenPrice

PRICES = (
    Column("price_per_txn", "USD", "number", "price of one successful request"),
    Column("price_per_token", "USD", "number", "`price_per_txn` over its prompt and completion tokens"),
)
PRICE_PER_10K = (
    Column("price_per_10k_txn", "USD", "number", "price of 10,000 successful requests"),
    *(
        Column(f"price_per_10k_txn_{end}", "USD", "number", "end of its 95% interval, by that of the throughput")
        for end in ("low", "high")
    ),
)
PRICE_PER_1M = (
    Column(
        "price_per_1m_tokens",
        "USD",
        "number",
        "price of 1,000,000 tokens of prompts and outputs: `10⁶ · price_per_token`",
    ),
    Column(
        "price_per_1m_input_tokens",
        "USD",
        "number",
        "by the token: what 1,000,000 prompt tokens cost, as the cache has it; by the hour: the whole cost over the "
        "prompt tokens alone",
    ),
    Column(
        "price_per_1m_output_tokens",
        "USD",
        "number",
        "by the token: what 1,000,000 output tokens cost; by the hour: the whole cost over the output tokens alone",
    ),
)
ACCELERATOR_HOUR = Column("price_per_accelerator_hour", "USD/h", "number", "hourly price over the accelerators")
ORIGIN = (
    Column("price_kind", "", "text", "`instance` (by the hour) or `token`"),
    Column("price_terms", "", "text", "`on demand`, `spot` or `reserved`, and the discount: `spot, 15% off`"),
    Column("price_source", "", "text", "whose figure the price is"),
    Column("price_listed_in", "", "text", "the file or service it was read from"),
    Column("price_region", "", "text", "the region it holds for"),
    Column("price_date", "", "text", "when it was true"),
    Column("price_verified", "", "flag", "whether it is the provider's own figure or was compared with it"),
)
PRICE_ORIGIN = (
    ACCELERATOR_HOUR,
    *ORIGIN,
    Column("price_note", "", "text", "why there is no price"),
)


def price_columns(row: Row, prices: PriceList) -> Cells:
    """The columns `PRICES`, `PRICE_PER_10K`, `PRICE_PER_1M` and `PRICE_ORIGIN` of a row.

    `price_note` says why there is no price: none is listed, nothing was completed, or token counts are unknown.
    """
    instance_type = text(row, "instance_type")
    price = prices.lookup(instance_type)
    per_txn, note = _price_per_txn(row, price) if price else (None, prices.why_none(instance_type))
    low, high = (_price_at(row, price, f"transactions_per_minute_{end}") for end in ("high", "low"))
    return {
        "price_per_txn": or_nan(per_txn),
        "price_per_token": or_nan(_price_per_token(row, per_txn)),
        "price_per_10k_txn": or_nan(None if per_txn is None else 10_000 * per_txn),
        "price_per_10k_txn_low": NAN if low is None else 10_000 * low,
        "price_per_10k_txn_high": NAN if high is None else 10_000 * high,
        **_per_million(row, price, per_txn),
        "price_per_accelerator_hour": or_nan(accelerator_hourly(price)),
        **price_origin(price),
        "price_note": note,
    }


def price_origin(price: Price | None) -> Cells:
    """The columns `ORIGIN` of a price; all None without one."""
    origin = price.origin if price else None
    return {
        "price_kind": price_kind(price),
        "price_terms": terms_of(price),
        "price_source": origin.source if origin else None,
        "price_listed_in": origin.listed_in if origin else None,
        "price_region": origin.region if origin else None,
        "price_date": origin.date if origin else None,
        "price_verified": origin.verified if origin else None,
    }


def price_kind(price: Price | None) -> str | None:
    """`instance` or `token`; None without a price."""
    return {InstancePrice: "instance", TokenPrice: "token"}[type(price)] if price else None


def terms_of(price: Price | None) -> str | None:
    """On which terms a price is bought, with the discount taken off it: `reserved, 15% off`; None without a price."""
    if price is None:
        return None
    terms = price.terms if isinstance(price, InstancePrice) else ON_DEMAND
    return f"{terms}, {100 * price.discount:.3g}% off" if price.discount else terms


def accelerator_hourly(price: Price | None) -> float | None:
    """USD for an hour of one accelerator; None for a price per token, or where their number is not known."""
    return price.accelerator_hourly if isinstance(price, InstancePrice) else None


def cost_of(price: Price, row: Row, seconds: float | None, *, whole_hours: bool = False) -> float | None:
    """The cost of `seconds` of a row's instances, or of its tokens where the price is per token; None if unknown.

    `whole_hours`: every hour begun is charged. Without a success the cost of tokens is unknown. Reads
    `instance_count` and the `billed_…_tokens`.
    """
    if isinstance(price, InstancePrice):
        if seconds is None:
            return None
        paid = begun_hours(seconds) if whole_hours else seconds
        return hours_cost(price.hourly, number(row, "instance_count"), paid)
    tokens_in, tokens_out = number(row, "billed_prompt_tokens"), number(row, "billed_completion_tokens")
    if tokens_in is None or tokens_out is None or tokens_in + tokens_out == 0:
        return None
    cached, written = number(row, "billed_cached_tokens"), number(row, "billed_cache_write_tokens")
    return tokens_cost(price, tokens_in, tokens_out, cached, written)


def instance_price_per_txn(hourly: float, instance_count: float | None, transactions_per_minute: float) -> float | None:
    """`hourly * instance_count / 60 / transactions_per_minute`; a missing count is 1.

    None where nothing was completed: there is no transaction to spread the cost over.
    """
    if transactions_per_minute <= 0:
        return None
    return hourly * (1 if instance_count is None else instance_count) / 60 / transactions_per_minute


def tokens_cost(
    price: TokenPrice, tokens_in: float, tokens_out: float, cached: float | None = None, written: float | None = None
) -> float:
    """`in/1000 * in_rate + out/1000 * out_rate`; input tokens read from the cache, and those `written` to it, at their
    own rates where the list has them."""
    return input_cost(price, tokens_in, cached, written) + tokens_out / 1000 * price.output_per_1k


def input_cost(price: TokenPrice, tokens_in: float, cached: float | None = None, written: float | None = None) -> float:
    """The part of `tokens_cost` that is for the input."""
    read_rate, write_rate = price.cached_per_1k, price.cache_write_per_1k
    read = min(cached or 0.0, tokens_in) if read_rate is not None else 0.0
    wrote = min(written or 0.0, tokens_in - read) if write_rate is not None else 0.0
    cost = (tokens_in - read - wrote) / 1000 * price.input_per_1k
    return cost + read / 1000 * (read_rate or 0.0) + wrote / 1000 * (write_rate or 0.0)


def price_per_token(price_per_txn: float, tokens_in_mean: float, tokens_out_mean: float) -> float | None:
    """`price_per_txn / (in_mean + out_mean)`; None without tokens."""
    tokens = tokens_in_mean + tokens_out_mean
    return price_per_txn / tokens if tokens > 0 else None


def hours_cost(hourly: float, instance_count: float | None, seconds: float) -> float:
    """`hourly / 3600 * seconds * instance_count`; a missing count is 1."""
    return hourly / 3600 * seconds * (1 if instance_count is None else instance_count)


def begun_hours(seconds: float) -> float:
    """The seconds charged where every hour begun is charged: rounded up to whole hours."""
    return 3600.0 * math.ceil(seconds / 3600) if math.isfinite(seconds) else seconds


def _price_per_txn(row: Row, price: Price) -> tuple[float | None, str | None]:
    if isinstance(price, InstancePrice):
        rate = number(row, "transactions_per_minute")
        if rate is None:
            return None, "no throughput, so no share of the hourly price"
        per_txn = instance_price_per_txn(price.hourly, number(row, "instance_count"), rate)
        return per_txn, None if per_txn is not None else "nothing was completed in the window"
    tokens_in, tokens_out = number(row, "prompt_token_count_mean"), number(row, "completion_token_count_mean")
    if tokens_in is None or tokens_out is None:
        return None, "token counts unknown"
    return tokens_cost(price, tokens_in, tokens_out, *_cache_means(row)), None


def _cache_means(row: Row) -> tuple[float | None, float | None]:
    return number(row, "cached_token_count_mean"), number(row, "cache_write_token_count_mean")


def _per_million(row: Row, price: Price | None, per_txn: float | None) -> Cells:
    """The columns `PRICE_PER_1M`. An hour of an instance is paid for prompts and outputs together, so each side alone
    bears the whole of it."""
    per_token = _price_per_token(row, per_txn)
    tokens_in, tokens_out = number(row, "prompt_token_count_mean"), number(row, "completion_token_count_mean")
    cost_in = cost_out = per_txn
    if isinstance(price, TokenPrice) and tokens_in is not None and tokens_out is not None:
        cost_in = input_cost(price, tokens_in, *_cache_means(row))
        cost_out = tokens_out / 1000 * price.output_per_1k
    return {
        "price_per_1m_tokens": NAN if per_token is None else 1e6 * per_token,
        "price_per_1m_input_tokens": NAN if cost_in is None or not tokens_in else 1e6 * cost_in / tokens_in,
        "price_per_1m_output_tokens": NAN if cost_out is None or not tokens_out else 1e6 * cost_out / tokens_out,
    }


def _price_at(row: Row, price: Price | None, rate: str) -> float | None:
    """The price of a transaction at an end of the throughput's interval; None of one that is paid by the token."""
    per_minute = number(row, rate)
    if per_minute is None or not isinstance(price, InstancePrice):
        return None
    return instance_price_per_txn(price.hourly, number(row, "instance_count"), per_minute)


def _price_per_token(row: Row, per_txn: float | None) -> float | None:
    tokens_in, tokens_out = number(row, "prompt_token_count_mean"), number(row, "completion_token_count_mean")
    if per_txn is None or tokens_in is None or tokens_out is None:
        return None
    return price_per_token(per_txn, tokens_in, tokens_out)


MONTH_HOURS = 730
"""Hours of a month: a twelfth of 8,760."""


def served_rate(row: Row) -> float | None:
    """Requests per second that a level is asked to serve: its request rate, in a closed loop what it completed."""
    asked = number(row, "request_rate")
    return number(row, "transactions_per_second") if asked is None else asked


def monthly_price(row: Row) -> float | None:
    """USD to serve a level's rate for `MONTH_HOURS`; None without a price.

    An instance costs the same at any rate: the price of its transactions times the rate it completed. With a price per
    token a month costs what the rate asked for costs.
    """
    price, by_token = number(row, "price_per_txn"), text(row, "price_kind") == "token"
    rate = served_rate(row) if by_token else number(row, "transactions_per_second")
    return None if price is None or rate is None else price * rate * 3600 * MONTH_HOURS
