"""What one copy does by the requests it has in flight, measured in closed loops: its throughput and its times.

Between measured loads nothing was measured, and three views say what may be there:

- `expected`: the throughput by the scalability law, scaled to pass through the measured points (without a law that fits
  within 10%, straight lines), times on straight lines between the quantiles of the neighbouring loads;
- `assured`: straight lines through the lower ends of the throughputs' intervals, which lie below any concave curve, and
  times stretched to the upper ends of theirs;
- `possible`: as much throughput as a concave curve through its neighbours can have, from the upper ends, and the times
  of the next lower load, which are no longer than those of more requests.

Below the least measured load throughput is in proportion to the requests, and times are those of that load. Above the
greatest nothing is taken for known.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from fmbench_lib.metrics.sizing.scalability_law import ScalabilityLaw, fit_law
from fmbench_lib.metrics.statistics.arrays import Floats

View = Literal["assured", "expected", "possible"]
PROBABILITIES: Floats = (np.arange(400) + 0.5) / 400
"""Where the distribution of times is known: the middles of 400 equal parts."""
_FITS = 0.1


@dataclass(frozen=True, slots=True)
class Times:
    """The quantiles of a family of times at `PROBABILITIES` (s), and by what the ends of the interval of the p95 are
    above and below it: 1 where there is no interval."""

    quantiles: Floats
    high: float = 1.0
    low: float = 1.0


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """A closed-loop level. `rate`: successes per second, with the ends of its interval (itself where there is none)."""

    in_flight: float
    rate: float
    rate_low: float
    rate_high: float
    times: Mapping[str, Times]


@dataclass(frozen=True, slots=True)
class CopyStates:
    """A copy with 0, 1, …, K requests in flight, K being the greatest load measured.

    `rate`: requests per second that it ends then · `times`: by family the quantiles (s), a row for each number.
    """

    rate: Floats
    times: Mapping[str, Floats]

    @property
    def most(self) -> int:
        """K."""
        return len(self.rate) - 1


@dataclass(frozen=True, slots=True)
class CopyCurve:
    """The measured loads of a copy in ascending order, each number in flight once."""

    points: tuple[CurvePoint, ...]
    law: ScalabilityLaw | None

    @classmethod
    def of(cls, points: Sequence[CurvePoint]) -> CopyCurve:
        """The curve through these points, of which there must be one."""
        ordered = tuple(sorted({point.in_flight: point for point in points}.values(), key=lambda one: one.in_flight))
        return cls(ordered, fit_law([one.in_flight for one in ordered], [one.rate for one in ordered]))

    @property
    def loads(self) -> Floats:
        """The requests in flight of the points."""
        return np.array([point.in_flight for point in self.points])

    def states(self, view: View) -> CopyStates:
        """The copy in every state that was measured or lies between such, by one of the views."""
        numbers = np.arange(int(np.ceil(self.points[-1].in_flight - 1e-9)) + 1, dtype=np.float64)
        families = set.intersection(*(set(point.times) for point in self.points))
        times = {family: self._times(numbers, family, view) for family in sorted(families)}
        return CopyStates(self._rate(numbers, view), times)

    def _rate(self, numbers: Floats, view: View) -> Floats:
        if view == "assured":
            return _chords(numbers, self.loads, np.array([point.rate_low for point in self.points]))
        if view == "possible":
            return _concave_most(numbers, self.loads, np.array([point.rate_high for point in self.points]))
        measured = np.array([point.rate for point in self.points])
        chords = _chords(numbers, self.loads, measured)
        if self.law is None or self.law.misfit > _FITS:
            return chords
        scale = np.interp(numbers, self.loads, measured / self.law.rate(self.loads))
        return np.clip(self.law.rate(numbers) * scale, chords, _concave_most(numbers, self.loads, measured))

    def _times(self, numbers: Floats, family: str, view: View) -> Floats:
        known = [point.times[family] for point in self.points]
        ends = {"assured": [one.high for one in known], "possible": [one.low for one in known]}
        stretch = np.array(ends.get(view, [1.0] * len(known)))
        rows = np.stack([one.quantiles for one in known]) * stretch[:, None]
        if view == "assured":
            rows = np.maximum.accumulate(rows, axis=0)  # more requests in flight do not make one faster
        if view == "possible":
            below = np.searchsorted(self.loads, numbers + 1e-9, side="right") - 1
            lowest: Floats = rows[np.maximum(below, 0)]
            return lowest
        return _between_rows(numbers, self.loads, rows)


def _chords(numbers: Floats, loads: Floats, rates: Floats) -> Floats:
    """Straight lines through the points, and from 0 to the first."""
    result: Floats = np.interp(numbers, np.concatenate(([0.0], loads)), np.concatenate(([0.0], rates)))
    return result


def _concave_most(numbers: Floats, loads: Floats, rates: Floats) -> Floats:
    """The most that a concave curve through the points and 0 can have: between two points the lines of the neighbouring
    pieces are above it, and in the last piece, which has no next one, the greater of its ends."""
    known, values = np.concatenate(([0.0], loads)), np.concatenate(([0.0], rates))
    slopes = np.diff(values) / np.diff(known)
    result = np.interp(numbers, known, values)
    piece = np.clip(np.searchsorted(known, numbers, side="left") - 1, 0, len(slopes) - 1)
    most = np.full_like(numbers, np.inf)
    for neighbour in (piece - 1, piece + 1):
        there = (neighbour >= 0) & (neighbour < len(slopes))
        one = np.where(there, neighbour, 0)
        most = np.where(there, np.minimum(most, values[one] + slopes[one] * (numbers - known[one])), most)
    last = piece == len(slopes) - 1
    most = np.where(last, np.minimum(most, max(values[-2:])), most)
    at_a_point = np.isin(numbers, known)
    return np.where(at_a_point, result, np.maximum(result, most))


def _between_rows(numbers: Floats, loads: Floats, rows: Floats) -> Floats:
    """The rows at these loads by straight lines; before the first and after the last, theirs."""
    above = np.clip(np.searchsorted(loads, numbers, side="left"), 1, max(len(loads) - 1, 1))
    if len(loads) == 1:
        return np.repeat(rows, len(numbers), axis=0)
    share = np.clip((numbers - loads[above - 1]) / (loads[above] - loads[above - 1]), 0.0, 1.0)[:, None]
    result: Floats = rows[above - 1] * (1 - share) + rows[above] * share
    return result
