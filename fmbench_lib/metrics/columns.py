"""A column of the tables: its name, its unit, the kind of its values, and what it means.

Each metric group declares its columns beside the function that computes them; `metric_groups` puts the groups in order.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import pandas as pd

Kind: TypeAlias = Literal["whole number", "number", "text", "flag", "time"]
"""`time` is a moment in Unix seconds; a duration is a number whose unit is s."""

Cell: TypeAlias = float | int | str | bool | None
Cells: TypeAlias = dict[str, Cell]
"""Values by column name. A missing number is NaN, a missing text or flag is None."""

_DTYPES: dict[Kind, str] = {
    "whole number": "Int64",
    "number": "float64",
    "text": "str",
    "flag": "boolean",
    "time": "float64",
}


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a CSV file. `unit` is empty for counts, texts and flags; `meaning` is one line of Markdown."""

    name: str
    unit: str
    kind: Kind
    meaning: str


def names(*groups: Sequence[Column]) -> tuple[str, ...]:
    """The names of the columns of these groups, in order."""
    return tuple(column.name for group in groups for column in group)


def frame_of(rows: Iterable[Cells], columns: Sequence[Column]) -> pd.DataFrame:
    """A frame with exactly these columns, each of the type its kind implies even where some or all values are missing.

    Whole numbers stay whole numbers beside missing ones, so that a CSV file says 4 and not 4.0.
    """
    frame = pd.DataFrame(list(rows), columns=list(names(columns)))
    types: dict[str, Any] = {column.name: _DTYPES[column.kind] for column in columns}
    return frame.astype(types)
