"""Tables as CSV that a spreadsheet opens without running anything in it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    import pandas as pd

_BEGINS_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def write_csv(frame: pd.DataFrame, path: Path) -> None:
    """Write a table; raises OSError."""
    with path.open("w", encoding="utf-8", newline="") as file:
        write_rows(frame, file)


def write_rows(frame: pd.DataFrame, file: TextIO, *, header: bool = True) -> None:
    """Append a table's rows to a file that was opened with `newline=""`; raises OSError."""
    # The csv module quotes a carriage return only where one ends a row, so rows end in one until they are written.
    rows: Any = _RowFile(file)
    without_formulas(frame).to_csv(rows, index=False, header=header, lineterminator="\r\n")


def without_formulas(frame: pd.DataFrame) -> pd.DataFrame:
    """The table with an apostrophe before texts that a spreadsheet would take for a formula; numbers stay as they are.

    Answers of models, messages of servers and names come from outside.
    """
    texts = [name for name in frame.columns if frame[name].dtype.kind not in "biufcmM"]
    return frame.assign(**{name: frame[name].map(_as_text) for name in texts}) if texts else frame


def _as_text(value: Any) -> Any:
    if not isinstance(value, str) or not value.startswith(_BEGINS_FORMULA) or _is_number(value):
        return value
    return f"'{value}"


def as_it_was(text: str) -> str:
    """A text of such a table without the apostrophe that was put before it."""
    return text[1:] if text.startswith("'") and text[1:].startswith(_BEGINS_FORMULA) else text


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return text.strip() == text


class _RowFile:
    """A file for `csv.writer`, which writes a row at a time: rows end in a line feed alone."""

    def __init__(self, file: TextIO) -> None:
        self._file = file

    def write(self, row: str) -> int:
        return self._file.write(row.removesuffix("\r\n") + "\n")
