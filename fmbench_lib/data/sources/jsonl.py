"""Files with one JSON object per line; empty lines don't count."""

from __future__ import annotations

from functools import partial

from fmbench_lib.data.sources.base import Reader, Source, SourceRequest
from fmbench_lib.data.sources.json_rows import json_lines


def open_file(request: SourceRequest) -> Source:
    """The rows of a JSON Lines file, with the file and line number as their locations."""
    assert request.path is not None  # a reader of files is given one
    return Source(str(request.path), partial(json_lines, request.path), request.path.parent)


READER = Reader(reads_files=True, open=open_file)
