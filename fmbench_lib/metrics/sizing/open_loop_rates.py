"""What one copy does under random arrivals, measured in open loops.

Such a level already contains the queueing of random arrivals at one copy. Dealt out at random, the arrivals at each
copy of a fleet are such a process again, so `⌈rate / greatest rate of one⌉` copies are enough; by sending each request
to the copy with the fewest, fewer may be. Times grow with the rate, and faster the nearer it is to the capacity: the
straight line between two measured rates is above the curve. Above the greatest measured rate nothing is taken for
known.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from fmbench_lib.metrics.sizing.sizing_question import TimeLimit


@dataclass(frozen=True, slots=True)
class RatePoint:
    """An open-loop level. `rate`: requests per second offered · `p95`: by family the value and the upper end of its
    interval, s (the value where it has none)."""

    rate: float
    p95: Mapping[str, tuple[float, float]]


@dataclass(frozen=True, slots=True)
class RateCurve:
    """The levels of one copy in ascending order of their rates."""

    points: tuple[RatePoint, ...]

    @classmethod
    def of(cls, points: Sequence[RatePoint]) -> RateCurve:
        """The curve through these levels, of which there must be one."""
        return cls(tuple(sorted(points, key=lambda point: point.rate)))

    @property
    def greatest(self) -> float:
        """The greatest rate measured, requests per second."""
        return self.points[-1].rate

    def within(self, limits: Sequence[TimeLimit], *, sure: bool = True) -> float | None:
        """The greatest rate of one copy within all limits, at most the greatest measured; None where the least measured
        rate exceeds one. `sure`: by the upper ends of the intervals."""
        found = [self._within(limit, sure) for limit in limits]
        known = [rate for rate in found if rate is not None]
        return min(known) if len(known) == len(found) else None

    def p95(self, family: str, rate: float) -> float:
        """The p95 at a rate, s: between measured rates on a straight line; below the least, its own."""
        values = [point.p95[family][0] for point in self.points]
        return float(np.interp(rate, [point.rate for point in self.points], values))

    def _within(self, limit: TimeLimit, sure: bool) -> float | None:
        times = np.maximum.accumulate([point.p95[limit.family][int(sure)] for point in self.points])
        rates = np.array([point.rate for point in self.points])
        if times[0] > limit.limit:
            return None
        over = int(np.searchsorted(times, limit.limit, side="right"))
        if over == len(times):
            return float(rates[-1])
        share = (limit.limit - times[over - 1]) / (times[over] - times[over - 1])
        return float(rates[over - 1] + share * (rates[over] - rates[over - 1]))
