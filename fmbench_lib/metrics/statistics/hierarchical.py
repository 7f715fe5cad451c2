"""Intervals of a level that was measured several times: what differs between repeats, and what is uncertain within one.

An interval from a single measurement speaks of that measurement: a server that is faster or slower on another day, or
after another start, is outside it, however many requests there were. Repeats see that, as long as each is a
measurement of its own, with arrivals and prompts of its own.

Two levels of variance (Kalibera & Jones 2013, "Rigorous benchmarking in reasonable time"; Gelman & Hill 2007, chapter
12): a figure of one repeat varies by the variance between repeats plus its own within. The variance of the repeats'
figures estimates the sum of both, so their mean has a Student interval with one degree of freedom less than there are
repeats. It is taken of logarithms: a slow day makes times longer by a factor, and no end of the interval is below 0.

Assumption: repeats are independent of each other, and the logarithms of their figures roughly normal. The interval
holds the figure that a repeat typically gives (the geometric mean over all repeats that could be made). A percentile of
the requests of all such repeats together depends on the rare slow one, which a handful of repeats does not show:
`benchmarks/coverage_repeats.py` measures both.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fmbench_lib.metrics.statistics.student import t_quantile


@dataclass(frozen=True, slots=True)
class RepeatFigure:
    """A figure of one repeat with its 95% interval within that repeat (None where it has none).

    `weight`: its share in the pooled figure, in any unit: requests of a time, seconds of a rate. `enough`: what it has
    of the length that an interval needs, 1 or more where it is long enough by itself.
    """

    value: float
    low: float | None = None
    high: float | None = None
    weight: float = 1.0
    enough: float = 1.0


def repeated_interval(
    value: float, figures: Sequence[RepeatFigure], *, of_times: bool = False
) -> tuple[float, float] | None:
    """The 95% interval of a pooled figure; None of fewer than two repeats, or if they are too short even together.

    From `min(value, g) / f` to `max(value, g) · f`, with g the geometric mean of the N repeats' figures and
    `f = exp(t·s/√N)`, s being the standard deviation of their logarithms and t Student's quantile with N - 1 degrees of
    freedom. It is nowhere narrower than what the intervals within the repeats give for their weighted mean. Where a
    figure is 0 there are no logarithms, and it is `value ± t·s/√N` of the figures themselves, from 0 on.

    With `of_times` the upper factor is `f` to the power of `1 + 1 / (N - 1)`: a queue makes of a slow day more than a
    fast day takes away, and a few repeats may all be of faster days.
    """
    count = len(figures)
    if count < 2 or sum(figure.enough for figure in figures) < 1:
        return None
    values = np.array([figure.value for figure in figures])
    share = t_quantile(0.975, count - 1) / math.sqrt(count)
    if value > 0 and (values > 0).all():
        logs = np.log(values)
        middle, factor = math.exp(float(logs.mean())), math.exp(share * float(logs.std(ddof=1)))
        above = factor ** (1 + 1 / (count - 1)) if of_times else factor
        low, high = min(value, middle) / factor, max(value, middle) * above
    else:
        half = share * float(values.std(ddof=1))
        low, high = max(0.0, value - half), value + half
    chance_below = _within([(one.weight, None if one.low is None else one.value - one.low) for one in figures])
    chance_above = _within([(one.weight, None if one.high is None else one.high - one.value) for one in figures])
    return min(low, value - chance_below), max(high, value + chance_above)


def _within(reaches: Sequence[tuple[float, float | None]]) -> float:
    """How far the weighted mean reaches if repeats differ by chance alone; those without a reach say nothing."""
    known = [(weight, reach) for weight, reach in reaches if reach is not None]
    total = sum(weight for weight, _ in known)
    return math.sqrt(sum((weight * reach) ** 2 for weight, reach in known)) / total if total > 0 else 0.0
