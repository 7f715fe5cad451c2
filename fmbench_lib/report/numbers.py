"""Numbers as text: few digits, always with the unit.

A missing number is `MISSING`, never zero and never "nan".
"""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any

import pandas as pd

from fmbench_lib.metrics.wording import usd

MISSING = "–"
"""The text for an unknown number."""


def known(value: Any) -> float | None:
    """The value as a finite number; None for None, NaN, pandas' NA, an infinity or a text."""
    if value is None or value is pd.NA or isinstance(value, str):
        return None
    number = float(value)
    return number if math.isfinite(number) else None


def significant(value: Any, digits: int = 3) -> str:
    """A number to `digits` significant digits, without an exponent: `1,259` for 1259.29, `0.0114` for 0.0114."""
    number = known(value)
    if number is None:
        return MISSING
    if number == 0:
        return "0"
    rounded = float(f"{number:.{digits - 1}e}")
    decimals = max(0, digits - 1 - math.floor(math.log10(abs(rounded))))
    return f"{number:,.{decimals}f}"


def seconds(value: Any) -> str:
    """A time with its unit: `1.83 s`; below 0.1 s in milliseconds: `11.4 ms`."""
    number = known(value)
    if number is None:
        return MISSING
    if 0 < abs(number) < 0.1:
        return f"{significant(number * 1000)} ms"
    return f"{significant(number)} s"


def duration(value: Any) -> str:
    """A long time: `45 s`, `20 min 59 s`, `3 h 05 min`."""
    number = known(value)
    if number is None:
        return MISSING
    whole = round(number)
    if whole < 60:
        return seconds(number)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def dollars(value: Any) -> str:
    """An amount with its unit, spelt `USD`: text between two dollar signs would be shown as a formula."""
    number = known(value)
    return MISSING if number is None else usd(number)


def amount(value: Any) -> str:
    """An amount in USD without its unit, for a column that names it."""
    return dollars(value).removesuffix(" USD")


def count(value: Any) -> str:
    """A whole number: `1,259`; a mean of counts is rounded."""
    number = known(value)
    return MISSING if number is None else f"{round(number):,}"


def percent(value: Any) -> str:
    """A share (0 to 1) in percent: `0%`, `0.4%`, `12%`; never rounded to 0% or 100%."""
    number = known(value)
    if number is None:
        return MISSING
    share = number * 100
    if 0 < share < 0.01:
        return "< 0.01%"
    if 99.99 < share < 100:
        return "> 99.99%"
    written = f"{share:.2f}" if share > 99 else significant(share, 2)
    return f"{written.rstrip('0').rstrip('.') if '.' in written else written}%"


def several(number_of: int, noun: str) -> str:
    """`1 level`, `2 levels`."""
    return f"{number_of:,} {noun}{'' if number_of == 1 else 's'}"


def plain(value: Any) -> str:
    """A number as a config would write it: `2`, `0.5`, `10000`."""
    number = known(value)
    if number is None:
        return MISSING
    return str(int(number)) if number.is_integer() and abs(number) < 1e15 else f"{number:.6g}"


def estimate(value: Any, low: Any, high: Any) -> str:
    """A time with its 95% confidence interval: `1.92 s (1.83 to 2.18)`; `≈ 1.92 s` without one."""
    number, ends = known(value), [known(low), known(high)]
    if number is None:
        return MISSING
    if None in ends:
        return f"≈ {seconds(number)}"
    scale = 1000 if seconds(number).endswith("ms") else 1
    return f"{seconds(number)} ({' to '.join(significant(scale * (end or 0)) for end in ends)})"


def moment(value: Any) -> str:
    """A Unix time as UTC: `2026-09-30 19:12:03`."""
    number = known(value)
    return MISSING if number is None else f"{datetime.fromtimestamp(number, UTC):%Y-%m-%d %H:%M:%S}"
