"""Which requests of a level pictures and pages show, where there are too many to show all of them.

What is drawn of a level of more requests is an even choice of its successes by rank of their latency, the fastest and
the slowest among them, so that its distribution is the level's to one part in their number. Distributions that a page
holds by rank are taken from all requests.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fmbench_lib.metrics.level_sample import LevelSample
from fmbench_lib.metrics.missing import floats
from fmbench_lib.metrics.statistics.arrays import Floats, Integers

MOST_DRAWN, LEAST_DRAWN = 200_000, 1000
"""Requests that are drawn of a whole run, and of each level at least."""

MEASURES = ("latency", "TTFT", "TPOT")
TAIL, BETWEEN = 60, 80
"""Of a distribution the `TAIL` greatest values are kept, and so many ranks between the least and those."""


@dataclass(frozen=True, slots=True)
class KeptRanks:
    """Of `n` values the kept ones, in order, with their ranks from 1."""

    n: int
    ranks: Integers
    values: Floats


def drawn_of_each(counts: Sequence[int]) -> int | None:
    """How many requests are drawn of each level with so many of them; None for all."""
    if sum(counts) <= MOST_DRAWN:
        return None
    return max(LEAST_DRAWN, MOST_DRAWN // len(counts))


def drawn_places(sample: LevelSample, most: int | None) -> Integers | None:
    """The positions of the requests that are drawn, rising; None for all of them."""
    if most is None or len(sample.requests) <= most:
        return None
    latencies = floats(sample.successes, "latency")
    known = np.flatnonzero(~np.isnan(latencies))
    order = known[np.argsort(latencies[known], kind="stable")]
    even = np.linspace(0, max(order.size - 1, 0), min(order.size, most)).round().astype(np.int64)
    return np.sort(sample.successes.places[order[even]])


def kept_ranks(n: int) -> list[int]:
    """The ranks (from 1) of `n` ordered values that a thinned distribution keeps, in order."""
    head = max(n - TAIL, 0)
    spread = np.unique(np.linspace(1, head, min(head, BETWEEN)).round().astype(int)) if head else np.empty(0, int)
    return [*map(int, spread), *range(head + 1, n + 1)]


def thinned(values: Floats) -> KeptRanks:
    """The distribution of the finite ones of some values."""
    ordered = np.sort(values[np.isfinite(values)])
    ranks = np.array(kept_ranks(ordered.size), dtype=np.int64)
    return KeptRanks(ordered.size, ranks, ordered[ranks - 1])


def distributions_of(samples: Sequence[LevelSample]) -> dict[str, KeptRanks]:
    """The distribution of each measure over the successes of a level, or of all its repeats."""
    found = {name: thinned(np.concatenate([floats(sample.successes, name) for sample in samples])) for name in MEASURES}
    return {name: kept for name, kept in found.items() if kept.n}
