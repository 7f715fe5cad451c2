"""How good a ranking is: nDCG, the discounted gain of a ranking as a share of that of the best one."""

from __future__ import annotations

import math
from collections.abc import Sequence

CUTOFF = 10


def ndcg(scores: Sequence[float], relevance: Sequence[float], cutoff: int = CUTOFF) -> float | None:
    """nDCG of documents ranked by `scores`, from 0 to 1; None where no document is relevant.

    The gain of a document is its relevance, the discount of rank r is 1 / log2(r + 1) (Järvelin and Kekäläinen 2002),
    as trec_eval and BEIR have it. Documents of one score share their ranks: each gets the mean gain of all of them, so
    that the order in which they were sent is worth nothing. One without a score (NaN, or beyond the end) comes last.
    """
    ideal = _gain(sorted(relevance, reverse=True)[:cutoff])
    if ideal == 0:
        return None
    ranked = [*scores, *[math.nan] * (len(relevance) - len(scores))][: len(relevance)]
    groups: dict[float, list[float]] = {}
    for score, grade in zip(ranked, relevance, strict=True):
        groups.setdefault(-math.inf if math.isnan(score) else score, []).append(grade)
    gains = [sum(groups[score]) / len(groups[score]) for score in sorted(groups, reverse=True) for _ in groups[score]]
    return _gain(gains[:cutoff]) / ideal


def _gain(gains: Sequence[float]) -> float:
    return math.fsum(gain / math.log2(rank + 1) for rank, gain in enumerate(gains, start=1))
