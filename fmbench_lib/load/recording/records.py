"""The request record: what is kept of every request, one Parquet file per level.

Times are Unix seconds; their differences are those of the monotonic clock. Null means that something did not happen or
is not known, never zero.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

import numpy as np
import pyarrow as pa

from fmbench_lib.errors import RunStateError

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow.parquet as pq

    from fmbench_lib.metrics.level_facts import LevelFacts


class RecordTimes(TypedDict):
    """When things happened to a request. Lags and waits are in seconds."""

    due: float
    cap_wait: float | None
    connect_s: float | None
    sent: float | None
    first: float | None
    first_answer: float | None
    last: float | None
    end: float
    event_times: list[float]
    stamp_source: str | None
    client_lag: float | None
    schedule_lag: float | None
    streamed: bool


class RecordTokens(TypedDict):
    """How many tokens a request had, and who counted them: the server, a tokenizer, or words.

    `seen_tokens` of the completion came to be seen, and are what TPOT is about. `choices` answers came interleaved.
    `remarks` are keys of `metrics.plausibility.REMARKS`.
    """

    prompt_tokens: int | None
    completion_tokens: int | None
    cached_tokens: int | None
    cache_write_tokens: int | None
    reasoning_tokens: int | None
    seen_tokens: int | None
    choices: int
    prompt_token_source: str | None
    completion_token_source: str | None
    token_source: str | None
    remarks: str | None


class ExchangeRecord(RecordTimes, RecordTokens):
    """What one exchange came to: a request record without the columns that say which level and worker it is of."""

    request_id: str
    server_request_id: str | None
    phase: str
    prompt_id: str
    endpoint: str
    reused: bool
    retried: int
    finish_reason: str | None
    status: int | None
    error: str | None
    error_message: str | None
    retry_after: str | None
    completion: str
    texts: int | None
    scores: Sequence[float]


class RequestRecord(ExchangeRecord):
    """One request, in the columns of `RECORD_SCHEMA`."""

    experiment_name: str
    payload_file: str
    load: str
    worker: int


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
        ("reasoning_tokens", pa.int64()),
        ("seen_tokens", pa.int64()),
        ("choices", pa.int32()),
        ("prompt_token_source", pa.string()),
        ("completion_token_source", pa.string()),
        ("token_source", pa.string()),
        ("remarks", pa.string()),
        ("finish_reason", pa.string()),
        ("status", pa.int32()),
        ("error", pa.string()),
        ("error_message", pa.string()),
        ("retry_after", pa.string()),
        ("completion", pa.string()),
        ("texts", pa.int32()),
        ("scores", pa.list_(pa.float64())),
        ("cache_write_tokens", pa.int64()),
    ]
)

FACTS_KEY = b"fmbench"


def write_tables(path: Path, tables: Iterable[pa.Table], facts: LevelFacts) -> int:
    """Write a level's records with its facts in the file's metadata; returns how many records there were.

    The tables are taken as they come, so that memory does not grow with their number.
    """
    import pyarrow.parquet as pq  # not above: decoding processes import this module, and write no Parquet

    schema = RECORD_SCHEMA.with_metadata({FACTS_KEY: json.dumps(facts).encode()})
    count = 0
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        for table in tables:
            writer.write_table(table.replace_schema_metadata(schema.metadata))
            count += table.num_rows
    return count


def table_from_rows(rows: Sequence[RequestRecord]) -> pa.Table:
    """Records as a table, column by column: several times faster than row by row."""
    columns = [_column([row.get(field.name) for row in rows], field.type) for field in RECORD_SCHEMA]
    return pa.Table.from_arrays(columns, schema=RECORD_SCHEMA)


def _column(values: list[Any], kind: pa.DataType) -> pa.Array:
    if not pa.types.is_list(kind):
        return pa.array(values, kind)
    values = [() if value is None else value for value in values]
    offsets = np.concatenate(([0], np.cumsum([len(value) for value in values]))).astype(np.int32)
    flat = np.concatenate([np.asarray(value, dtype=np.float64) for value in values]) if values else np.empty(0)
    return pa.ListArray.from_arrays(pa.array(offsets), pa.array(flat), type=kind)


@contextmanager
def reading(path: Path, labels: Sequence[str] = ()) -> Iterator[pq.ParquetFile]:
    """A level's file of records, open, with these columns as categories.

    Raises RunStateError where it is damaged: Arrow says so in words of its own, as a ValueError or an OSError without a
    number.
    """
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path, read_dictionary=list(labels)) as file:
            yield file
    except (pa.ArrowException, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise RunStateError(
            f"its records are damaged or cut off ({path}): bring a whole copy, or delete the file and "
            "measure the level again with --resume"
        ) from error


def read_facts(path: Path) -> LevelFacts:
    """The level's facts, as they were given to `write_tables`."""
    return read_header(path)[0]


def read_header(path: Path) -> tuple[LevelFacts, pa.Schema]:
    """The level's facts, and the columns of its file with their types: those of earlier versions lack some."""
    with reading(path) as file:
        schema = file.schema_arrow
    facts: LevelFacts = json.loads(schema.metadata[FACTS_KEY])
    return facts, schema.remove_metadata()


def read_level(path: Path, columns: list[str] | None = None) -> tuple[pd.DataFrame, LevelFacts]:
    """A level's records, all columns or these, and its facts."""
    with reading(path) as file:
        frame: pd.DataFrame = file.read(columns=columns).to_pandas()
    return frame, read_facts(path)
