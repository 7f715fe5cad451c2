"""The nearest valid spelling of a misspelt word."""

from __future__ import annotations

from collections.abc import Iterable

_SLIP = 2
"""Edits that a slip of the keyboard makes."""


def edit_distance(word: str, other: str) -> int:
    """The Levenshtein distance: the least letters to insert, delete or replace that turn one word into the other."""
    previous = list(range(len(other) + 1))
    for row, letter in enumerate(word, start=1):
        current = [row]
        for column, opposite in enumerate(other, start=1):
            replace = previous[column - 1] + (letter != opposite)
            current.append(min(previous[column] + 1, current[-1] + 1, replace))
        previous = current
    return previous[-1]


def nearest(word: str, known: Iterable[str], *, within: int | None = None) -> str | None:
    """The nearest known word; None if none is within `within` edits (default: a third of its length, at least 2).

    Case is ignored, so `Name` is nearest to `name`. A known word that the given one qualifies, as `request_timeout`
    does `timeout`, is nearer than one that takes more than a slip of the keyboard to reach.
    """
    limit = max(_SLIP, len(word) // 3) if within is None else within
    lowered = word.lower()
    ranked = sorted((edit_distance(lowered, candidate.lower()), candidate) for candidate in known)
    if not ranked:
        return None
    if within is None and ranked[0][0] > _SLIP:
        qualified = [candidate for _, candidate in ranked if lowered.endswith(f"_{candidate.lower()}")]
        if qualified:
            return max(qualified, key=len)
    return ranked[0][1] if ranked[0][0] <= limit else None


def near_ones(word: str, known: Iterable[str], *, most: int = 4) -> list[str]:
    """The known words that are equally near to a misspelt one, else those that hold it as a part; at most `most`."""
    words, lowered = list(known), word.lower()
    limit = max(_SLIP, len(word) // 3)
    distances = {candidate: edit_distance(lowered, candidate.lower()) for candidate in words}
    least = min(distances.values(), default=limit + 1)
    if least <= limit:
        return [candidate for candidate in words if distances[candidate] == least][:most]
    return [candidate for candidate in words if len(lowered) > 2 and lowered in candidate.lower()][:most]
