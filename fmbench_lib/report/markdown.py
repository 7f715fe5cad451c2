"""The Markdown that a report consists of, correct in any viewer and safe for text of any origin.

Names, error messages and server responses go through `escape` or `code` before they reach a page.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TypeAlias

import pandas as pd

from fmbench_lib.host.printable import printable
from fmbench_lib.report.numbers import MISSING
from fmbench_lib.workspace import APPENDIX_FILE

APPENDIX_LINK = f"[appendix]({APPENDIX_FILE})"
"""Where the tables of the report are in full."""

_FEW = 2  # a line that sends elsewhere is no shorter

Blocks: TypeAlias = list[str]
"""Blocks of Markdown, each a paragraph, a table or a picture; empty ones are left out of the page."""

_SPECIAL = re.compile(
    r"[\\`*\[\]<>#$~|]"
    r"|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])"  # within a word an underscore is itself
    r"|&(?=#?\w+;)"
    r"|^[-+](?=\s)|(?<=^\d)[.)](?=\s)|(?<=^\d\d)[.)](?=\s)"  # a list's beginning
    r"|(?<=:)(?=//)|(?<=www)(?=\.)"  # the middle of an address, or a viewer makes a link of it
)


def one_line(text: str, longest: int = 300) -> str:
    """The text on one line without what a terminal obeys or nobody sees, cut if it is longer than `longest`."""
    flat = " ".join(printable(text).split())
    return flat if len(flat) <= longest else flat[: longest - 1].rstrip() + "…"


def escape(text: str, longest: int = 300) -> str:
    """Text that is shown literally: nothing in it is interpreted as Markdown, HTML or a formula."""
    return _SPECIAL.sub(r"\\\g<0>", one_line(text, longest))


def code(text: str, longest: int = 300) -> str:
    """Text as code, or as escaped text if it contains a pipe, which not every viewer allows in a table's code."""
    flat = one_line(text, longest)
    if not flat:
        return MISSING
    if "|" in flat:
        return escape(flat, longest)
    runs = [len(run) for run in re.findall(r"`+", flat)]
    ticks = "`" * (max(runs, default=0) + 1)
    pad = " " if runs else ""
    return f"{ticks}{pad}{flat}{pad}{ticks}"


def with_code(text: str, longest: int = 2000) -> str:
    """A sentence of ours whose `settings` stand between backticks: those as code, everything else shown literally."""
    parts = one_line(text, longest).split("`")
    if len(parts) % 2 == 0:
        return escape(text, longest)
    return "".join(code(part) if index % 2 else _literal(part) for index, part in enumerate(parts))


def _literal(part: str) -> str:
    return _SPECIAL.sub(r"\\\g<0>", part)


def bold(markdown: str) -> str:
    """Markdown in bold."""
    return f"**{markdown}**"


def table(
    header: Sequence[str], rows: Iterable[Sequence[str]], numeric: Iterable[int] = (), empty: str = MISSING
) -> str:
    """A pipe table of cells that are Markdown already; the columns in `numeric` are aligned right.

    An empty cell becomes a dash, or `empty`. A pipe in a cell must be escaped, as `escape` does.
    """
    right = set(numeric)
    rule = ["---:" if index in right else "---" for index in range(len(header))]
    lines = [_row(header), _row(rule)]
    for row in rows:
        if len(row) != len(header):
            raise ValueError(f"a row of {len(row)} cells under {len(header)} columns: {row!r}")
        lines.append(_row([cell or empty for cell in row]))
    return "\n".join(lines)


def text_frame(rows: Iterable[Mapping[str, str]]) -> pd.DataFrame:
    """A frame of short texts, a row for each mapping: a notebook shows it as it is, `frame` writes it as Markdown."""
    return pd.DataFrame(list(rows))


def frame(
    cells: pd.DataFrame,
    *,
    as_code: Iterable[str] = (),
    to_the_right: Iterable[str] = (),
    bold_if: str = "✗",
    most: int | None = None,
) -> str:
    """A frame of plain texts as a pipe table; a cell ending in `bold_if` is bold, and no cell is read as Markdown.

    Of more than `most` rows, and a few, only the first are shown, and a line below says where the others are.
    """
    if most is not None and len(cells) > most + _FEW:
        shown = frame(cells.head(most), as_code=as_code, to_the_right=to_the_right, bold_if=bold_if)
        return f"{shown}\n\n… and {len(cells) - most} more rows in the {APPENDIX_LINK}."
    codes = set(as_code)

    def written(column: str, cell: str) -> str:
        if cell == MISSING:
            return cell
        markdown = code(cell) if column in codes else escape(cell, longest=2000)
        return bold(markdown) if cell.endswith(bold_if) else markdown

    columns = [str(name) for name in cells.columns]
    rows = [[written(*pair) for pair in zip(columns, row, strict=True)] for row in cells.itertuples(index=False)]
    right = {columns.index(name) for name in to_the_right if name in columns}
    return table([escape(name) for name in columns], rows, right)


def two_up(facts: Mapping[str, str], header: tuple[str, str]) -> str:
    """A table of names and texts in two halves beside each other, which takes half the height."""
    rows = [[escape(name), escape(value)] for name, value in facts.items()]
    half = -(-len(rows) // 2)
    padded = [*rows, *([["", ""]] if len(rows) % 2 else [])]
    return table([*header, *header], [left + right for left, right in zip(padded[:half], padded[half:], strict=True)])


def picture_grid(pictures: Mapping[str, str]) -> str:
    """Pictures by their titles, two beside each other, each a link to itself at full size."""
    cells = [f"[![{escape(title)}]({path})]({path})" for title, path in pictures.items()]
    rows = [[*cells[place : place + 2], ""][:2] for place in range(0, len(cells), 2)]
    return table(rows[0], rows[1:], empty="") if rows else ""


def bullets(items: Iterable[str]) -> str:
    """A list of items that are Markdown already."""
    return "\n".join(f"- {item}" for item in items)


def fence(text: str, language: str = "") -> str:
    """A block of code whose fence is longer than any run of backticks in the text."""
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    ticks = "`" * max(3, longest + 1)
    return f"{ticks}{language}\n{text.rstrip()}\n{ticks}"


def sentence_list(items: Sequence[str], last: str = "and") -> str:
    """`a`, `a and b`, `a, b and c`."""
    if len(items) < 2:
        return "".join(items)
    return f"{', '.join(items[:-1])} {last} {items[-1]}"


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
