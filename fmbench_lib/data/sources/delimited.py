"""Files of comma- or tab-separated values; the first line has the columns' names."""

from __future__ import annotations

import csv
import itertools
import re
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import IO

from fmbench_lib.data.sources.base import Reader, Row, Source, SourceRequest
from fmbench_lib.data.sources.file_content import readable
from fmbench_lib.data.sources.json_rows import shown
from fmbench_lib.data.text_column import is_name
from fmbench_lib.errors import DataError


def open_csv(request: SourceRequest) -> Source:
    """The rows of a CSV file, whose separator may also be a semicolon, with the file and line as their locations."""
    return _source(request, None)


def open_tsv(request: SourceRequest) -> Source:
    """The rows of a file of tab-separated values."""
    return _source(request, "\t")


CSV = Reader(reads_files=True, open=open_csv)
TSV = Reader(reads_files=True, open=open_tsv)


def _source(request: SourceRequest, separator: str | None) -> Source:
    assert request.path is not None  # a reader of files is given one
    return Source(str(request.path), partial(_rows, request.path, separator), request.path.parent)


def _rows(path: Path, separator: str | None) -> Iterator[tuple[str, Row]]:
    csv.field_size_limit(min(sys.maxsize, 2**31 - 1))  # a prompt may be longer than the module's 128 KiB
    with readable(path) as file:
        first, skipped = _line_with_text(file, 0)
        named = _named_separator(first)
        if named is not None:
            first, skipped = _line_with_text(file, skipped + 1)
        lines = itertools.chain([first] if first else [], file)
        reader = csv.reader(lines, delimiter=separator or named or _separator(first), strict=True)
        begin = skipped + 1
        try:
            columns = _columns(path, next(reader, []), begin)
            begin = skipped + reader.line_num + 1
            for cells in reader:
                end = skipped + reader.line_num
                if cells:
                    yield f"{path}, line {end}", _row(path, end, columns, cells)
                begin = end + 1
        except csv.Error as error:
            raise DataError(_fault(path, begin, skipped + reader.line_num, str(error))) from error


def _line_with_text(file: IO[str], skipped: int) -> tuple[str, int]:
    """The next line that is not blank, empty at the file's end, and how many lines there are before it."""
    while (line := file.readline()) and not line.strip():
        skipped += 1
    return line, skipped


def _fault(path: Path, begin: int, end: int, what: str) -> str:
    if what == "unexpected end of data":
        return f"{path}, line {begin}: a quotation mark that is opened in this row is not closed; write two for one"
    rows = f"line {end}" if begin == end else f"lines {begin} to {end}"
    return f"{path}, {rows}: {what}; quote a cell that holds quotes or lines"


def _named_separator(first_line: str) -> str | None:
    """The separator that the first line names, `sep=;`, as Excel reads and writes it."""
    found = re.fullmatch(r'"?sep=(.)"?[,;\s]*', first_line.rstrip("\r\n"), re.IGNORECASE)
    return found[1] if found else "\t" if first_line.rstrip("\r\n").lower() == "sep=\t" else None


def _separator(first_line: str) -> str:
    """The separator of a file, by its first line: spreadsheets of some languages write semicolons."""
    return max(",;\t|", key=lambda character: (first_line.count(character), character == ","))


def _columns(path: Path, names: list[str], line: int) -> list[str]:
    columns = [name.strip() for name in names]
    if not columns:
        raise DataError(f"{path}: is empty; its first line must name the columns")
    if len(columns) == 1 and not is_name(columns[0]):
        raise DataError(
            f"{path}, line {line}: {shown(columns[0])} is a prompt, and must be the name of the column; write the line "
            "`prompt` before it"
        )
    repeated = next((name for name in columns if columns.count(name) > 1), None)
    if repeated is not None:
        what = f"called {repeated}" if repeated else "without a name"
        raise DataError(f"{path}, line {line}: two columns are {what}; give each a name of its own")
    return columns


def _row(path: Path, line: int, columns: list[str], cells: list[str]) -> Row:
    if len(cells) == len(columns):
        return dict(zip(columns, cells, strict=True))
    there = shown(" | ".join(cells))
    if len(columns) == 1:
        remedy = (
            "quote a cell that holds the separator, or let the file's name end in .txt, where each line is a prompt"
        )
        raise DataError(f"{path}, line {line}: {len(cells)} cells for the only column, {columns[0]}; {remedy}: {there}")
    raise DataError(
        f"{path}, line {line}: {len(cells)} cells for {len(columns)} columns ({', '.join(columns)}); quote a cell that "
        f"holds the separator: {there}"
    )
