"""Tables as CSV that a spreadsheet opens without running anything in it."""

from __future__ import annotations

import re
import unicodedata
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from fmbench_lib.host.printable import printable

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

_BEGINS_FORMULA = frozenset("=+-@")
_LOOKED_AT = 1000
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
_HARMLESS = r"^(?: *[A-Za-z0-9_\"'(\[{<>#*.,;:!?/|~^&$%`][^\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x{9f}]*)?$"
"""A text without control characters whose first visible one begins no formula: a part of them, in RE2's syntax."""
_PICTURES = {chr(code): chr(0x2400 + code) for code in range(0x20)} | {
    "\x7f": "\u2421",
    **{chr(code): "\ufffd" for code in range(0x80, 0xA0)},
}
"""Control characters, which a terminal obeys and some readers stop at, as the characters that picture them."""
_OBEYED = ("\t", "\r", "\n")
"""Beginnings that spreadsheets take for a move to the next cell or row, with a formula in it."""


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
    """The table with an apostrophe before texts that a spreadsheet would take for a formula, and pictures in place of
    control characters; numbers stay as they are.

    Answers of models, messages of servers and names come from outside. Some spreadsheets skip spaces and what cannot be
    seen before a formula, and some read full-width signs as their narrow forms.
    """
    texts = [name for name in frame.columns if frame[name].dtype.kind not in "biufcmM"]
    return frame.assign(**{name: frame[name].map(_as_text) for name in texts}) if texts else frame


def without_formulas_in(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """The same of a column of texts in Arrow, null for what is missing: nearly all are seen to be harmless at once."""
    import pyarrow as pa
    import pyarrow.compute as pc

    suspect = pc.invert(pc.fill_null(pc.match_substring_regex(column, _HARMLESS), True))
    if not pc.any(suspect).as_py():
        return column
    shown = pa.array([_as_text(value) for value in pc.filter(column, suspect).to_pylist()], column.type)
    return pc.replace_with_mask(column.combine_chunks(), suspect.combine_chunks(), shown)


def _as_text(value: Any) -> Any:
    """A cell: a text that is obeyed by neither a spreadsheet nor a terminal; what is no text as it is."""
    if not isinstance(value, str):
        return value
    text = _CONTROL.sub(lambda match: _PICTURES[match[0]], value)
    return f"'{text}" if _may_be_formula(text) else text


def _may_be_formula(text: str) -> bool:
    if text.startswith(_OBEYED):
        return True
    shown = printable(text[:_LOOKED_AT]).lstrip()
    if not shown:  # nothing that shows, for so long
        return len(text) > _LOOKED_AT
    return unicodedata.normalize("NFKC", shown[0])[:1] in _BEGINS_FORMULA and not _is_number(text)


def without_apostrophe(text: str) -> str:
    """A text of a table as it was before `write_csv` put an apostrophe before what a spreadsheet would compute."""
    return text[1:] if text.startswith("'") and _may_be_formula(text[1:]) else text


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
