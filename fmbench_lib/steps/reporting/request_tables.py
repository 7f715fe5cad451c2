"""The table of requests as Parquet and as CSV, written block by block beside the computing of the next ones."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import pyarrow as pa
import pyarrow.compute as pc

from fmbench_lib.host.atomic_files import replacing
from fmbench_lib.host.csv_files import without_formulas_in
from fmbench_lib.metrics.request_table import REQUEST_TABLE

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow.parquet as pq

_TYPES = {
    "text": pa.string(), "flag": pa.bool_(), "whole number": pa.int64(), "number": pa.float64(), "time": pa.float64()
}  # fmt: skip
SCHEMA = pa.schema([(column.name, _TYPES[column.kind]) for column in REQUEST_TABLE])
_AS_TEXT = pa.schema([(field.name, pa.string() if pa.types.is_boolean(field.type) else field.type) for field in SCHEMA])
_AHEAD = 2
_IDS = frozenset({"request_id", "server_request_id", "prompt_id", "uuid", "completion"})
"""Texts of which hardly two are equal: a dictionary of them takes time and room."""
_NUMBERS = [field.name for field in SCHEMA if pa.types.is_floating(field.type)]
_FEW_VALUES = [name for name in SCHEMA.names if name not in {*_IDS, *_NUMBERS}]


MOST_CSV_ROWS = 1_048_575
"""Requests that a spreadsheet shows below the header."""


def csv_wanted(choice: str, requests: int) -> bool:
    """Whether so many requests are written as CSV too; `choice` is that of `report.per_request_csv`."""
    return choice == "yes" or (choice == "auto" and requests <= MOST_CSV_ROWS)


def csv_notices(choice: str, requests: int) -> list[str]:
    """What the report says where the CSV was left out without having been asked to."""
    if choice != "auto" or csv_wanted(choice, requests):
        return []
    return [
        f"per_inference_request_results.csv is left out, as its {requests:,} requests are more rows than a spreadsheet "
        "shows: read per_inference_request_results.parquet, or set `report.per_request_csv: yes`"
    ]


@dataclass(slots=True)
class RequestTables:
    """The files that are being written. Blocks are rendered by several threads, and written in order by one."""

    _parquet: pq.ParquetWriter
    _csv: BinaryIO | None
    _threads: ThreadPoolExecutor
    _writer: ThreadPoolExecutor
    _ahead: int
    _pending: deque[Future[None]] = field(default_factory=deque)

    def write(self, rows: pd.DataFrame) -> None:
        """Append rows of the table of requests. Raises OSError, also for earlier ones."""
        rendered = self._threads.submit(_rendered, rows, self._csv is not None)
        self._pending.append(self._writer.submit(self._append, rendered))
        if len(self._pending) > self._ahead:
            self._pending.popleft().result()

    def finish(self) -> None:
        """Wait for what is still rendered and written. Raises OSError."""
        while self._pending:
            self._pending.popleft().result()

    def _append(self, rendered: Future[tuple[pa.Table, pa.Buffer | None]]) -> None:
        table, text = rendered.result()
        self._parquet.write_table(table)
        if self._csv is not None and text is not None:
            self._csv.write(text)


@contextmanager
def request_tables(parquet: Path, csv: Path | None) -> Iterator[RequestTables]:
    """Files that take their names when all is written; without `csv` no CSV. Raises OSError."""
    import pyarrow.parquet as pq

    threads = max(1, min(4, os.cpu_count() or 1))
    with ExitStack() as stack:
        writer = stack.enter_context(
            pq.ParquetWriter(
                stack.enter_context(replacing(parquet)),
                SCHEMA,
                compression="zstd",
                compression_level=1,
                use_dictionary=_FEW_VALUES,
                column_encoding=dict.fromkeys(_NUMBERS, "BYTE_STREAM_SPLIT"),
            )
        )
        file: BinaryIO | None = None
        if csv is not None:
            file = stack.enter_context(stack.enter_context(replacing(csv)).open("wb"))
            file.write((",".join(SCHEMA.names) + "\n").encode())
        writing, pool = (stack.enter_context(ThreadPoolExecutor(count)) for count in (1, threads))
        tables = RequestTables(writer, file, pool, writing, _AHEAD * threads)
        yield tables
        tables.finish()


def _rendered(rows: pd.DataFrame, with_csv: bool) -> tuple[pa.Table, pa.Buffer | None]:
    """Rows in the table's types, and as lines of CSV."""
    import pyarrow.csv as arrow_csv

    table = pa.Table.from_arrays([_array(rows, each) for each in SCHEMA], schema=SCHEMA)
    if not with_csv:
        return table, None
    text = pa.BufferOutputStream()
    shown = pa.Table.from_arrays([*map(_shown, table.columns)], schema=_AS_TEXT)
    arrow_csv.write_csv(shown, text, arrow_csv.WriteOptions(include_header=False))
    return table, text.getvalue()


def _shown(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """A column as a CSV file shows it: flags in Python's words, and no text that a spreadsheet would compute."""
    if pa.types.is_boolean(column.type):
        return pc.if_else(column, "True", "False")
    return without_formulas_in(column) if pa.types.is_string(column.type) else column


def _array(rows: pd.DataFrame, kind: pa.Field) -> pa.Array:
    """A column in the table's type; NaN is missing."""
    array = pa.array(rows[kind.name], from_pandas=True)
    if isinstance(array, pa.ChunkedArray):
        array = array.combine_chunks()
    return array if array.type == kind.type else array.cast(kind.type)
