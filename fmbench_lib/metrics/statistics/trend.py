"""Whether a series rises or falls: by rank (Mann 1945, Kendall 1975), and by how much (Theil 1950, Sen 1968)."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np


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
