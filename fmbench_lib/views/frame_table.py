"""A frame as a notebook shows it: units in the headings, few digits, verdicts as coloured words, long texts wrapped."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from numbers import Real
from typing import Any

import pandas as pd

from fmbench_lib.host.printable import printable
from fmbench_lib.metrics.metric_groups import SUMMARY
from fmbench_lib.metrics.missing import rows_of
from fmbench_lib.report.numbers import MISSING, plain, significant
from fmbench_lib.views.level_cells import TONES
from fmbench_lib.views.notebook_html import html_of, table_html

_UNITS = {column.name: column.unit for column in SUMMARY if column.unit} | {
    "seconds": "s", "duration": "s", "sent": "s", "first": "s", "last": "s", "deploy_seconds": "s",
}  # fmt: skip
_AS_THEY_ARE = (
    "concurrency", "request_rate", "requests", "prompts", "errors", "successes", "attempt", "duration",
)  # fmt: skip
_RATES = ("1/s", "1/min")
"""Units that a name such as `transactions_per_minute` says itself."""
_LONGEST = 600
_STATES = {"in_service": "good", "failed": "bad", "deleted": "good"}


@dataclass(frozen=True, slots=True)
class FrameTable:
    """A frame for display in a notebook; `frame` has the figures as they were computed."""

    frame: pd.DataFrame

    def _repr_html_(self) -> str:
        headings, rows = _texts(self.frame)
        numeric = [
            index for index, column in enumerate(_with_index(self.frame).columns) if _is_numeric(self.frame, column)
        ]
        return html_of(table_html(headings, rows, numeric, {**TONES, **_STATES}))

    def __repr__(self) -> str:
        headings, rows = _texts(self.frame)
        if not rows:
            return "no rows"
        return pd.DataFrame(rows, columns=headings).to_string(index=False, max_colwidth=60)


def _with_index(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame with an index that has a name as its first column."""
    return frame.reset_index() if frame.index.name else frame


def _is_numeric(frame: pd.DataFrame, column: Any) -> bool:
    values = _with_index(frame)[column]
    if pd.api.types.is_bool_dtype(values):
        return False
    known = values.dropna()
    figures = all(isinstance(value, Real) and not isinstance(value, bool) for value in known)
    return pd.api.types.is_numeric_dtype(values) or (len(known) > 0 and figures)


def _texts(frame: pd.DataFrame) -> tuple[list[str], list[list[str]]]:
    shown = _with_index(frame)
    columns = [str(name) for name in shown.columns]
    rows = [[_text(column, value) for column, value in row.items()] for row in rows_of(shown)]
    return [_heading(column) for column in columns], rows


def _heading(column: str) -> str:
    unit = _UNITS.get(column)
    name = column.replace("_", " ")
    says_it = column == "seconds" or ("_per_" in column and unit in _RATES)
    return f"{name} ({unit})" if unit and not says_it else name


def _text(column: str, value: Any) -> str:
    """A value in few characters; a time, a rate or a price to three digits, a number that was asked for as it is."""
    if value is None or value is pd.NaT:
        return MISSING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M:%S") + ("" if value.tzinfo is None else f" {value.tzname()}")
    if isinstance(value, int) or column in _AS_THEY_ARE:
        return f"{value:,}" if isinstance(value, int) else plain(value) if isinstance(value, float) else str(value)
    if isinstance(value, float):
        return plain(value) if value.is_integer() and column not in _UNITS else significant(value)
    text = printable(", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value))
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
