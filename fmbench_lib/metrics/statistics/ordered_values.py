"""Order statistics of many values: a few of them are found in a fraction of the time that sorting all takes."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fmbench_lib.metrics.statistics.arrays import Floats

MOST_COPIED = 2_000_000
"""Values. Of more, those around an order statistic are picked out, as a copy of all is memory that a level lacks."""
_SAMPLE, _SIGMAS, _AT_LEAST = 20_000, 5.0, 25


class OrderedValues:
    """Values, none of them NaN, that are put in order as far as their order statistics are asked for.

    With `own` it is the array itself that may be put in order, which spares a copy.
    """

    def __init__(self, values: Floats, *, own: bool = False) -> None:
        few = values.size <= MOST_COPIED
        self._found: _Placed | _Picked = _Placed(values if own else np.array(values)) if few else _Picked(values)

    @property
    def size(self) -> int:
        """How many values there are."""
        return self._found.values.size

    def at(self, positions: Sequence[int]) -> list[float]:
        """The values that would be at these positions, from 0, if all were sorted."""
        return self._found.at(positions)

    def quantiles(self, shares: Sequence[float]) -> list[float]:
        """Quantiles by linear interpolation at `q * (n - 1)`, rounded as numpy's are; there must be a value."""
        last = self.size - 1
        below = [math.floor(share * last) for share in shares]
        ends = self.at([place for first in below for place in (first, min(first + 1, last))])
        return [
            _between(ends[2 * number], ends[2 * number + 1], share * last - first)
            for number, (first, share) in enumerate(zip(below, shares, strict=True))
        ]


def _between(low: float, high: float, share: float) -> float:
    return low + (high - low) * share if share < 0.5 else high - (high - low) * (1 - share)


class _Placed:
    """Values of which those at the asked positions are moved there, and smaller ones before them."""

    def __init__(self, values: Floats) -> None:
        self.values = values
        self._placed: list[int] = []

    def at(self, positions: Sequence[int]) -> list[float]:
        """Each position that is not placed yet is looked for among the values between the placed ones around it."""
        wanted = sorted(set(positions).difference(self._placed))
        while wanted:
            around = bisect_left(self._placed, wanted[0])
            begin = self._placed[around - 1] + 1 if around else 0
            end = self._placed[around] if around < len(self._placed) else self.values.size
            here = wanted[: bisect_left(wanted, end)]
            self.values[begin:end].partition([position - begin for position in here])
            self._placed[around:around] = here
            wanted = wanted[len(here) :]
        return [float(self.values[position]) for position in positions]


@dataclass(frozen=True, slots=True)
class _Piece:
    """All values from one to another, sorted, of which the first would be at a position."""

    first: int
    values: Floats

    def holds(self, position: int) -> bool:
        return self.first <= position < self.first + self.values.size


class _Picked:
    """Values of which those around the asked positions are sorted: a sample says between which values they lie."""

    def __init__(self, values: Floats) -> None:
        self.values = values
        self._sample = np.sort(values[:: max(1, values.size // _SAMPLE)])
        self._pieces: list[_Piece] = []

    def at(self, positions: Sequence[int]) -> list[float]:
        """Each from a piece that holds it."""
        pieces = [(position, self._holding(position)) for position in positions]
        return [float(piece.values[position - piece.first]) for position, piece in pieces]

    def _holding(self, position: int) -> _Piece:
        piece = next((piece for piece in self._pieces if piece.holds(position)), None)
        reach = 1
        while piece is None or not piece.holds(position):  # a sample that is unlike the values takes several tries
            piece = self._around(position, reach)
            reach *= 8
            self._pieces.append(piece)
        return piece

    def _around(self, position: int, reach: int) -> _Piece:
        share, count = position / self.values.size, self._sample.size
        width = reach * (_SIGMAS * math.sqrt(count * share * (1 - share)) + _AT_LEAST)
        below, above = math.floor(share * count - width), math.ceil(share * count + width)
        low = -math.inf if below < 0 else float(self._sample[below])
        high = math.inf if above >= count else float(self._sample[above])
        first = int(np.count_nonzero(self.values < low))
        return _Piece(first, np.sort(self.values[(self.values >= low) & (self.values <= high)]))
