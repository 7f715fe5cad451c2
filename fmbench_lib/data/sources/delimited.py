"""Files of comma- or tab-separated values; the first line has the columns' names."""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from fmbench_lib.data.sources.base import Reader, Row, Source, SourceRequest
from fmbench_lib.data.sources.text_files import readable, shown
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
        reader = csv.reader(file, delimiter=separator or _separator(file.readline()), strict=True)
        file.seek(0)
        try:
            columns = _columns(path, next(reader, []))
            for cells in reader:
                if cells:
                    yield f"{path}, line {reader.line_num}", _row(path, reader.line_num, columns, cells)
        except csv.Error as error:
            raise DataError(
                f"{path}, line {reader.line_num}: {error}; quote a cell that holds quotes or lines"
            ) from error


def _separator(first_line: str) -> str:
    """The separator of a file, by its first line: spreadsheets of some languages write semicolons."""
    return max(",;\t", key=lambda character: (first_line.count(character), character == ","))


def _columns(path: Path, names: list[str]) -> list[str]:
    columns = [name.strip() for name in names]
    if not columns:
        raise DataError(f"{path}: is empty; its first line must name the columns")
    repeated = next((name for name in columns if columns.count(name) > 1), None)
    if repeated is not None:
        raise DataError(f"{path}, line 1: two columns are called {repeated or 'nothing'}; give each a name of its own")
    return columns


def _row(path: Path, line: int, columns: list[str], cells: list[str]) -> Row:
    if len(cells) != len(columns):
        raise DataError(
            f"{path}, line {line}: {len(cells)} cells for {len(columns)} columns ({', '.join(columns)}); quote a cell "
            f"that holds the separator: {shown(' | '.join(cells))}"
        )
    return dict(zip(columns, cells, strict=True))
