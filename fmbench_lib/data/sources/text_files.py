"""Files of plain text: one prompt a line of a file, or one a file of a folder. The column is called `text`."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TextIO

from fmbench_lib.data.sources.base import Reader, Row, Source, SourceRequest
from fmbench_lib.errors import DataError

COLUMN = "text"
_ENDINGS = (".txt", ".md")
_MOST_SHOWN = 60


def open_text(request: SourceRequest) -> Source:
    """The lines of a text file that are not empty, or the text files of a folder, in order of their names."""
    assert request.path is not None  # a reader of files is given one
    if request.path.is_dir():
        return Source(str(request.path), partial(_files, request.path), request.path)
    return Source(str(request.path), partial(_lines, request.path), request.path.parent)


READER = Reader(reads_files=True, open=open_text)


@contextlib.contextmanager
def readable(path: Path) -> Iterator[TextIO]:
    """A text file in UTF-8, with or without a byte-order mark. Raises DataError where it is none or cannot be read."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            yield file
    except OSError as error:
        raise DataError(f"source file {path} cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise DataError(f"source file {path} is not UTF-8 text{_place_of_fault(path)}; save it as UTF-8") from error


def shown(text: str) -> str:
    """A text as messages show what is there: its beginning, on one line."""
    line = " ".join(text.split())
    return repr(line) if len(line) <= _MOST_SHOWN else f"{line[:_MOST_SHOWN]!r}…"


def _place_of_fault(path: Path) -> str:
    """The first line that is not UTF-8, with the column and the byte there; "" where there is no such line."""
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            try:
                line.decode("utf-8")
            except UnicodeDecodeError as error:
                column = len(line[: error.start].decode("utf-8")) + 1
                return f": line {number}, column {column} has the byte 0x{line[error.start]:02x}"
    return ""


def _lines(path: Path) -> Iterator[tuple[str, Row]]:
    with readable(path) as file:
        for number, line in enumerate(file, 1):
            if line.strip():
                yield f"{path}, line {number}", {COLUMN: line.rstrip("\r\n")}


def _files(folder: Path) -> Iterator[tuple[str, Row]]:
    paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in _ENDINGS and path.is_file())
    if not paths:
        raise DataError(f"{folder}: has no file that ends in {' or '.join(_ENDINGS)}")
    for path in paths:
        with readable(path) as file:
            yield str(path), {COLUMN: file.read()}
