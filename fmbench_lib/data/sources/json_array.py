"""JSON files: an array of objects, an object with such an array, or one object a line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from fmbench_lib.data.sources import jsonl
from fmbench_lib.data.sources.base import Reader, Row, Source, SourceRequest
from fmbench_lib.data.sources.text_files import readable, shown
from fmbench_lib.errors import DataError


def open_file(request: SourceRequest) -> Source:
    """The rows of a JSON file, with the file and the number of the object as their locations."""
    assert request.path is not None  # a reader of files is given one
    return Source(str(request.path), partial(_rows, request), request.path.parent)


READER = Reader(reads_files=True, open=open_file)


def _rows(request: SourceRequest) -> Iterator[tuple[str, Row]]:
    path = request.path
    assert path is not None
    try:
        with readable(path) as file:
            content = json.load(file)
    except json.JSONDecodeError as error:
        if error.msg == "Extra data":  # a second object: a file of lines by another name
            yield from jsonl.open_file(request).read()
            return
        raise DataError(f"{path}, line {error.lineno}, column {error.colno}: not JSON ({error.msg})") from error
    except RecursionError:
        raise DataError(f"{path}: is nested too deeply to be read") from None
    for number, row in enumerate(_array(path, content), 1):
        if not isinstance(row, dict):
            raise DataError(
                f"{path}, element {number}: {type(row).__name__} instead of an object with columns as keys: "
                f"{shown(json.dumps(row))}"
            )
        yield f"{path}, element {number}", row


def _array(path: Path, content: Any) -> list[Any]:
    """The array of a JSON file: its content, or the only array of objects in it; a single row is an array of one."""
    if isinstance(content, list):
        return [{"text": element} if isinstance(element, str) else element for element in content]
    if not isinstance(content, dict):
        raise DataError(
            f"{path}: {type(content).__name__} instead of an array of objects: {shown(json.dumps(content))}"
        )
    arrays = [value for value in content.values() if isinstance(value, list) and value and isinstance(value[0], dict)]
    is_chat = {"messages", "conversations"} & content.keys()
    return arrays[0] if len(arrays) == 1 and not is_chat else [content]
