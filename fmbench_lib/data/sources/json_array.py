"""JSON files: an array of objects, an object with such an array, a table, or one object a line."""

from __future__ import annotations

from functools import partial

from fmbench_lib.data.sources.base import Reader, Source, SourceRequest
from fmbench_lib.data.sources.json_rows import json_rows


def open_file(request: SourceRequest) -> Source:
    """The rows of a JSON file, with the file and the number of the object as their locations."""
    assert request.path is not None  # a reader of files is given one
    return Source(str(request.path), partial(json_rows, request.path), request.path.parent)


READER = Reader(reads_files=True, open=open_file)
