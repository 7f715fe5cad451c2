"""Groups of values of unequal size, as the arrival times of each response's events are, in two flat arrays."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fmbench_lib.metrics.statistics.arrays import Flags, Floats, Integers

_AT_ONCE = 200_000


@dataclass(frozen=True, slots=True)
class Ragged:
    """Groups one after the other: group i is `values[offsets[i]:offsets[i + 1]]`; `offsets` begin at 0."""

    values: Floats
    offsets: Integers

    @classmethod
    def of(cls, groups: Ragged | Sequence[Any]) -> Ragged:
        """The groups of a sequence of arrays or lists; what is neither, such as None, is an empty group."""
        if isinstance(groups, Ragged):
            return groups
        arrays = [
            np.asarray(each, dtype=np.float64) if isinstance(each, np.ndarray | list | tuple) else np.empty(0)
            for each in groups
        ]
        return cls(np.concatenate([*arrays, np.empty(0)]), _offsets(np.array([each.size for each in arrays], np.int64)))

    @classmethod
    def of_sizes(cls, values: Floats, sizes: Integers) -> Ragged:
        """Groups of these sizes, one after the other."""
        return cls(values, _offsets(sizes))

    @classmethod
    def empty(cls, groups: int) -> Ragged:
        """So many groups without values."""
        return cls(np.empty(0), np.zeros(groups + 1, np.int64))

    @classmethod
    def together(cls, parts: Sequence[Ragged]) -> Ragged:
        """The groups of all parts, in order."""
        sizes = np.concatenate([part.sizes for part in parts])
        return cls(np.concatenate([part.values for part in parts]), _offsets(sizes))

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __iter__(self) -> Iterator[Floats]:
        return (self.values[begin:end] for begin, end in zip(self.offsets[:-1], self.offsets[1:], strict=True))

    @property
    def sizes(self) -> Integers:
        """How many values each group has."""
        return np.diff(self.offsets)

    def between(self, begin: int, end: int) -> Ragged:
        """The groups from one position up to another, which share the values of these."""
        offsets = self.offsets[begin : end + 1]
        return Ragged(self.values[offsets[0] : offsets[-1]], offsets - offsets[0])

    def take(self, rows: Integers) -> Ragged:
        """The groups at these positions, in this order; without a copy of the values where those are all of them."""
        sizes = self.sizes[rows]
        offsets = _offsets(sizes)
        if bool((np.diff(rows) > 0).all()):
            if offsets[-1] == self.values.size:
                return Ragged(self.values, offsets)
            chosen = np.zeros(len(self), dtype=bool)
            chosen[rows] = True
            return Ragged(self.values[np.repeat(chosen, self.sizes)], offsets)
        values = np.empty(offsets[-1])
        for begin in range(0, len(rows), _AT_ONCE):  # the positions of all values would take more than the values
            own = slice(begin, begin + _AT_ONCE)
            first, last = offsets[begin], offsets[min(begin + _AT_ONCE, len(rows))]
            places = np.arange(first, last)
            places += np.repeat(self.offsets[:-1][rows[own]] - offsets[:-1][own], sizes[own])
            values[first:last] = self.values[places]
        return Ragged(values, offsets)

    def where(self, kept: Flags) -> Ragged:
        """Groups of the values for which `kept` is True; groups may become empty."""
        filled, sizes = self.sizes > 0, np.zeros(len(self), np.int64)
        if filled.any():
            sizes[filled] = np.add.reduceat(kept, self.offsets[:-1][filled], dtype=np.int64)
        return Ragged(self.values[kept], _offsets(sizes))

    def sums(self, values: Floats | Flags | None = None) -> Floats:
        """The sum of each group, of its own values or of others in their places; 0 for an empty one."""
        each = self.values if values is None else values
        filled = self.sizes > 0
        result = np.zeros(len(self))
        if filled.any():
            result[filled] = np.add.reduceat(each, self.offsets[:-1][filled], dtype=np.float64)
        return result

    def means(self) -> Floats:
        """The mean of each group; NaN for an empty one."""
        sizes = self.sizes
        result: Floats = np.divide(self.sums(), sizes, out=np.full(len(self), np.nan), where=sizes > 0)
        return result

    def maxima(self) -> Floats:
        """The greatest value of each group; NaN for an empty one."""
        filled = self.sizes > 0
        result = np.full(len(self), np.nan)
        if filled.any():
            result[filled] = np.maximum.reduceat(self.values, self.offsets[:-1][filled])
        return result


def _offsets(sizes: Integers) -> Integers:
    return np.concatenate((np.zeros(1, np.int64), np.cumsum(sizes, dtype=np.int64)))
