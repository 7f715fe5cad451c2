"""Files with one JSON object per line; empty lines don't count."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from fmbench_lib.data.sources.base import Reader, Row, Source, SourceRequest
from fmbench_lib.data.sources.text_files import readable, shown
from fmbench_lib.errors import DataError


def open_file(request: SourceRequest) -> Source:
    """The rows of a JSON Lines file, with the file and line number as their locations."""
    assert request.path is not None  # a reader of files is given one
    return Source(str(request.path), partial(_rows, request.path), request.path.parent)


READER = Reader(reads_files=True, open=open_file)


def _rows(path: Path) -> Iterator[tuple[str, Row]]:
    with readable(path) as file:
        for number, line in enumerate(file, 1):
            if line.strip():
                yield f"{path}, line {number}", _parse(path, number, line)


def _parse(path: Path, number: int, line: str) -> Row:
    try:
        row = json.loads(line)
    except RecursionError:
        raise DataError(f"{path}, line {number}: nested too deeply; each line must be one JSON object") from None
    except json.JSONDecodeError as error:
        raise DataError(
            f"{path}, line {number}: not JSON ({error.msg}, column {error.colno}); each line must be one JSON object, "
            f"and there is {shown(line)}"
        ) from error
    except ValueError as error:  # a number with thousands of digits
        raise DataError(f"{path}, line {number}: not JSON ({error}); each line must be one JSON object") from error
    if not isinstance(row, dict):
        raise DataError(
            f"{path}, line {number}: {type(row).__name__} instead of a JSON object with columns as keys: {shown(line)}"
        )
    return row
