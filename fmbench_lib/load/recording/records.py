"""The request record: what is kept of every request, one Parquet file per level.

Times are Unix seconds; their differences are those of the monotonic clock. Null means that a thing did not happen or
is not known, never zero.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

if TYPE_CHECKING:
    import pandas as pd

RECORD_SCHEMA = pa.schema(
    [
        ("request_id", pa.string()),
        ("server_request_id", pa.string()),
        ("experiment_name", pa.string()),
        ("payload_file", pa.string()),
        ("load", pa.string()),
        ("phase", pa.string()),
        ("prompt_id", pa.string()),
        ("worker", pa.int32()),
        ("endpoint", pa.string()),
        ("due", pa.float64()),
        ("cap_wait", pa.float64()),
        ("connect_s", pa.float64()),
        ("reused", pa.bool_()),
        ("retried", pa.int32()),
        ("sent", pa.float64()),
        ("first", pa.float64()),
        ("first_answer", pa.float64()),
        ("last", pa.float64()),
        ("end", pa.float64()),
        ("event_times", pa.list_(pa.float64())),
        ("stamp_source", pa.string()),
        ("client_lag", pa.float64()),
        ("schedule_lag", pa.float64()),
        ("streamed", pa.bool_()),
        ("prompt_tokens", pa.int64()),
        ("completion_tokens", pa.int64()),
        ("cached_tokens", pa.int64()),
        ("token_source", pa.string()),
        ("finish_reason", pa.string()),
        ("status", pa.int32()),
        ("error", pa.string()),
        ("error_message", pa.string()),
        ("retry_after", pa.string()),
        ("completion", pa.string()),
    ]
)

_FACTS_KEY = b"fmbench"
_ROWS_PER_BATCH = 2000


def write_level(path: Path, rows: Iterable[Mapping[str, Any]], facts: Mapping[str, Any]) -> int:
    """Write a level's records with its facts in the file's metadata; returns how many rows there were.

    The rows are taken as they come, some thousand at a time, so that memory does not grow with their number.
    """
    iterator = iter(rows)
    batches = iter(lambda: list(islice(iterator, _ROWS_PER_BATCH)), [])
    return write_tables(path, map(table_from_rows, batches), facts)


def write_tables(path: Path, tables: Iterable[pa.Table], facts: Mapping[str, Any]) -> int:
    """The same from tables of records."""
    schema = RECORD_SCHEMA.with_metadata({_FACTS_KEY: json.dumps(facts).encode()})
    count = 0
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        for table in tables:
            writer.write_table(table.replace_schema_metadata(schema.metadata))
            count += table.num_rows
    return count


def table_from_rows(rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    """Records as a table, column by column: several times faster than row by row."""
    columns = [_column([row.get(field.name) for row in rows], field.type) for field in RECORD_SCHEMA]
    return pa.Table.from_arrays(columns, schema=RECORD_SCHEMA)


def _column(values: list[Any], kind: pa.DataType) -> pa.Array:
    if not pa.types.is_list(kind):
        return pa.array(values, kind)
    offsets = np.concatenate(([0], np.cumsum([len(value) for value in values]))).astype(np.int32)
    flat = np.concatenate([np.asarray(value, dtype=np.float64) for value in values]) if values else np.empty(0)
    return pa.ListArray.from_arrays(pa.array(offsets), pa.array(flat), type=kind)


def read_facts(path: Path) -> dict[str, Any]:
    """The level's facts, as they were given to `write_level`."""
    facts: dict[str, Any] = json.loads(pq.read_schema(path).metadata[_FACTS_KEY])
    return facts


def read_level(path: Path, columns: list[str] | None = None) -> tuple[pd.DataFrame, dict[str, Any]]:
    """A level's records and its facts."""
    frame: pd.DataFrame = pq.read_table(path, columns=columns).to_pandas()
    return frame, read_facts(path)


def iterate_rows(path: Path) -> Iterator[dict[str, Any]]:
    """The records one by one."""
    for batch in pq.ParquetFile(path).iter_batches():
        yield from batch.to_pylist()
