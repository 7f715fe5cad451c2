"""Whether and where a series of measurements changed, for several series over the same runs.

The question of one stretch of runs: is there a place at which the earlier runs differ from the later ones? For each
series and each place with at least `LEAST_SIDE` known values on both sides, Wilcoxon's rank sum of the earlier ones is
standardised (with the correction for ties), and the greatest over places and series is the statistic. Its distribution
where nothing changes comes from putting the runs in random orders, whole runs at a time, so that what the series have
in common stays together (Westfall & Young 1993). That is exact for every distribution of the figures, also with
outliers and values that are missing, and holds for all series together. It supposes that runs in which nothing changes
could as well have come in another order: a machine that drifts from week to week is a change.

The number of orders is not fixed: it ends once `_ENOUGH` were at least as extreme as the series (Besag & Clifford
1991), which keeps the p-value valid and is soon reached where nothing changed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fmbench_lib.metrics.statistics.arrays import Floats

LEAST_SIDE = 3
LEAST_RUNS = 8
"""Fewer runs cannot show a change at 5%: of 7 runs in random order, 11% fall apart as neatly by chance."""

_ENOUGH, _MOST, _BATCH = 25, 4_999, 200
_SEED = 20_260_101


@dataclass(frozen=True, slots=True)
class Break:
    """Where a stretch of runs may have changed: before the run at `place`. `p`: of a break as clear as this in any
    series where nothing changed · `by_series`: the same for each series at this place."""

    place: int
    p: float
    by_series: tuple[float, ...]


def clearest_break(values: Floats) -> Break | None:
    """The clearest break in `values` (runs × series, NaN where unknown); None where the runs are too few."""
    known = np.isfinite(values)
    runs, series = values.shape
    if runs < LEAST_RUNS or not series or int(known.sum(axis=0).max()) < LEAST_RUNS:
        return None
    ranks, spread = _ranks(values, known)
    scores = _scores(ranks, known, spread)
    place = int(np.argmax(scores.max(axis=1)))
    at_place, greatest = scores[place], float(scores[place].max())
    if greatest <= 0:
        return None
    extreme, above, orders = _orders(ranks, known, spread, at_place, greatest)
    ended = extreme >= _ENOUGH
    shares = above / orders if ended else (above + 1) / (orders + 1)
    p = extreme / orders if ended else (extreme + 1) / (orders + 1)
    return Break(place + 1, p, tuple(float(max(p, share)) for share in shares))


def clearest_place(values: Floats) -> int | None:
    """Where a stretch of runs falls apart most clearly, by chance or not; None where no place has runs enough."""
    known = np.isfinite(values)
    if len(values) < 2 * LEAST_SIDE:
        return None
    ranks, spread = _ranks(values, known)
    scores = _scores(ranks, known, spread).max(axis=1, initial=0.0)
    return int(np.argmax(scores)) + 1 if scores.max() > 0 else None


def _orders(
    ranks: Floats, known: np.ndarray, spread: Floats, at_place: Floats, greatest: float
) -> tuple[int, Floats, int]:
    """Of random orders: how many were as extreme as the series, and as each of them, and how many there were."""
    generator = np.random.default_rng(_SEED)
    extreme, orders, above = 0, 0, np.zeros(len(at_place))
    while orders < _MOST:
        batch = min(_BATCH, _MOST - orders)
        most = np.array([_greatest(ranks, known, spread, generator.permutation(len(ranks))) for _ in range(batch)])
        hits = np.flatnonzero(most >= greatest - 1e-9)
        if extreme + len(hits) >= _ENOUGH:
            most = most[: hits[_ENOUGH - extreme - 1] + 1]
        extreme += int((most >= greatest - 1e-9).sum())
        above += (most[:, None] >= at_place[None, :] - 1e-9).sum(axis=0)
        orders += len(most)
        if extreme >= _ENOUGH:
            break
    return extreme, above, orders


def _greatest(ranks: Floats, known: np.ndarray, spread: Floats, order: np.ndarray) -> float:
    return float(_scores(ranks[order], known[order], spread).max())


def _ranks(values: Floats, known: np.ndarray) -> tuple[Floats, Floats]:
    """The rank of each value in its series about their mean (0 where unknown), and the variance of a single rank sum
    for one value on each side of it, corrected for ties."""
    ranks, spread = np.zeros(values.shape), np.zeros(values.shape[1])
    for column in range(values.shape[1]):
        own = values[known[:, column], column]
        if not own.size:
            continue
        _, group, sizes = np.unique(own, return_inverse=True, return_counts=True)
        ends = np.cumsum(sizes)
        ranks[known[:, column], column] = (ends - (sizes - 1) / 2)[group] - (own.size + 1) / 2
        ties = float((sizes**3 - sizes).sum())
        count = own.size
        spread[column] = (count + 1 - ties / (count * (count - 1))) / 12 if count > 1 else 0.0
    return ranks, spread


def _scores(ranks: Floats, known: np.ndarray, spread: Floats) -> Floats:
    """The standardised rank sum of the runs up to each place, for each series; 0 where a side is too short."""
    sums = np.cumsum(ranks, axis=0)[:-1]
    before = np.cumsum(known, axis=0)[:-1]
    after = known.sum(axis=0) - before
    variance = before * after * spread
    usable = (before >= LEAST_SIDE) & (after >= LEAST_SIDE) & (variance > 0)
    scores: Floats = np.where(usable, np.abs(sums) / np.sqrt(np.where(usable, variance, 1.0)), 0.0)
    return scores
