"""Order statistics of many values: a few of them are found in a fraction of the time that sorting all takes."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence

import numpy as np

from fmbench_lib.metrics.statistics.arrays import Floats


class OrderedValues:
    """Values, none of them NaN, that are put in order as far as their order statistics are asked for.

    With `own` it is the array itself that is put in order, which spares a copy.
    """

    def __init__(self, values: Floats, *, own: bool = False) -> None:
        self._values = values if own else np.array(values, dtype=np.float64)
        self._placed: list[int] = []  # positions whose value is the one that it would be if all were sorted

    @property
    def size(self) -> int:
        """How many values there are."""
        return self._values.size

    def at(self, positions: Sequence[int]) -> list[float]:
        """The values that would be at these positions, from 0, if all were sorted."""
        self._place(positions)
        return [float(self._values[position]) for position in positions]

    def quantiles(self, shares: Sequence[float]) -> list[float]:
        """Quantiles by linear interpolation at `q * (n - 1)`, rounded as numpy's are; there must be a value."""
        last = self.size - 1
        below = [math.floor(share * last) for share in shares]
        self._place([place for first in below for place in (first, min(first + 1, last))])
        return [
            self._between(first, min(first + 1, last), share * last - first)
            for first, share in zip(below, shares, strict=True)
        ]

    def _between(self, first: int, second: int, share: float) -> float:
        low, high = float(self._values[first]), float(self._values[second])
        return low + (high - low) * share if share < 0.5 else high - (high - low) * (1 - share)

    def _place(self, positions: Sequence[int]) -> None:
        """Each position that is not placed yet is found among the values between the placed ones around it."""
        wanted = sorted(set(positions).difference(self._placed))
        while wanted:
            around = bisect_left(self._placed, wanted[0])
            begin = self._placed[around - 1] + 1 if around else 0
            end = self._placed[around] if around < len(self._placed) else self.size
            here = wanted[: bisect_left(wanted, end)]
            self._values[begin:end].partition([position - begin for position in here])
            self._placed[around:around] = here
            wanted = wanted[len(here) :]
