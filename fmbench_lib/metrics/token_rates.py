"""Tokens as their readers and their payers see them: the pace of one stream, and what an accelerator or a USD delivers.

`per user = 1 / TPOT p50` · `per accelerator = completion_token_throughput / accelerators`, whose number is
`cost per hour / price_per_accelerator_hour` · `per USD/h = completion_token_throughput / cost per hour` ·
`cost per hour = price_per_txn · 60 · transactions_per_minute`, by the hour or by the token.
"""

from __future__ import annotations

from collections.abc import Iterator

from fmbench_lib.metrics.missing import Row, number

TOKENS_OF_PRICE = 1_000_000
"""How many tokens the usual prices are of."""


def token_rates(row: Row) -> dict[str, float | None]:
    """The rates of a level, tokens/s, each with the ends of its 95% interval (`_low`, `_high`); None if unknown.

    The ends are those of TPOT p50 and of the throughput. `cost_per_hour`: USD at its throughput ·
    `price_per_1m_tokens`: USD for a million tokens, in and out.
    """
    per_token = number(row, "price_per_token")
    return {
        "cost_per_hour": _cost_per_hour(row),
        "price_per_1m_tokens": None if per_token is None else TOKENS_OF_PRICE * per_token,
        **dict(_per_user(row)),
        **dict(_throughput_by(row, "tokens_per_accelerator", _accelerators(row))),
        **dict(_throughput_by(row, "tokens_per_usd_hour", _cost_per_hour(row))),
    }


def _per_user(row: Row) -> Iterator[tuple[str, float | None]]:
    for end, other in (("", ""), ("_low", "_high"), ("_high", "_low")):
        pace = number(row, f"TPOT_p50{other}")
        yield f"tokens_per_user{end}", 1 / pace if pace else None


def _throughput_by(row: Row, name: str, divisor: float | None) -> Iterator[tuple[str, float | None]]:
    for end in ("", "_low", "_high"):
        rate = number(row, f"completion_token_throughput{end}")
        yield f"{name}{end}", rate / divisor if rate is not None and divisor else None


def _cost_per_hour(row: Row) -> float | None:
    """What the level costs in an hour, USD."""
    price, rate = number(row, "price_per_txn"), number(row, "transactions_per_minute")
    return None if price is None or rate is None else 60 * rate * price


def _accelerators(row: Row) -> float | None:
    """How many accelerators served the level, over all its instances."""
    hourly, one = _cost_per_hour(row), number(row, "price_per_accelerator_hour")
    return None if hourly is None or not one else hourly / one
