"""Measured levels as lines of a terminal, with the columns for which there is room."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.cells import cell_len
from rich.text import Text

from fmbench_lib.metrics.missing import Row, number, text
from fmbench_lib.views.level_cells import COLUMNS, TONES, LevelColumn, load_cell, place_of, reason_of

_GAP = 2
_STYLES = {"good": "green", "doubtful": "yellow", "bad": "bold red"}
_LEAST_REASON = 60
_WIDEST_LOAD = 28


class LevelLines:
    """Lays levels out for a width, one line each, with the experiment and the dataset above those they are of.

    `loads` are those that are known to come, as `load_cell` shows them.
    """

    def __init__(self, width: int, loads: Iterable[str] = ()) -> None:
        self.width = width
        self._load = max(COLUMNS[0].width, min(max(map(len, loads), default=0), _WIDEST_LOAD))
        self._columns = _fitting(width, self._load)
        self._place: tuple[str, str] | None = None

    @property
    def header(self) -> Text:
        """The names of the columns."""
        return Text(self._joined([column.heading for column in self._columns]), "bold")

    def lines(self, row: Row) -> list[Text]:
        """A level: what it is of where that has changed, its figures, and below them the main reason where the line
        has no room for it."""
        above = self._above(place_of(row))
        cells = [column.cell(row) for column in self._columns]
        tone = TONES.get(text(row, "verdict") or "", "")
        line = Text(self._joined(cells))
        if _STYLES.get(tone):
            line.highlight_words([cells[-1]], _STYLES[tone])
        if number(row, "errors"):
            line.stylize("red", *self._span(2, cells))
        reason = reason_of(row)
        room = self.width - line.cell_len - _GAP
        if not reason or (tone == "good" and room < _LEAST_REASON):
            return [*above, line]
        if room >= min(_LEAST_REASON, cell_len(reason)):
            return [*above, Text.assemble(line, " " * _GAP, (shortened(reason, room), "dim"))]
        return [*above, line, Text(f"  {shortened(reason, self.width - 2)}", "dim")]

    def failed(self, facts: Mapping[str, Any]) -> list[Text]:
        """A level that could not be measured, with the reason."""
        above = self._above(place_of(facts))
        told = Text.assemble(
            load_cell(facts).ljust(self._load), "  ", ("not measured: ", "bold red"), str(facts["error"])
        )
        return [*above, _cut(told, self.width)]

    def _above(self, place: tuple[str, str]) -> list[Text]:
        if place == self._place:
            return []
        self._place = place
        return [_cut(Text(" · ".join(place), "bold cyan"), self.width)]

    def _widths(self) -> list[int]:
        return [self._load, *(column.width for column in self._columns[1:])]

    def _joined(self, cells: Sequence[str]) -> str:
        """The cells in their columns: load and verdict to the left, figures to the right."""
        first, *figures, verdict = cells
        widths = self._widths()
        gap = " " * _gap(self.width)
        aligned = [
            first.ljust(widths[0]),
            *(each.rjust(width) for each, width in zip(figures, widths[1:], strict=False)),
        ]
        return gap.join([*aligned, verdict])

    def _span(self, index: int, cells: Sequence[str]) -> tuple[int, int]:
        gap = _gap(self.width)
        widths = [max(width, len(cell)) for width, cell in zip(self._widths(), cells, strict=True)]
        start = sum(widths[:index]) + gap * index
        return start, start + widths[index]


def _fitting(width: int, load: int) -> list[LevelColumn]:
    """The columns for which there is room beside loads of `load` characters, in their order; those of the greatest
    rank are left out first."""
    columns = list(COLUMNS)
    while len(columns) > 2:
        if load + sum(each.width + _gap(width) for each in columns[1:]) <= width:
            break
        columns.remove(max(columns, key=lambda each: each.rank))
    return columns


def _gap(width: int) -> int:
    return _GAP if width >= 100 else 1


def shortened(reason: str, room: int) -> str:
    """A reason in so many cells of the terminal: the end of what was found is left out, what to do is kept, unless that
    alone takes more than half."""
    if cell_len(reason) <= room:
        return reason
    what, _, advice = reason.rpartition(": ")
    if not what or cell_len(advice) > room // 2:
        return _without_end(reason, room)
    return f"{_without_end(what, room - cell_len(advice) - 2)}: {advice}"


def _without_end(words: str, room: int) -> str:
    """The first words, as many as have room, and an ellipsis where some are left out."""
    if cell_len(words) <= room:
        return words
    start = Text(words)
    start.truncate(max(room - 1, 0))
    whole = start.plain if words[len(start.plain) :].startswith(" ") else start.plain.rpartition(" ")[0]
    return f"{(whole or start.plain).rstrip(' ,;')}…"


def _cut(line: Text, width: int) -> Text:
    line.truncate(width, overflow="ellipsis")
    return line
