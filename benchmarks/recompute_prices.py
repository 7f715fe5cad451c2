"""Prices of levels and costs of experiments, from the columns of a level and the price list. Written from
docs/metrics.md, "Prices and costs"."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from recompute_energy import DERIVED
from recompute_reading import Cell

Row = Mapping[str, Any]
Price = Mapping[str, Any] | None
NAN = math.nan


def _number(row: Row, name: str) -> float:
    value = row.get(name)
    return NAN if value is None else float(value)


def _instances(row: Row) -> float:
    count = _number(row, "instance_count")
    return 1.0 if math.isnan(count) else count


def _hourly_share(row: Row, price: Price, per_minute: str) -> float:
    rate = _number(row, per_minute)
    if not price or "hourly" not in price or not rate > 0:
        return NAN
    return float(price["hourly"] * _instances(row) / 60 / rate)


def _tokens(price: Mapping[str, Any], tokens_in: float, tokens_out: float, cached: float, written: float) -> float:
    paid = _input(price, tokens_in, cached, written)
    return float(paid + tokens_out / 1000 * price["output-per-1k-tokens"])


def _input(price: Mapping[str, Any], tokens_in: float, cached: float, written: float) -> float:
    left, paid = tokens_in, 0.0
    for key, tokens in (("cached-input-per-1k-tokens", cached), ("cache-write-per-1k-tokens", written)):
        if key in price and not math.isnan(tokens):
            at_this_rate = min(tokens, left)
            paid += at_this_rate / 1000 * price[key]
            left -= at_this_rate
    return float(paid + left / 1000 * price["input-per-1k-tokens"])


def per_transaction(row: Row, price: Price) -> float:
    """The price of a transaction, NaN where it is not known."""
    if not price or "hourly" in price:
        return _hourly_share(row, price, "transactions_per_minute")
    means = (_number(row, f"{kind}_token_count_mean") for kind in ("prompt", "completion", "cached", "cache_write"))
    return _tokens(price, *means)


def _per_token(row: Row, price: Price) -> float:
    tokens = _number(row, "prompt_token_count_mean") + _number(row, "completion_token_count_mean")
    return per_transaction(row, price) / tokens if tokens > 0 else NAN


def _per_million(side: str) -> Callable[[Row, Price], Cell]:
    """USD for a million tokens of one side: at their own rates, or the whole of a machine's cost over these alone."""

    def of(row: Row, price: Price) -> float:
        tokens, cost = _number(row, f"{side}_token_count_mean"), per_transaction(row, price)
        if price and "hourly" not in price:
            cached, written = (_number(row, f"{kind}_token_count_mean") for kind in ("cached", "cache_write"))
            cost = (
                _input(price, tokens, cached, written)
                if side == "prompt"
                else tokens / 1000 * price["output-per-1k-tokens"]
            )
        return 1e6 * cost / tokens if tokens > 0 else NAN

    return of


def _terms(_: Row, price: Price) -> Cell:
    """On which terms it is bought."""
    return str(price["terms"]) if price else None


def _per_accelerator(price: Price) -> float:
    return price["hourly"] / price["accelerators"] if price and "hourly" in price and price["accelerators"] else NAN


def _origin(name: str) -> Callable[[Row, Price], Cell]:
    def of(_: Row, price: Price) -> Cell:
        value = price.get(name) if price else None
        return None if value in (None, "unknown") else value if isinstance(value, bool) else str(value)

    return of


ORIGIN: dict[str, Callable[[Row, Price], Cell]] = {
    "price_per_accelerator_hour": lambda _, price: _per_accelerator(price),
    "price_kind": lambda _, price: ("instance" if "hourly" in price else "token") if price else None,
    "price_terms": _terms,
    **{f"price_{name}": _origin(name) for name in ("source", "listed_in", "region", "date", "verified")},
}


def _to_last_token(name: str) -> Callable[[Row, Price], Cell]:
    """A figure of latency, where every response was streamed."""
    return lambda row, _: row[name] if row["TTFT_n"] and row["TTFT_n"] == row["latency_n"] else None


PRICES: dict[str, Callable[[Row, Price], Cell]] = {
    "price_per_txn": per_transaction,
    "price_per_token": _per_token,
    "price_per_10k_txn": lambda row, price: 10_000 * per_transaction(row, price),
    "price_per_1m_tokens": lambda row, price: 1e6 * _per_token(row, price),
    "price_per_1m_input_tokens": _per_million("prompt"),
    "price_per_1m_output_tokens": _per_million("completion"),
    "price_per_10k_txn_low": lambda row, price: 10_000 * _hourly_share(row, price, "transactions_per_minute_high"),
    "price_per_10k_txn_high": lambda row, price: 10_000 * _hourly_share(row, price, "transactions_per_minute_low"),
    **ORIGIN,
    **DERIVED,
    **{f"TTLT_{name}": _to_last_token(f"latency_{name}") for name in ("mean", "p50", "p95", "p99")},
}
"""The columns of a level that follow from its others, most of them with the price of its instance type."""


def experiment_costs(
    rows: Sequence[Row], prices: Mapping[str, Mapping[str, Any]], endpoints: Mapping[str, Mapping[str, Any]]
) -> list[dict[str, Cell]]:
    """`endpoint_per_instance_per_run_costs.csv`, from the rows of the levels and the endpoints' times."""
    names = dict.fromkeys(row["experiment_name"] for row in rows)
    return [_cost([row for row in rows if row["experiment_name"] == name], prices, endpoints) for name in names]


def _cost(
    levels: Sequence[Row], prices: Mapping[str, Mapping[str, Any]], endpoints: Mapping[str, Mapping[str, Any]]
) -> dict[str, Cell]:
    first, price = levels[0], prices.get(levels[0]["instance_type"] or "")
    endpoint = endpoints.get(first["experiment_name"], {})
    seconds = sum(_number(level, "level_s") for level in levels)
    begin, end = endpoint.get("in_service_at"), endpoint.get("deleted_at")
    booted = [endpoint.get(name) or {} for name in ("in_service_boot", "deleted_boot")]
    if booted[0].get("boot") == booted[1].get("boot") and all(booted):  # one boot, whose clock nobody sets
        begin, end = (clock["seconds"] for clock in booted)
    in_service = end - begin + (endpoint.get("served_before") or 0.0) if begin and end else NAN
    whole_hours = endpoint.get("platform") == "bedrock"  # provisioned throughput: every hour begun
    measuring, billed = (_cost_of(levels, price, length, whole_hours) for length in (seconds, in_service))
    return {
        "experiment_name": first["experiment_name"],
        "instance_type": first["instance_type"],
        "instance_count": first["instance_count"],
        "duration_in_seconds": seconds,
        "cost": measuring,
        "cost_measuring": measuring,
        "billed_seconds": in_service,
        "cost_billed": billed,
        **{name: function({}, price) for name, function in ORIGIN.items()},
    }


def _cost_of(levels: Sequence[Row], price: Price, seconds: float, whole_hours: bool) -> float:
    if not price:
        return NAN
    if "hourly" in price:
        paid = 3600 * math.ceil(seconds / 3600) if whole_hours and not math.isnan(seconds) else seconds
        return float(price["hourly"] / 3600 * paid * _instances(levels[0]))
    sums = {kind: [_number(level, f"billed_{kind}_tokens") for level in levels] for kind in ("prompt", "completion")}
    cache = [
        sum(count for level in levels if not math.isnan(count := _number(level, f"billed_{kind}_tokens")))
        for kind in ("cached", "cache_write")
    ]
    tokens_in, tokens_out = sum(sums["prompt"]), sum(sums["completion"])
    return _tokens(price, tokens_in, tokens_out, *cache) if tokens_in + tokens_out > 0 else NAN
