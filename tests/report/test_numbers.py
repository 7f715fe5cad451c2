"""What is written for a number, and that a missing one is neither zero nor "nan"."""

from __future__ import annotations

import math

import pandas as pd
import pytest

from fmbench_lib.report.numbers import (
    MISSING,
    amount,
    count,
    dollars,
    duration,
    estimate,
    moment,
    percent,
    plain,
    seconds,
    several,
    significant,
)


@pytest.mark.parametrize(
    ("value", "said"),
    [(1259.29, "1,259"), (79, "79.0"), (1.5, "1.50"), (0.00000131, "0.00000131"), (0, "0"), (-0.0456, "-0.0456")],
)
def test_significant_digits_without_an_exponent(value: float, said: str) -> None:
    assert significant(value) == said


def test_rounding_up_to_the_next_power_keeps_the_digits() -> None:
    assert significant(0.09996) == "0.100"
    assert significant(999.9) == "1,000"


@pytest.mark.parametrize(("value", "said"), [(1.834, "1.83 s"), (0.0114, "11.4 ms"), (0, "0 s"), (120, "120 s")])
def test_times_carry_their_unit(value: float, said: str) -> None:
    assert seconds(value) == said


@pytest.mark.parametrize(("value", "said"), [(45, "45.0 s"), (1259.29, "20 min 59 s"), (11_100, "3 h 05 min")])
def test_long_times(value: float, said: str) -> None:
    assert duration(value) == said


@pytest.mark.parametrize(("value", "said"), [(7.5208, "7.52 USD"), (0.0454, "0.0454 USD"), (1234.5, "1,234.50 USD")])
def test_sums_are_in_cents_or_in_three_digits(value: float, said: str) -> None:
    assert dollars(value) == said
    assert amount(value) == said.removesuffix(" USD")


@pytest.mark.parametrize(
    ("value", "said"),
    [(0, "0%"), (1, "100%"), (0.05, "5%"), (0.123, "12%"), (0.004, "0.4%"), (1e-7, "< 0.01%"), (0.99999, "> 99.99%")],
)
def test_a_share_is_never_rounded_to_none_or_all(value: float, said: str) -> None:
    assert percent(value) == said


def test_an_estimate_shows_its_interval_or_that_it_has_none() -> None:
    assert estimate(1.918, 1.83, 2.184) == "1.92 s (1.83 to 2.18)"
    assert estimate(0.0122, 0.0118, 0.0129) == "12.2 ms (11.8 to 12.9)"
    assert estimate(1.918, None, None) == "≈ 1.92 s"


@pytest.mark.parametrize("missing", [None, math.nan, math.inf, pd.NA])
@pytest.mark.parametrize("write", [significant, seconds, duration, amount, dollars, count, percent, plain, moment])
def test_a_missing_number_is_a_dash(write, missing: object) -> None:
    assert write(missing) == MISSING


def test_counts_and_moments() -> None:
    assert count(1259.4) == "1,259"
    assert several(1, "level") == "1 level"
    assert several(2, "level") == "2 levels"
    assert plain(2.0) == "2"
    assert plain(0.5) == "0.5"
    assert moment(0) == "1970-01-01 00:00:00"
