"""Fleets of a copy whose closed loops were measured: how many copies carry a rate within the limits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from fmbench_lib.metrics.sizing.copy_curve import CopyCurve, CopyStates, View
from fmbench_lib.metrics.sizing.fleet_queue import met_by_arrivals, share_within, time_at
from fmbench_lib.metrics.sizing.sizing_question import Routing, TimeLimit
from fmbench_lib.metrics.statistics.arrays import Floats

MOST_COPIES = 20_000
_HALVINGS = 14


@dataclass(frozen=True, slots=True)
class CopyFleets:
    """`assured`, `expected`, `possible`: the copy by each view of what lies between its measured loads."""

    assured: CopyStates
    expected: CopyStates
    possible: CopyStates
    limits: tuple[TimeLimit, ...]
    routing: Routing
    variation: float

    @classmethod
    def of(cls, curve: CopyCurve, limits: Sequence[TimeLimit], routing: Routing, variation: float) -> CopyFleets:
        """The fleets of a copy with this curve."""
        return cls(
            assured=curve.states("assured"),
            expected=curve.states("expected"),
            possible=curve.states("possible"),
            limits=tuple(limits),
            routing=routing,
            variation=variation,
        )

    def least_copies(self, view: View, arrivals: float) -> int | None:
        """The least number of copies that carry so many requests per second within all limits, by doubling and halving;
        None where no number up to 20,000 does."""
        if self.missed_alone(view) is not None:
            return None
        high = 1
        while not self._meets(view, high, arrivals):
            high *= 2
            if high > MOST_COPIES:
                return None
        low = high // 2
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if self._meets(view, middle, arrivals) else (middle, high)
        return high

    def missed_alone(self, view: View) -> TimeLimit | None:
        """A limit that one request alone at its copy misses; None where it meets all."""
        states = self._states(view)
        alone = np.zeros(states.most + 1)
        alone[0] = 1.0
        missed = (one for one in self.limits if share_within(states, alone, one.family, one.limit) < one.q)
        return next(missed, None)

    def carries(self, copies: int) -> float:
        """The greatest rate of so many copies that is assured within the limits, requests per second."""
        high = copies * float(self.assured.rate.max())
        return _greatest(lambda arrivals: self._meets("assured", copies, arrivals), high)

    def p95(self, view: View, copies: int, arrivals: float, limit: TimeLimit) -> float | None:
        """The percentile of a limit (s) at a rate; None where it belongs to more requests in flight than measured."""
        met = self._met(view, copies, arrivals)
        return None if met is None else time_at(self._states(view), met, limit.family, limit.q)

    def beyond(self, copies: int, arrivals: float) -> float:
        """The share of requests that find more in flight at their copy than was measured, as far as is expected."""
        met = self._met("expected", copies, arrivals)
        return 1.0 if met is None else float(met[-1])

    def _meets(self, view: View, copies: int, arrivals: float) -> bool:
        met = self._met(view, copies, arrivals)
        states = self._states(view)
        return met is not None and all(share_within(states, met, one.family, one.limit) >= one.q for one in self.limits)

    def _met(self, view: View, copies: int, arrivals: float) -> Floats | None:
        rate = self._states(view).rate
        variation = self.variation if view == "possible" else max(self.variation, 1.0)
        if self.routing == "random":
            return met_by_arrivals(rate, 1, arrivals / copies, variation)
        return met_by_arrivals(rate, copies, arrivals, variation)

    def _states(self, view: View) -> CopyStates:
        return {"assured": self.assured, "expected": self.expected, "possible": self.possible}[view]


def _greatest(meets: Callable[[float], bool], high: float) -> float:
    """The greatest value up to `high` that meets a condition which smaller ones meet too; at most 1/16,384 too low."""
    low = 0.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if meets(middle) else (low, middle)
    return low
