"""Some rows of a frame, of which a column is taken when it is asked for: copies of all columns would be most of the
memory that a level of many requests takes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import pandas as pd

from fmbench_lib.metrics.statistics.arrays import Flags, Integers


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of a frame in their order: those between the positions `begin` and `end`, or the ones of these that `flags`
    say; None for all of them. With `order` these follow each other as it says, by their positions among themselves."""

    frame: pd.DataFrame
    begin: int
    end: int
    flags: Flags | None = None
    order: Integers | None = None

    @classmethod
    def chosen(cls, frame: pd.DataFrame, flags: Flags) -> Rows:
        """The rows of a frame for which a flag is True."""
        return cls(frame, 0, len(frame)).where(flags)

    def where(self, flags: Flags) -> Rows:
        """Those of the rows for which a flag is True."""
        if self.flags is not None:
            mine, flags = flags, self.flags.copy()
            flags[flags] = mine
        if not flags.any():
            return Rows(self.frame, self.begin, self.begin)
        first, last = int(flags.argmax()), flags.size - int(flags[::-1].argmax())
        inner = flags[first:last]
        return Rows(self.frame, self.begin + first, self.begin + last, None if inner.all() else inner)

    @property
    def columns(self) -> pd.Index:
        """The names of the frame's columns."""
        return self.frame.columns

    @property
    def places(self) -> Integers:
        """The positions of the rows in the frame, rising."""
        places = np.arange(self.begin, self.end)
        return places if self.flags is None else places[self.flags]

    def __len__(self) -> int:
        return self.end - self.begin if self.flags is None else int(np.count_nonzero(self.flags))

    def __contains__(self, column: str) -> bool:
        return column in self.frame.columns

    def __getitem__(self, column: str) -> pd.Series[Any]:
        values = self.frame[column].iloc[self.begin : self.end]
        chosen = values if self.flags is None else values[self.flags]
        return chosen if self.order is None else chosen.iloc[self.order]

    def of(self, values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """Those of some values, one for each row of the frame, that are these rows'."""
        return self.among(values[self.begin : self.end])

    def among(self, between: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """Those of some values, one for each row between the positions, that are these rows'."""
        chosen = between if self.flags is None else between[self.flags]
        return chosen if self.order is None else chosen[self.order]

    def parts(self, most: int) -> Iterator[Rows]:
        """The rows in parts that lie between so many positions."""
        for begin in range(self.begin, self.end, most):
            end, first = min(begin + most, self.end), begin - self.begin
            yield Rows(self.frame, begin, end, None if self.flags is None else self.flags[first : first + most])

    def table(self, columns: Sequence[str]) -> pd.DataFrame:
        """A frame of those of these columns that there are."""
        return pd.DataFrame({name: self[name] for name in columns if name in self})


Frame: TypeAlias = pd.DataFrame | Rows
