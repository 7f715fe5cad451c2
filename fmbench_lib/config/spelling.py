"""The nearest valid spelling of a misspelt word."""

from __future__ import annotations

from collections.abc import Iterable


def edit_distance(one: str, other: str) -> int:
    """The least number of letters to insert, delete or replace to make one word of the other (Levenshtein)."""
    previous = list(range(len(other) + 1))
    for row, letter in enumerate(one, start=1):
        current = [row]
        for column, opposite in enumerate(other, start=1):
            replace = previous[column - 1] + (letter != opposite)
            current.append(min(previous[column] + 1, current[-1] + 1, replace))
        previous = current
    return previous[-1]


def nearest(word: str, known: Iterable[str], *, within: int | None = None) -> str | None:
    """The known word that comes nearest, or None when none is within `within` edits (default: a third of its length).

    Case does not count when words are compared, so `Name` is nearest to `name`.
    """
    limit = max(2, len(word) // 3) if within is None else within
    lowered = word.lower()
    ranked = sorted((edit_distance(lowered, candidate.lower()), candidate) for candidate in known)
    return ranked[0][1] if ranked and ranked[0][0] <= limit else None
