"""The table of requests as Parquet and as CSV, written block by block beside the computing of the next ones."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import pyarrow as pa
import pyarrow.compute as pc

from fmbench_lib.host.atomic_files import replacing
from fmbench_lib.host.csv_files import without_formulas_in
from fmbench_lib.metrics.request_table import REQUEST_TABLE

if TYPE_CHECKING:
    import pandas as pd

_TYPES = {
    "text": pa.string(), "flag": pa.bool_(), "whole number": pa.int64(), "number": pa.float64(), "time": pa.float64()
}  # fmt: skip
SCHEMA = pa.schema([(column.name, _TYPES[column.kind]) for column in REQUEST_TABLE])
_AS_TEXT = pa.schema([(field.name, pa.string() if pa.types.is_boolean(field.type) else field.type) for field in SCHEMA])
_AHEAD = 2


class _Writer(Protocol):
    def write_table(self, table: pa.Table) -> Any: ...


@dataclass(slots=True)
class RequestTables:
    """The files that are being written."""

    _writers: list[tuple[ThreadPoolExecutor, _Writer, bool]] = field(default_factory=list)
    _pending: list[Future[None]] = field(default_factory=list)

    def write(self, rows: pd.DataFrame) -> None:
        """Append rows of the table of requests. Raises what writing earlier ones raised."""
        table = pa.Table.from_arrays([_array(rows, each) for each in SCHEMA], schema=SCHEMA)
        for thread, writer, as_text in self._writers:
            self._pending.append(thread.submit(_append, writer, table, as_text))
        while len(self._pending) > _AHEAD * len(self._writers):
            self._pending.pop(0).result()

    def finish(self) -> None:
        """Wait until all rows are written."""
        while self._pending:
            self._pending.pop(0).result()


@contextmanager
def request_tables(parquet: Path, csv: Path | None) -> Iterator[RequestTables]:
    """Files that take their names when all is written; without `csv` no CSV. Raises OSError."""
    import pyarrow.csv as arrow_csv
    import pyarrow.parquet as pq

    with ExitStack() as stack:
        tables = RequestTables()
        part = stack.enter_context(replacing(parquet))
        writer = stack.enter_context(pq.ParquetWriter(part, SCHEMA, compression="zstd", compression_level=1))
        tables._writers.append((stack.enter_context(ThreadPoolExecutor(1)), writer, False))
        if csv is not None:
            text = stack.enter_context(arrow_csv.CSVWriter(stack.enter_context(replacing(csv)), _AS_TEXT))
            tables._writers.append((stack.enter_context(ThreadPoolExecutor(1)), text, True))
        yield tables
        tables.finish()


def _append(writer: _Writer, table: pa.Table, as_text: bool) -> None:
    writer.write_table(
        pa.Table.from_arrays([_shown(each) for each in table.columns], _AS_TEXT.names) if as_text else table
    )


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
