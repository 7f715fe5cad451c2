"""Two models on the same questions: McNemar's exact test, and Holm's correction for many pairs."""

from __future__ import annotations

import math
from collections.abc import Sequence


def mcnemar(first_only: int, second_only: int) -> float:
    """The two-sided exact p-value that questions which only one of two models gets right fall evenly on both.

    Twice the lesser tail of the binomial distribution with one half, 1 at most (McNemar 1947).
    """
    count, least = first_only + second_only, min(first_only, second_only)
    tail = sum(math.comb(count, k) for k in range(least + 1))
    return float(min(2 * tail / 2**count, 1.0))


def holm(p_values: Sequence[float]) -> list[float]:
    """The p-values corrected for their number, in their order (Holm 1979)."""
    order = sorted(range(len(p_values)), key=p_values.__getitem__)
    corrected, greatest = [0.0] * len(p_values), 0.0
    for rank, index in enumerate(order):
        greatest = max(greatest, min((len(p_values) - rank) * p_values[index], 1.0))
        corrected[index] = greatest
    return corrected
