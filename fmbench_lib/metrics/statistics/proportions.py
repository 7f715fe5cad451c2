"""Shares of questions: their intervals, whether they reach a limit, and how many more questions would tell."""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import Literal, TypeAlias

Certainty: TypeAlias = Literal["surely", "probably", "not known"]

PROBABLY = 0.8
"""The one-sided confidence from which a limit is probably met or missed; from 97.5% on it is surely so."""


def wilson(successes: float, count: int, confidence: float = 0.95) -> tuple[float, float] | None:
    """The two-sided interval of a share (Wilson 1927), without a correction for continuity; None of no questions."""
    if count == 0:
        return None
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    share, square = successes / count, z * z / count
    middle = (share + square / 2) / (1 + square)
    half = z * math.sqrt(share * (1 - share) / count + square / (4 * count)) / (1 + square)
    low = 0.0 if successes == 0 else max(middle - half, 0.0)
    return low, 1.0 if successes == count else min(middle + half, 1.0)


def reaches(successes: int, count: int, limit: float) -> tuple[bool | None, Certainty]:
    """Whether a share is at least `limit`, and how certain that is; None where it is not known.

    By the exact one-sided binomial test: surely, where so many successes or more (or so few or fewer) would come in at
    most 2.5% of the cases if the share were the limit, probably in at most 20%. Wilson's interval would call one
    failure of one question sure.
    """
    if count and limit <= 0:
        return True, "surely"
    levels: tuple[tuple[Certainty, float], ...] = (("surely", 0.025), ("probably", 1 - PROBABLY))
    for certainty, level in levels:
        if _at_least(successes, count, limit) <= level:
            return True, certainty
        if _at_least(count - successes, count, 1 - limit) <= level:
            return False, certainty
    return None, "not known"


def _at_least(successes: int, count: int, share: float) -> float:
    """The chance of so many successes or more."""
    if not 0 < share < 1:
        return float(successes == 0 or share >= 1)
    logs = math.log(share), math.log1p(-share)
    every = math.lgamma(count + 1)
    return math.fsum(
        math.exp(every - math.lgamma(k + 1) - math.lgamma(count - k + 1) + k * logs[0] + (count - k) * logs[1])
        for k in range(successes, count + 1)
    )


def sign_test_size(first_only: int, second_only: int, count: int, power: float = 0.8) -> int | None:
    """How many more questions would settle which of two shares is greater, if the difference is as it looks.

    `first_only` and `second_only` of `count` questions were right for one side alone. The size of McNemar's test at 5%
    with this power (Connor 1987). None where the two are equal, as no number would settle that.
    """
    if count == 0 or first_only == second_only:
        return None
    discordant, difference = (first_only + second_only) / count, abs(first_only - second_only) / count
    alpha, beta = NormalDist().inv_cdf(0.975), NormalDist().inv_cdf(power)
    root = alpha * math.sqrt(discordant) + beta * math.sqrt(max(discordant - difference**2, 0.0))
    return max(math.ceil((root / difference) ** 2) - count, 0)


def side_of(mean: float, low: float | None, high: float | None, limit: float) -> tuple[bool | None, Certainty]:
    """Whether a mean is at least `limit`, by its 95% interval, and how certain that is, as `reaches` says."""
    if low is None or high is None:
        return None, "not known"
    if low >= limit or high < limit:
        return low >= limit, "surely"
    ratio = NormalDist().inv_cdf(PROBABLY) / NormalDist().inv_cdf(0.975)
    if abs(mean - limit) >= ratio * (high - low) / 2:
        return mean >= limit, "probably"
    return None, "not known"
