"""How far judges agree beyond chance. Labels are compared for equality; None is a verdict that is missing.

A coefficient is None where it is not defined: no common item, or all labels the same, so that chance explains
everything.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TypeAlias

Label: TypeAlias = str | None


def agreement_share(first: Sequence[Label], second: Sequence[Label]) -> float | None:
    """The share of the items with both labels whose labels are equal."""
    pairs = _pairs(first, second)
    return sum(a == b for a, b in pairs) / len(pairs) if pairs else None


def cohen(first: Sequence[Label], second: Sequence[Label]) -> float | None:
    """Cohen's kappa (1960) of two judges, over the items that both gave a label."""
    pairs = _pairs(first, second)
    if not pairs:
        return None
    count = len(pairs)
    ours, theirs = Counter(a for a, _ in pairs), Counter(b for _, b in pairs)
    expected = sum(ours[label] * theirs[label] for label in ours) / count**2
    return _beyond_chance(sum(a == b for a, b in pairs) / count, expected)


def fleiss(items: Sequence[Sequence[Label]]) -> float | None:
    """Fleiss' kappa (1971). Each item has a label from each judge; it is over the items that no judge left out."""
    whole = [Counter(item) for item in items if len(item) > 1 and None not in item]
    if not whole:
        return None
    judges = whole[0].total()
    if any(item.total() != judges for item in whole):
        raise ValueError("the items have different numbers of judges")
    labels = Counter[Label]()
    for item in whole:
        labels.update(item)
    agreed = sum(sum(n * (n - 1) for n in item.values()) for item in whole) / (len(whole) * judges * (judges - 1))
    expected = sum((n / labels.total()) ** 2 for n in labels.values())
    return _beyond_chance(agreed, expected)


def krippendorff(items: Sequence[Sequence[Label]]) -> float | None:
    """Krippendorff's alpha (2004) for nominal labels; a missing label costs its item's other labels nothing."""
    labels, disagreed = Counter[Label](), 0.0
    for item in items:
        counts = Counter(label for label in item if label is not None)
        total = counts.total()
        if total < 2:
            continue
        labels.update(counts)
        disagreed += (total**2 - sum(n * n for n in counts.values())) / (total - 1)
    total = labels.total()
    expected = total**2 - sum(n * n for n in labels.values())
    return None if not expected else 1 - (total - 1) * disagreed / expected


def _pairs(first: Sequence[Label], second: Sequence[Label]) -> list[tuple[str, str]]:
    return [(a, b) for a, b in zip(first, second, strict=True) if a is not None and b is not None]


def _beyond_chance(observed: float, expected: float) -> float | None:
    return None if expected >= 1 else (observed - expected) / (1 - expected)
