"""How often a request of one level takes longer than one of another: the whole distributions, not one percentile.

Brunner and Munzel's (2000) relative effect `P(X < Y) + P(X = Y) / 2` for `X` of the base and `Y` of the new level: ½
where neither tends to be longer, whatever their shapes and spreads. Each value is placed in the other level's
distribution, and the effect is the mean of the new one's places. The test's own variance is for independent values;
requests that share a queue are not. So the mean of each repeat's places has the error of a correlated series, and what
differs between repeats is integrated over as for any other figure (`effects`), which takes ratios: it is given the
exponentials.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fmbench_lib.metrics.statistics.arrays import Floats
from fmbench_lib.metrics.statistics.correlated import State, mean_interval, rough_mean_interval
from fmbench_lib.metrics.statistics.effects import Reading, effect

_NORMAL_95 = 2 * 1.96


@dataclass(frozen=True, slots=True)
class RankEffect:
    """`longer`: the share of pairs in which the new level's request takes longer, ties counting half, with the ends of
    its 95% interval · `p`: of such a share where both take equally long, two-sided · `enough`: what both have of the
    length that an interval needs, 1 or more where they are long enough."""

    longer: float
    low: float
    high: float
    p: float
    enough: float


Series = Sequence[tuple[Floats, State]]
"""The values of each repeat in order of sending, NaN where a request has none, and the endpoint's state then."""


def rank_effect(base: Series, new: Series, *, paired: bool = False) -> RankEffect | None:
    """The relative effect of two levels; None where a repeat has no value. `paired`: repeats at the same place were
    measured beside each other."""
    if not base or not new or any(not np.isfinite(values).any() for values, _ in (*base, *new)):
        return None
    pooled = [np.sort(np.concatenate([values[np.isfinite(values)] for values, _ in side])) for side in (base, new)]
    of_base = [_places(values, pooled[1]) for values, _ in base]
    of_new = [_places(values, pooled[0]) for values, _ in new]
    centre = float(np.mean([np.nanmean(places) for places in of_new]))
    readings = [
        [_reading(places, state, middle) for places, (_, state) in zip(side, levels, strict=True)]
        for side, levels, middle in ((of_base, base, 1 - centre), (of_new, new, centre))
    ]
    found = effect(readings[0], readings[1], paired=paired and len(base) == len(new))
    if found is None:
        return None
    ends = [0.5 + math.log1p(value) for value in (found.change, found.low, found.high)]
    longer, low, high = (min(max(end, 0.0), 1.0) for end in ends)
    enough = min(_enough(of_base, base), _enough(of_new, new))
    return RankEffect(longer, low, high, found.p, enough)


def _places(values: Floats, others: Floats) -> Floats:
    """The share of the other level's values below each value, ties counting half; NaN where there is none."""
    below = np.searchsorted(others, values, side="left") + np.searchsorted(others, values, side="right")
    result: Floats = np.where(np.isfinite(values), below / (2 * others.size), np.nan)
    return result


def _reading(places: Floats, state: State, middle: float) -> Reading:
    """A repeat's mean place, about half of the mean of all, so that two sides differ by the effect less a half."""
    mean = rough_mean_interval(places, state)
    assert mean.value is not None  # a repeat has a value
    assert mean.low is not None
    assert mean.high is not None
    return Reading(math.exp(mean.value - middle / 2), (mean.high - mean.low) / _NORMAL_95)


def _enough(places: Sequence[Floats], levels: Series) -> float:
    known = [mean_interval(values, state) for values, (_, state) in zip(places, levels, strict=True)]
    return sum(1 / one.longer for one in known)
