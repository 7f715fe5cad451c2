"""Whether something changed while it was measured: a trend over the slices of a level's window.

Requests that follow each other are alike (they share batches), which makes any test over single requests see trends
everywhere. So the test looks at one number per slice: Mann and Kendall's statistic says whether the slices rise or
fall more often than chance would have it, Theil and Sen's slope by how much. Neither cares for outliers.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

LEAST_SLICES = 6
"""Below six points no trend can be told from chance at p < 0.01."""


@dataclass(frozen=True, slots=True)
class Drift:
    """`change`: Theil–Sen slope over the whole window as a share of the median; `p_value`: Mann–Kendall, two-sided."""

    change: float
    p_value: float


def drift(values: Sequence[float]) -> Drift | None:
    """The trend over equally spaced slices; NaN marks a slice without a value. None where too few have one."""
    y = np.asarray(values, dtype=np.float64)
    x = np.flatnonzero(~np.isnan(y)).astype(np.float64)
    known = y[~np.isnan(y)]
    if known.size < LEAST_SLICES:
        return None
    middle = float(np.median(known))
    if middle <= 0:
        return None
    return Drift(theil_sen(x, known) * (len(y) - 1) / middle, mann_kendall(known))


def theil_sen(x: Sequence[float] | np.ndarray, y: Sequence[float] | np.ndarray) -> float:
    """The median of the slopes between all pairs of points."""
    xs, ys = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    i, j = np.triu_indices(len(xs), k=1)
    return float(np.median((ys[j] - ys[i]) / (xs[j] - xs[i])))


def mann_kendall(y: Sequence[float] | np.ndarray) -> float:
    """The two-sided p-value of no trend, by the normal approximation with corrections for ties and continuity."""
    ys = np.asarray(y, dtype=np.float64)
    n = len(ys)
    i, j = np.triu_indices(n, k=1)
    score = float(np.sum(np.sign(ys[j] - ys[i])))
    ties = np.unique(ys, return_counts=True)[1].astype(np.float64)
    variance = (n * (n - 1) * (2 * n + 5) - float(np.sum(ties * (ties - 1) * (2 * ties + 5)))) / 18
    if variance <= 0 or score == 0:
        return 1.0
    z = (abs(score) - 1) / math.sqrt(variance)
    return math.erfc(z / math.sqrt(2))
