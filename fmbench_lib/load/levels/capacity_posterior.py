"""What the levels of a search say together about the greatest load that meets the objectives: a distribution of it.

Each level is a noisy look at one monotone curve, the distance from the limit over the logarithm of the load, which
passes through 0 at the answer. Bayes' rule with that one model for all levels replaces any rule about single levels
(Waeber, Frazier & Henderson 2013, probabilistic bisection; here the size of a miss counts, not its side alone).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

Floats: TypeAlias = np.ndarray[Any, np.dtype[np.float64]]

_STEP = 0.005
_REACH = math.log(4.0)
_SLOPES = np.geomspace(0.7, 32.0, 9)
_STEEPENING = (1.0, 2.5)

# Levels that are shorter than the queue's memory look better than their load is, and all of them do: by so many of
# their upper standard errors, with a half-normal chance. That does not average out over levels as noise does.
_OPTIMISM = np.arange(0.0, 2.1, 0.4)
_OPTIMISM_SCALE = 1.0

# How far a distance may lie off the curve: by a multiple of its standard error, at least so much, and by a share of
# the curve's height.
_DOUBT = 1.2
_LEAST_ERROR = 0.03
_CEILING = 2.0
_CURVE_ERROR = 0.35
_OUTLIERS = 0.03


@dataclass(frozen=True, slots=True)
class Look:
    """One level: the logarithm of its load, `distance` = log(value / limit) of its worst objective, and the standard
    errors of that: how far the truth may lie below it, and above. Where one of the three is infinite, the level says
    only on which side of the limit it is."""

    load: float
    distance: float
    error_below: float
    error_above: float


@dataclass(frozen=True, slots=True)
class CapacityPosterior:
    """The probability distribution of the logarithm of the answer on a grid."""

    grid: Floats
    below: Floats
    """The probability that the answer lies at or below each point of the grid."""

    @classmethod
    def of(
        cls, looks: Sequence[Look], least: float = -math.inf, most: float = math.inf, *, optimism: bool = True
    ) -> CapacityPosterior:
        """The distribution after these looks, uniform before them from a quarter of the least load tried to four times
        the greatest, and between the logarithms `least` and `most`.

        Assumption: the curve is linear in the logarithm of the load below the answer (flattening out at the least
        distance seen), up to four times as steep above it; slopes are unknown, and the curve itself is off by a share
        of its height. Levels are independent given the curve and, with `optimism`, their common optimism.
        """
        loads = [look.load for look in looks]
        low, high = max(min(loads) - _REACH, least), min(max(loads) + _REACH, most)
        grid = np.arange(low, max(low, high) + _STEP, _STEP)
        floor = min(max(0.1, *(-look.distance for look in looks if math.isfinite(look.distance)), 0.1), _CEILING)
        shared = np.meshgrid(_SLOPES, _STEEPENING, _OPTIMISM if optimism else _OPTIMISM[:1])
        slopes, steepening, excess = (part.ravel()[:, None] for part in shared)
        logs = np.zeros((len(slopes), len(grid))) - 0.5 * (excess / _OPTIMISM_SCALE) ** 2
        for look in looks:
            offset = (look.load - grid)[None, :]
            logs += _log_likelihood(look, np.where(offset > 0, steepening, 1.0) * slopes * offset, excess, floor)
        weight = np.exp(logs - logs.max()).sum(axis=0)
        return cls(grid, np.cumsum(weight) / weight.sum())

    def quantile(self, share: float) -> float:
        """The load below which the answer lies with this probability."""
        index = min(int(np.searchsorted(self.below, share)), len(self.grid) - 1)
        return math.exp(float(self.grid[index]))

    def at_least(self, load: float) -> float:
        """The probability that the answer is this load or a greater one."""
        index = min(int(np.searchsorted(self.grid, math.log(load))), len(self.grid))
        return 1.0 - (float(self.below[index - 1]) if index > 0 else 0.0)


def _log_likelihood(look: Look, rise: Floats, optimism: Floats, floor: float) -> Floats:
    """The logarithm of how likely the look is where the line has risen to `rise`; it flattens out at both ends."""
    if not all(map(math.isfinite, (look.distance, look.error_below, look.error_above))):
        return np.log(np.where(rise * look.distance > 0, 1.0, _OUTLIERS))
    curve = np.where(rise > 0, _CEILING * np.tanh(rise / _CEILING), floor * np.tanh(rise / floor))
    distance = min(max(look.distance, -_CEILING), _CEILING)
    residual = distance + optimism * look.error_above - curve
    own = _LEAST_ERROR**2 + (_CURVE_ERROR * curve) ** 2
    below, above = (np.sqrt((_DOUBT * error) ** 2 + own) for error in (look.error_below, look.error_above))
    chance = np.exp(-0.5 * (residual / np.where(residual < 0, above, below)) ** 2)
    result: Floats = np.log((1 - _OUTLIERS) * chance / ((below + above) * math.sqrt(math.pi / 2)) + _OUTLIERS / 4)
    return result
