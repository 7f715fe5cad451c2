"""The 95% interval of a figure that has a budget, and how certain it is which side of the budget it lies on."""

from __future__ import annotations

import math

from fmbench_lib.metrics.groups.level_times import ALL_QUANTILES
from fmbench_lib.metrics.missing import Row, number
from fmbench_lib.metrics.statistics.proportions import Certainty, reaches, wilson

Interval = tuple[float, float]

PERCENTILES = tuple(ALL_QUANTILES)
_BY_PRICE = (
    *("price_per_txn", "price_per_token"),
    *("price_per_1m_tokens", "price_per_1m_input_tokens", "price_per_1m_output_tokens"),
)
"""Prices that follow from that of 10,000 transactions: their intervals are as wide in proportion."""
_SHARES = ("error_rate", "slo_attainment", "slo_attainment_ttft", "slo_attainment_tpot", "slo_attainment_latency")


def interval_of(row: Row, column: str) -> Interval | None:
    """The interval of a column of a level; None where it has none.

    That of a share of requests is Wilson's of as many requests as are independent of each other.
    """
    low, high = number(row, f"{column}_low"), number(row, f"{column}_high")
    if low is not None and high is not None:
        return low, high
    if column in _BY_PRICE:
        return _in_proportion(row, column, "price_per_10k_txn")
    if column == "transactions_per_second":
        return _in_proportion(row, column, "transactions_per_minute")
    if column in _SHARES and (counts := _independent(row, column)) is not None:
        return wilson(*counts)
    return None


def certainty_of(row: Row, column: str, bound: float, at_least: bool) -> Certainty | None:
    """Whether a level surely lies on its side of a bound: `surely`, or `not known`, which is undecided.

    None where there is nothing to tell that by: a mean of times, a price by the token, or a share that is to be 0, or
    1, which no number of requests shows; there the figure itself is what is judged.
    """
    if column in _SHARES:
        return _certainty_of_share(row, column, bound, at_least)
    interval = interval_of(row, column)
    if interval is None:
        return "not known" if column.endswith(PERCENTILES) else None
    holds = interval[0] < bound <= interval[1] if at_least else interval[0] <= bound < interval[1]
    return "not known" if holds else "surely"


def _certainty_of_share(row: Row, column: str, bound: float, at_least: bool) -> Certainty | None:
    if number(row, "requests") is None or not 0 < bound < 1:
        return None
    counts = _independent(row, column)
    if counts is None:
        return "not known"
    within, count = counts
    successes, limit = (within, bound) if at_least else (count - within, 1 - bound)
    met, certainty = reaches(successes, count, limit)
    return certainty if certainty == "surely" and met is not None else "not known"


def _independent(row: Row, column: str) -> tuple[int, int] | None:
    """How many requests of how many a share is about, as far as they are independent: as many as tell of the latency
    (`latency_effective_n`), since what makes one of them fail or late does so to its neighbours. None if unknown."""
    share, count = number(row, column), number(row, "requests")
    effective, known = number(row, "latency_effective_n"), number(row, "latency_n")
    if share is None or not count or not effective or not known:
        return None
    independent = math.floor(count * min(effective / known, 1.0))
    return (round(share * independent), independent) if independent else None


def _in_proportion(row: Row, column: str, to: str) -> Interval | None:
    value, whole = number(row, column), number(row, to)
    low, high = number(row, f"{to}_low"), number(row, f"{to}_high")
    if value is None or low is None or high is None or not whole:
        return None
    return value * low / whole, value * high / whole
