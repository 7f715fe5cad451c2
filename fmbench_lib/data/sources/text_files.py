"""Files of plain text: one prompt a line of a file, or one a file of a folder. The column is called `text`."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from fmbench_lib.data.sources.base import Reader, Row, Source, SourceRequest
from fmbench_lib.data.sources.file_content import readable
from fmbench_lib.data.sources.json_rows import json_lines, json_rows, looks_like_rows
from fmbench_lib.errors import DataError

COLUMN = "text"
_ENDINGS = (".txt", ".md")


def open_text(request: SourceRequest) -> Source:
    """The lines of a text file that are not empty, or the text files of a folder, in order of their names."""
    assert request.path is not None  # a reader of files is given one
    if request.path.is_dir():
        return Source(str(request.path), partial(_files, request.path), request.path)
    return Source(str(request.path), partial(_lines, request.path), request.path.parent)


READER = Reader(reads_files=True, open=open_text)


def _lines(path: Path) -> Iterator[tuple[str, Row]]:
    with readable(path) as file:
        first = next((entry for entry in enumerate(file, 1) if entry[1].strip()), (0, ""))
        form = looks_like_rows(first[1])
        if form is not None:  # JSON by another name
            yield from (json_lines if form == "lines" else json_rows)(path)
            return
        for number, line in itertools.chain([first], enumerate(file, first[0] + 1)):
            if line.strip():
                yield f"{path}, line {number}", {COLUMN: line.rstrip("\r\n")}


def _files(folder: Path) -> Iterator[tuple[str, Row]]:
    paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in _ENDINGS and path.is_file())
    if not paths:
        raise DataError(f"{folder}: has no file that ends in {' or '.join(_ENDINGS)}")
    for path in paths:
        with readable(path) as file:
            yield str(path), {COLUMN: file.read()}
