"""The records of many runs as views of an in-memory DuckDB database. Only what a query asks for is read from disk.

The formulas of `requests` are those of `metrics/requests.py`; a test compares every cell of a run.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pyarrow as pa

from fmbench_lib.load.recording.records import RECORD_SCHEMA
from fmbench_lib.metrics.plausibility import REMARK_SEPARATOR
from fmbench_lib.steps.explore.level_files import IDENTITY, LevelFile

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_SQL_TYPES = {
    pa.string(): "VARCHAR",
    pa.float64(): "DOUBLE",
    pa.int32(): "INTEGER",
    pa.int64(): "BIGINT",
    pa.bool_(): "BOOLEAN",
    pa.list_(pa.float64()): "DOUBLE[]",
}
_FILES = pa.schema(
    [
        ("file", pa.string()),
        ("run", pa.string()),
        ("concurrency", pa.int64()),
        ("request_rate", pa.float64()),
        ("instance_type", pa.string()),
        ("instance_count", pa.int64()),
        ("attempt", pa.int64()),
        ("counts", pa.bool_()),
        ("window_known", pa.bool_()),
        ("window_start", pa.float64()),
        ("window_end", pa.float64()),
        ("has_seen_tokens", pa.bool_()),
    ]
)
_OF_FILE = ("run", "concurrency", "request_rate", "instance_type", "instance_count", "attempt", "counts")
_OF_WINDOW = ("window_known", "window_start", "window_end", "has_seen_tokens")
_FACTS = ", ".join(f"f.{name}" for name in (*_OF_FILE, *_OF_WINDOW))
_TYPES = {field.name: _SQL_TYPES[field.type] for field in RECORD_SCHEMA}

_SUCCESS = "error IS NULL"
_TIMED = f"({_SUCCESS} AND coalesce(streamed, false))"
_BUFFERED = f"coalesce(list_contains(string_split(remarks, '{REMARK_SEPARATOR}'), 'buffered'), false)"
_SPREAD = f'({_TIMED} AND "last" > "first" AND NOT {_BUFFERED})'
_SEEN = "(CASE WHEN has_seen_tokens THEN seen_tokens ELSE completion_tokens END)"
_CHOICES = "coalesce(choices, 1)"
_ITL = (
    f"CASE WHEN len(event_times) > 1 AND {_SPREAD} AND {_CHOICES} = 1 "
    "THEN list_filter(list_transform(range(2, len(event_times) + 1), "
    "lambda i: event_times[i] - event_times[i - 1]), lambda gap: gap <> 0) ELSE CAST([] AS DOUBLE[]) END"
)
_SENT = "coalesce(sent, due)"
REQUESTS: dict[str, str] = {
    **{name: name for name in ("run", *IDENTITY, "attempt", "phase")},
    **{name: name for name in ("request_id", "server_request_id", "prompt_id", "worker", "endpoint")},
    **{f"{name}_token_count": f"{name}_tokens" for name in ("prompt", "completion", "cached", "reasoning", "seen")},
    **{name: name for name in ("token_source", "prompt_token_source", "completion_token_source")},
    "latency": f'CASE WHEN {_SUCCESS} THEN "last" - due END',
    "TTFT": f'CASE WHEN {_TIMED} THEN "first" - due END',
    "TTFT_answer": f"CASE WHEN {_TIMED} THEN first_answer - due END",
    "TPOT": f"CASE WHEN {_SPREAD} AND {_SEEN} / {_CHOICES} >= 2 "
    f'THEN ("last" - "first") / ({_SEEN} / {_CHOICES} - 1) END',
    "ITL_mean": f"list_avg({_ITL})",
    "ITL_max": f"list_max({_ITL})",
    "TTFT_from_sent": f'CASE WHEN {_TIMED} THEN "first" - sent END',
    "latency_from_sent": f'CASE WHEN {_SUCCESS} THEN "last" - sent END',
    "success": _SUCCESS,
    "in_window": "CASE WHEN phase IS DISTINCT FROM 'measured' THEN false WHEN NOT window_known THEN NULL "
    f"WHEN window_start IS NULL THEN true ELSE {_SENT} BETWEEN window_start AND window_end END",
    "completed_in_window": f"CASE WHEN NOT ({_SUCCESS}) THEN false WHEN NOT window_known THEN NULL "
    'WHEN window_start IS NULL THEN false ELSE coalesce("end" BETWEEN window_start AND window_end, false) END',
    **{name: name for name in ("error", "error_message", "status", "retry_after", "finish_reason")},
    **{name: f'"{name}"' for name in ("due", "cap_wait", "connect_s", "reused", "retried", "sent")},
    **{name: f'"{name}"' for name in ("first", "first_answer", "last", "end")},
    "events": "coalesce(len(event_times), 0)",
    "tokens_per_event": f"CASE WHEN len(event_times) > 0 THEN {_SEEN} / len(event_times) END",
    **{name: name for name in ("choices", "remarks", "streamed", "stamp_source", "client_lag", "schedule_lag")},
    **{name: name for name in ("texts", "scores", "completion", "event_times")},
    "ITL": _ITL,
}
"""The columns of the view `requests`, as `per_inference_request_results.csv` names them, and how each is computed."""

LARGE = ("completion", "event_times", "ITL", "scores")
"""Columns whose cells are texts or lists of any length."""


def database() -> DuckDBPyConnection:
    """An empty database in memory, which fetches no extension from the network and reads each file's footer once."""
    import duckdb

    connection = duckdb.connect(":memory:", config={"autoinstall_known_extensions": "false"})
    connection.execute("SET parquet_metadata_cache = true")
    return connection


def make_views(connection: DuckDBPyConnection, files: Sequence[LevelFile]) -> None:
    """Add `records`, all rows as they are on disk, and `requests`, those that count, with their measures."""
    connection.register("level_files", _table_of(files))
    connection.execute(f"CREATE VIEW all_records AS {_records(files)}")
    columns = ", ".join(f'"{name}"' for name in (*_OF_FILE, *RECORD_SCHEMA.names))
    connection.execute(f"CREATE VIEW records AS SELECT {columns} FROM all_records")
    measures = ", ".join(f'{formula} AS "{name}"' for name, formula in REQUESTS.items())
    connection.execute(f"CREATE VIEW requests AS SELECT {measures} FROM all_records WHERE counts")


def _table_of(files: Sequence[LevelFile]) -> pa.Table:
    rows = [
        {
            "file": str(file.path),
            "run": file.run,
            **{name: file.identity[name] for name in IDENTITY[3:]},
            "attempt": file.attempt,
            "counts": file.counts,
            "window_known": file.window_known,
            "window_start": file.window_start,
            "window_end": file.window_end,
            "has_seen_tokens": "seen_tokens" in file.columns.names,
        }
        for file in files
    ]
    return pa.Table.from_pylist(rows, schema=_FILES)


def _records(files: Sequence[LevelFile]) -> str:
    """The query for every row of these files; the columns are those of a record, and those of its file.

    Files of one schema are one scan: to unite the columns of different files, DuckDB would read the footers of all of
    them each time that a view is used.
    """
    if not files:
        nothing = ", ".join(f'CAST(NULL AS {kind}) AS "{name}"' for name, kind in _TYPES.items())
        return f"SELECT {_FACTS}, {nothing} FROM level_files f WHERE false"
    paths: dict[pa.Schema, list[str]] = {}
    for file in files:
        paths.setdefault(file.columns, []).append(str(file.path))
    return " UNION ALL ".join(_scan(schema, of_schema) for schema, of_schema in paths.items())


def _scan(schema: pa.Schema, paths: Sequence[str]) -> str:
    """The query for the rows of files that all have this schema; a column that they lack is empty."""
    there = set(schema.names)
    sources = {name: f'r."{name}"' if name in there else "NULL" for name in _TYPES}
    columns = ", ".join(f'CAST({sources[name]} AS {kind}) AS "{name}"' for name, kind in _TYPES.items())
    listed = ", ".join(_quoted(_without_globbing(path)) for path in paths)
    read = f"read_parquet([{listed}], filename = true, hive_partitioning = false)"
    return f"SELECT {_FACTS}, {columns} FROM {read} r JOIN level_files f ON r.filename = f.file"


def _without_globbing(path: str) -> str:
    """A path in which the signs that DuckDB takes for a pattern stand for themselves."""
    return "".join(f"[{sign}]" if sign in "*?[" else sign for sign in path)


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
