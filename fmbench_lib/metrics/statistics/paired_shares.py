"""Two models on the same questions: McNemar's exact test, Holm's correction for many pairs, and a trend over loads."""

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


def armitage_trend(successes: Sequence[int], counts: Sequence[int], scores: Sequence[float]) -> tuple[float, float]:
    """Whether shares rise or fall with a score, such as the load: z, positive where they rise, and its two-sided p.

    The Cochran-Armitage test (Armitage 1955). Groups without questions are left out; where all shares are 0 or 1, or
    all scores are the same, there is no trend: 0 and 1.
    """
    groups = [(s, n, x) for s, n, x in zip(successes, counts, scores, strict=True) if n]
    total, right = sum(n for _, n, _ in groups), sum(s for s, _, _ in groups)
    if not total or right in (0, total):
        return 0.0, 1.0
    share = right / total
    score = sum(x * (s - n * share) for s, n, x in groups)
    mean = sum(n * x for _, n, x in groups) / total
    variance = share * (1 - share) * sum(n * (x - mean) ** 2 for _, n, x in groups)
    if variance <= 0:
        return 0.0, 1.0
    z = score / math.sqrt(variance)
    return z, math.erfc(abs(z) / math.sqrt(2))
