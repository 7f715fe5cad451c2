"""How the words of an option are read; each raises ArgumentTypeError for one that it cannot read."""

from __future__ import annotations

import argparse
import math


def count(text: str) -> int:
    """A whole number above 0."""
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"{text!r}: write a whole number above 0")
    return int(text)


def seconds(text: str) -> float:
    """A time above 0."""
    return _above_zero(text, "a number of seconds above 0")


def hours(text: str) -> float:
    """A time above 0."""
    return _above_zero(text, "a number of hours above 0")


def usd(text: str) -> float:
    """An amount above 0."""
    return _above_zero(text, "an amount in USD above 0, such as 1.21")


def _above_zero(text: str, wanted: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r}: write {wanted}")
    return value


def rates(text: str) -> list[float]:
    """Request rates from a list with commas, sorted, each once."""
    try:
        rates = sorted({float(word) for word in text.split(",")})
    except ValueError:
        rates = []
    if not rates or not all(0 < rate < math.inf for rate in rates):
        raise argparse.ArgumentTypeError(f"{text!r}: write numbers above 0 with commas between them: 2,8.5")
    return rates


def loads(text: str) -> list[int]:
    """Loads from a list with commas, sorted, each once."""
    words = text.split(",")
    if not all(word.strip().isdecimal() and int(word) for word in words):
        raise argparse.ArgumentTypeError(f"{text!r}: write whole numbers above 0 with commas between them: 8,64")
    return sorted(set(map(int, words)))
