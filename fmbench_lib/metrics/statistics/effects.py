"""How much larger one figure is than another, each measured in one or several repeats.

Figures are compared by the logarithm of their ratio: a slower machine makes times longer by a factor. A repeat's
logarithm varies by what is uncertain within it (`Reading.error`, from its own requests) and by what differs between
repeats, of which a handful says little. So the deviation between repeats is not estimated but integrated over: normal
random effects with a half-Cauchy prior of scale 0.015 for their standard deviation, and a flat one for the effect
(Gelman 2006, "Prior distributions for variance parameters in hierarchical models"; Röver 2020 for few groups). Repeats
that agree leave the interval about as narrow as their requests make it; repeats that disagree widen it.

Where both sides were measured in turns, a repeat of one is compared with the repeat of the other beside it (`paired`):
what changes slowly over the hour changes both. Of one repeat each nothing is known of the deviation, and the interval
speaks of these two measurements alone.

Assumption: repeats are independent, their errors are normal on the logarithmic scale.
`benchmarks/coverage_comparison.py` measures how often the intervals hold, and how often no difference is called one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from fmbench_lib.metrics.statistics.arrays import Floats

_SCALE = 0.015
_DEVIATIONS = np.concatenate(([5e-4], np.geomspace(1e-3, 2.0, 72)))
_PRIOR = np.gradient(_DEVIATIONS) / (1 + (_DEVIATIONS / _SCALE) ** 2)
_LEAST_ERROR = 1e-3
_LEAST_WEIGHT, _EXACT = 1e-14, 1e-12
_POWER = NormalDist().inv_cdf(0.975) + NormalDist().inv_cdf(0.8)


@dataclass(frozen=True, slots=True)
class Reading:
    """A positive figure of one repeat; `error` is the standard error of its logarithm within the repeat."""

    value: float
    error: float


@dataclass(frozen=True, slots=True)
class Effect:
    """A relative difference: 0.1 where the second figure is 10% larger, with the ends of its 95% interval.

    `p`: of a difference at least as large where there is none, two-sided. `visible`: the least difference, as a share,
    that such data show four times in five.
    """

    change: float
    low: float
    high: float
    p: float
    visible: float


def effect(base: Sequence[Reading], new: Sequence[Reading], *, paired: bool = False) -> Effect | None:
    """The difference of `new` from `base`; None where a side has no reading, or a figure is not positive.

    `paired` needs as many readings of each, those of one pair at the same place; a single pair is no different.
    """
    sides = (base, new)
    if any(not side or any(reading.value <= 0 for reading in side) for side in sides):
        return None
    logs = [np.log([reading.value for reading in side]) for side in sides]
    within = [float(np.mean([max(reading.error, _LEAST_ERROR) ** 2 for reading in side])) for side in sides]
    middle = float(logs[1].mean() - logs[0].mean())
    weights, variances = _paired(logs, within) if paired and len(base) > 1 else _apart(logs, within)
    error = math.sqrt(float(weights @ variances))
    p = 2 * _below(-abs(middle), weights, variances)
    low = middle - _reach(weights, variances)
    high = middle + _reach(weights, variances)
    return Effect(math.expm1(middle), math.expm1(low), math.expm1(high), min(p, 1.0), math.expm1(_POWER * error))


def _apart(logs: Sequence[Floats], within: Sequence[float]) -> tuple[Floats, Floats]:
    """The weight of each deviation between repeats, and the variance of the effect with it."""
    likelihood, variances = np.zeros_like(_DEVIATIONS), np.zeros_like(_DEVIATIONS)
    for values, variance in zip(logs, within, strict=True):
        of_one = variance + _DEVIATIONS**2
        likelihood += _likelihood(values, of_one)
        variances += of_one / values.size
    return _known(likelihood, variances, within) if max(map(len, logs)) > 1 else _alone(within)


def _paired(logs: Sequence[Floats], within: Sequence[float]) -> tuple[Floats, Floats]:
    differences, of_one = logs[1] - logs[0], sum(within) + _DEVIATIONS**2
    return _known(_likelihood(differences, of_one), of_one / differences.size, within)


def _known(likelihood: Floats, variances: Floats, within: Sequence[float]) -> tuple[Floats, Floats]:
    posterior = _PRIOR * np.exp(likelihood - likelihood.max())
    return posterior / posterior.sum(), variances


def _alone(within: Sequence[float]) -> tuple[Floats, Floats]:
    return np.ones(1), np.array([sum(within)])


def _likelihood(values: Floats, variance: Floats) -> Floats:
    """The logarithm of the likelihood of values about an unknown mean, for each variance of one value."""
    squares = float(((values - values.mean()) ** 2).sum())
    result: Floats = -0.5 * (values.size - 1) * np.log(variance) - 0.5 * squares / variance
    return result


def _below(value: float, weights: Floats, variances: Floats) -> float:
    """The share of a mixture of normal distributions about 0 below a value."""
    scaled = value / np.sqrt(2 * np.maximum(variances, 1e-300))
    # lists, as math.erfc is three times as slow on numpy's scalars
    pairs = zip(weights.tolist(), scaled.tolist(), strict=True)
    return float(sum(weight * 0.5 * math.erfc(-one) for weight, one in pairs))


def _reach(weights: Floats, variances: Floats) -> float:
    """The half width of the central 95% of the mixture, by bisection."""
    counts = weights > _LEAST_WEIGHT  # all others together are too few to move it
    weights, variances = weights[counts], variances[counts]
    low, high = 0.0, 10 * math.sqrt(float(variances.max())) + 1e-12
    while high - low > _EXACT * high:
        half = (low + high) / 2
        if _below(-half, weights, variances) > 0.025:
            low = half
        else:
            high = half
    return high
