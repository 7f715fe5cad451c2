"""Silences: the times in which requests were in flight and nothing came back, and which of them is too long for chance.

The silences are taken in order and in blocks of equal number, and the longest of each block is noted. Their median and
quartiles say how long a silence is and how much that varies, without assuming a distribution; a single freeze is one
silence, lies in one block, and moves none of them. The longest is plausible up to `median · max(3, (q3/q1)^4)`: three
times the usual where all are alike, some 25 mean gaps where they are exponential. By chance alone it is longer in at
most 0.5% of levels with exponential gaps and 2.5% of those with lognormal ones (sigma 1, 40 to 10,000 gaps, simulated).
Silences that come again and again are the endpoint's own way of working.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np

from fmbench_lib.metrics.statistics.arrays import Floats, distinct

MOST_BLOCKS = 20
LEAST_BLOCKS = 6
LEAST_SILENCES = 12
_LEAST_IN_BLOCK = 5
_USUAL_TIMES = 3.0
_SPREAD_POWER = 4


def silences(begin: Floats, end: Floats, signs: Floats, span: tuple[float, float]) -> Floats:
    """The lengths of the silences in a span, in order of time.

    `begin`, `end`: when each request was in flight; one without a known end counts not at all. `signs`: the moments at
    which anything arrived. A silence runs from one sign to the next, as far as at least one request was in flight.
    """
    known = ~(np.isnan(begin) | np.isnan(end)) & (end > span[0]) & (begin < span[1])
    starts, ends = _busy(np.clip(begin[known], *span), np.clip(end[known], *span))
    if not starts.size:
        return np.empty(0)
    cuts = distinct(np.concatenate((starts, ends, signs[(signs > span[0]) & (signs < span[1])])))
    middles = (cuts[1:] + cuts[:-1]) / 2
    period = np.searchsorted(starts, middles, side="right") - 1
    busy = (period >= 0) & (middles < ends[period])
    result: Floats = np.diff(cuts)[busy]
    return result


def longest_and_plausible(parts: Callable[[], Iterable[Floats]], requests: int) -> tuple[float | None, float | None]:
    """The longest silence, and the longest that is plausible (see `plausible_silence`); None for what is not known.

    `parts` gives the silences in order of time, in one or several arrays; it is called twice, so that there need not be
    memory for all of them.
    """
    sizes, longest = 0, -np.inf
    for part in parts():
        sizes, longest = sizes + part.size, max(longest, float(part.max(initial=-np.inf)))
    return longest if sizes else None, _plausible(parts(), sizes, requests)


def plausible_silence(found: Floats, requests: int) -> float | None:
    """The longest silence that the others make plausible; None for fewer than 12, or of fewer than 30 requests.

    A block holds five silences if there are enough, and five requests, as the wait for a first token is longer than the
    gaps between tokens.
    """
    return _plausible([found], found.size, requests)


def _plausible(parts: Iterable[Floats], count: int, requests: int) -> float | None:
    if count < LEAST_SILENCES or requests < LEAST_BLOCKS * _LEAST_IN_BLOCK:
        return None
    blocks = max(LEAST_BLOCKS, min(MOST_BLOCKS, count // _LEAST_IN_BLOCK, requests // _LEAST_IN_BLOCK))
    longest = _longest_of_blocks(parts, count, blocks)
    low, middle, high = np.quantile(longest, (0.25, 0.5, 0.75))
    return float(middle * max(_USUAL_TIMES, (high / low) ** _SPREAD_POWER if low > 0 else np.inf))


def _longest_of_blocks(parts: Iterable[Floats], count: int, blocks: int) -> Floats:
    """The longest of each of so many blocks of `count` silences, of equal number but for one."""
    size, greater = divmod(count, blocks)
    begins = np.arange(blocks) * size + np.minimum(np.arange(blocks), greater)
    longest, first = np.full(blocks, -np.inf), 0
    for part in parts:
        if part.size:
            own = slice(
                int(np.searchsorted(begins, first, side="right")) - 1, np.searchsorted(begins, first + part.size)
            )
            within = np.maximum(begins[own] - first, 0)
            longest[own] = np.maximum(longest[own], np.maximum.reduceat(part, within))
            first += part.size
    return longest


def _busy(begin: Floats, end: Floats) -> tuple[Floats, Floats]:
    """The starts and ends of the periods in which at least one request was in flight, in order."""
    order = np.argsort(begin, kind="stable")
    begin, latest = begin[order], np.maximum.accumulate(end[order])
    fresh = np.append(True, begin[1:] > latest[:-1]) if begin.size else np.empty(0, dtype=bool)
    first = np.flatnonzero(fresh)
    last = np.append(first[1:] - 1, begin.size - 1) if first.size else first
    return begin[first], latest[last]
