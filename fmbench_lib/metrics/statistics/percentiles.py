"""Percentiles and their confidence intervals.

A percentile is estimated by linear interpolation between order statistics (numpy's default). The ends of its 95%
confidence interval are two order statistics, chosen by the exact binomial distribution, so that no shape of the
distribution is assumed. A sample too small for such an interval has none, and the estimate says so.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from fmbench_lib.metrics.statistics.arrays import Floats
from fmbench_lib.metrics.statistics.ordered_values import OrderedValues

CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class Estimate:
    """A percentile of `n` values with the ends of its confidence interval; None for what cannot be estimated."""

    n: int
    value: float | None
    low: float | None = None
    high: float | None = None

    @property
    def certain(self) -> bool:
        """Whether the value has a confidence interval."""
        return self.low is not None and self.high is not None


def percentile(values: Sequence[float] | Floats, q: float) -> float | None:
    """The `q`-quantile (0 ≤ q ≤ 1) by linear interpolation at rank `q * (n - 1)`; None without values."""
    return percentiles(values, [q])[0]


def percentiles(values: Sequence[float] | Floats, quantiles: Sequence[float]) -> list[float | None]:
    """Several quantiles of the same values, each as `percentile` gives it."""
    known = _known(values)
    return [*OrderedValues(known).quantiles(quantiles)] if known.size else [None] * len(quantiles)


def estimate(values: Sequence[float] | Floats, q: float, confidence: float = CONFIDENCE) -> Estimate:
    """The `q`-quantile of independent draws, with its confidence interval from order statistics."""
    known = np.sort(_known(values))
    n = int(known.size)
    if n == 0:
        return Estimate(0, None)
    value = float(np.quantile(known, q))
    ranks = order_ranks(n, q, confidence)
    if ranks is None:
        return Estimate(n, value)
    return Estimate(n, value, float(known[ranks[0] - 1]), float(known[ranks[1] - 1]))


def order_ranks(n: int, q: float, confidence: float = CONFIDENCE) -> tuple[int, int] | None:
    """The ranks (l, u), from 1, of the order statistics that enclose the `q`-quantile; None where `n` is too small.

    With B ~ Binomial(n, q) the number of draws below the quantile, X_(l) lies above it with P(B ≤ l-1) and X_(u) below
    it with P(B ≥ u). Each may be at most (1 - confidence)/2; l is the largest and u the smallest rank that allows it.
    """
    return _order_ranks(n, q, confidence)


def smallest_n(q: float, confidence: float = CONFIDENCE) -> int:
    """The smallest sample with an interval for the `q`-quantile: `max(q, 1-q)^n ≤ (1 - confidence)/2`.

    At 95% it is 6 for the median, 72 for p95 and 368 for p99.
    """
    tail = (1 - confidence) / 2
    n = max(1, math.ceil(math.log(tail) / math.log(max(q, 1 - q))))
    while order_ranks(n, q, confidence) is None:  # the logarithms may round down across the limit
        n += 1
    return n


def clustered_estimate(groups: Sequence[Floats], q: float, confidence: float = CONFIDENCE) -> Estimate:
    """The `q`-quantile of pooled values that come in groups of similar ones, as the gaps of one response are.

    Pooled gaps are not independent draws, so an interval from their number would be far too narrow. The number is
    divided by the design effect of "at most the quantile" over the groups, and the exact binomial is used with that
    effective number (Korn and Graubard's interval); `n` is still the number of values.
    """
    pooled = np.sort(np.concatenate(groups)) if groups else np.empty(0)
    n = int(pooled.size)
    if n == 0:
        return Estimate(0, None)
    value = float(np.quantile(pooled, q))
    effective = _effective_number(groups, value)
    ranks = order_ranks(effective, q, confidence) if effective > 0 else None
    if ranks is None:
        return Estimate(n, value)
    low = math.floor((ranks[0] - 1) / effective * n)
    high = math.ceil(ranks[1] / effective * n) - 1
    return Estimate(n, value, float(pooled[low]), float(pooled[high]))


def _effective_number(groups: Sequence[Floats], value: float) -> int:
    """How many independent draws would tell as much about the share of values ≤ `value` as these groups do."""
    sizes = np.array([len(group) for group in groups if len(group)], dtype=np.float64)
    below = np.array([np.count_nonzero(group <= value) for group in groups if len(group)], dtype=np.float64)
    n, m = float(sizes.sum()), len(sizes)
    if m < 2:
        return 0  # one response says nothing about how responses differ
    share = below.sum() / n
    if share >= 1:
        return m  # no variation to measure the effect by: as if each response were one draw
    between = m / (m - 1) * float(np.sum((below - share * sizes) ** 2)) / n**2
    effect = between / (share * (1 - share) / n)
    return int(n / max(effect, 1.0))


@lru_cache(maxsize=4096)
def _order_ranks(n: int, q: float, confidence: float) -> tuple[int, int] | None:
    tail = (1 - confidence) / 2
    if n < 1 or not 0 < q < 1:
        return None
    first, mass = _binomial_mass(n, q)
    at_most = np.cumsum(mass)
    at_least = np.cumsum(mass[::-1])[::-1]
    lower = np.flatnonzero(at_most <= tail)  # counts k with P(B ≤ k) small enough; l = k + 1
    upper = np.flatnonzero(at_least <= tail)  # counts k with P(B ≥ k) small enough; u = k
    if not lower.size or not upper.size:
        return None
    return first + int(lower[-1]) + 1, first + int(upper[0])


def _binomial_mass(n: int, q: float) -> tuple[int, Floats]:
    """The binomial probabilities of the counts that matter, and the first of those counts.

    Counts further than 12 standard deviations (plus 40) from the mean weigh less than the rounding of the others.
    """
    reach = 40 + 12 * math.sqrt(n * q * (1 - q))
    first = max(0, math.floor(n * q - reach))
    last = min(n, math.ceil(n * q + reach))
    counts = np.arange(first, last, dtype=np.float64)
    ratios = np.log((n - counts) / (counts + 1)) + math.log(q / (1 - q))
    start = math.lgamma(n + 1) - math.lgamma(first + 1) - math.lgamma(n - first + 1)
    start += first * math.log(q) + (n - first) * math.log1p(-q)
    return first, np.exp(start + np.concatenate(([0.0], np.cumsum(ratios))))


def _known(values: Sequence[float] | Floats) -> Floats:
    array = np.asarray(values, dtype=np.float64)
    missing = np.isnan(array)
    result: Floats = array[~missing] if missing.any() else array
    return result
