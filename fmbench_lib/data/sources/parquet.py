"""Parquet files, read in batches."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from fmbench_lib.data.sources.base import Reader, Row, Source, SourceRequest
from fmbench_lib.errors import DataError
from fmbench_lib.models.hub import first_line

_BATCH = 256


def open_file(request: SourceRequest) -> Source:
    """The rows of a Parquet file, with the file and row number as their locations."""
    assert request.path is not None  # a reader of files is given one
    return Source(str(request.path), partial(_rows, request.path), request.path.parent)


READER = Reader(reads_files=True, open=open_file)


def _rows(path: Path) -> Iterator[tuple[str, Row]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    number = 0
    try:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(_BATCH):
                for row in batch.to_pylist():
                    number += 1
                    yield f"{path}, row {number}", row
    except OSError as error:
        raise DataError(f"source file {path} cannot be read: {error.strerror or first_line(error)}") from error
    except pa.ArrowException as error:
        raise DataError(f"{path}: not a Parquet file that can be read: {first_line(error)}") from error
