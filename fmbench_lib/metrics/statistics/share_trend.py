"""Whether a share rises or falls with a quantity, over independent observations."""

from __future__ import annotations

import math
from collections.abc import Sequence


def share_trend(successes: Sequence[bool], scores: Sequence[float]) -> tuple[float, float]:
    """z, positive where successes have the greater scores, and its two-sided p: the Cochran-Armitage test (Armitage
    1955) with one observation for each score.

    Where all are successes or none is, or all scores are the same, there is no trend: 0 and 1. Observations must be
    independent: one for each question.
    """
    count, right = len(successes), sum(successes)
    if right in (0, count):
        return 0.0, 1.0
    share, mean = right / count, math.fsum(scores) / count
    variance = share * (1 - share) * math.fsum((score - mean) ** 2 for score in scores)
    if variance <= 0:
        return 0.0, 1.0
    score = math.fsum(score * (success - share) for success, score in zip(successes, scores, strict=True))
    z = score / math.sqrt(variance)
    return z, math.erfc(abs(z) / math.sqrt(2))
