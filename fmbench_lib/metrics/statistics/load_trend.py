"""Whether a share rises or falls with the load, where the same questions may have been answered at several loads.

Answers to one question are alike, so that they are compared with each other alone: the Cochran-Armitage test for a
trend, stratified by question (Mantel 1963). Questions that were answered once are one stratum together.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Mapping, Sequence

Answers = Sequence[tuple[float, bool]]
"""Of one stratum: the score of each answer, such as its load, and whether it is right."""

_MOST_COMBINED = 40  # answers of a stratum whose distribution is enumerated
_MOST_SUMS = 20_000  # sums that are followed; with more, the normal distribution is near enough
_MOST_STEPS = 400_000  # additions, less than a second's
_DIGITS = 9


def stratified_trend(answers: Iterable[tuple[Hashable, float, bool]]) -> tuple[float, float]:
    """Whether answers are right more often at a higher score: z, positive where they are, and its two-sided p.

    An answer is its question, its score and whether it is right. p is exact, over all ways to deal the right answers of
    each stratum out to its scores, where those can be enumerated; else it is that of the normal distribution. Without
    any stratum whose answers differ in both, there is no trend: 0 and 1.
    """
    by_question: dict[Hashable, list[tuple[float, bool]]] = {}
    for question, score, right in answers:
        by_question.setdefault(question, []).append((score, right))
    once = [found[0] for found in by_question.values() if len(found) == 1]
    strata = [found for found in (*by_question.values(), once) if len(found) > 1 and _informative(found)]
    moments = [_moments(found) for found in strata]
    difference, variance = sum(found for found, _ in moments), sum(spread for _, spread in moments)
    if variance <= 0:
        return 0.0, 1.0
    z = difference / math.sqrt(variance)
    exact = _exact(strata, difference)
    return z, math.erfc(abs(z) / math.sqrt(2)) if exact is None else exact


def _informative(stratum: Answers) -> bool:
    return len({right for _, right in stratum}) == 2 and len({score for score, _ in stratum}) > 1


def _expected(stratum: Answers) -> float:
    """The sum of the right answers' scores if they fell on any."""
    return sum(right for _, right in stratum) * sum(score for score, _ in stratum) / len(stratum)


def _moments(stratum: Answers) -> tuple[float, float]:
    """The sum of the right answers' scores less what is expected, and its variance."""
    count, right = len(stratum), sum(is_right for _, is_right in stratum)
    mean = sum(score for score, _ in stratum) / count
    spread = sum((score - mean) ** 2 for score, _ in stratum)
    found = sum(score for score, is_right in stratum if is_right) - _expected(stratum)
    return found, spread * right * (count - right) / (count * (count - 1))


def _exact(strata: Sequence[Answers], difference: float) -> float | None:
    """The chance of a difference as far from 0 as this one; None where there is too much to enumerate."""
    whole: dict[float, float] = {0.0: 1.0}
    steps = 0
    for stratum in strata:
        chances = _distribution(stratum) if len(stratum) <= _MOST_COMBINED else None
        if chances is None or (steps := steps + len(whole) * len(chances)) > _MOST_STEPS:
            return None
        whole = _combined(whole, chances)
        if len(whole) > _MOST_SUMS:
            return None
    limit = abs(difference) - 10.0**-_DIGITS * max(1.0, abs(difference))
    return min(sum(chance for found, chance in whole.items() if abs(found) >= limit), 1.0)


def _combined(first: Mapping[float, float], second: Mapping[float, float]) -> dict[float, float]:
    """The distribution of the sum of two."""
    sums: dict[float, float] = {}
    for a, chance in first.items():
        for b, other in second.items():
            key = round(a + b, _DIGITS)
            sums[key] = sums.get(key, 0.0) + chance * other
    return sums


def _distribution(stratum: Answers) -> dict[float, float] | None:
    """The distribution of `_moments`' difference: as many right answers as there are, on any of the scores; None where
    that is too much to enumerate."""
    right, expected = sum(is_right for _, is_right in stratum), _expected(stratum)
    ways: list[dict[float, int]] = [{0.0: 1}, *({} for _ in range(right))]
    for score, _ in stratum:
        for taken in range(right, 0, -1):
            for found, count in ways[taken - 1].items():
                key = round(found + score, _DIGITS)
                ways[taken][key] = ways[taken].get(key, 0) + count
        if sum(map(len, ways)) > _MOST_SUMS:
            return None
    every = math.comb(len(stratum), right)
    return {round(found - expected, _DIGITS): count / every for found, count in ways[right].items()}
