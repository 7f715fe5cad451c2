"""The file of a level: what went in comes out, and what is not known is null."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_type_hints

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from fmbench_lib.load.recording.records import (
    RECORD_SCHEMA,
    RequestRecord,
    read_facts,
    read_level,
    table_from_rows,
    write_tables,
)
from fmbench_lib.load.recording.stored_level import StoredLevel

FULL: dict[str, Any] = {
    "request_id": "a-1",
    "server_request_id": "chatcmpl-1",
    "experiment_name": "mine",
    "payload_file": "p.jsonl",
    "load": "concurrency-4",
    "phase": "measured",
    "prompt_id": "q7",
    "worker": 1,
    "endpoint": "http://h/v1",
    "due": 1_800_000_000.000001,
    "cap_wait": 0.0,
    "connect_s": 0.0002,
    "reused": False,
    "retried": 1,
    "sent": 1_800_000_000.1,
    "first": 1_800_000_000.2,
    "first_answer": 1_800_000_000.3,
    "last": 1_800_000_000.4,
    "end": 1_800_000_000.5,
    "event_times": [1_800_000_000.2, 1_800_000_000.4],
    "stamp_source": "kernel",
    "client_lag": 1e-5,
    "schedule_lag": 2e-5,
    "streamed": True,
    "prompt_tokens": 100,
    "completion_tokens": 2,
    "cached_tokens": 0,
    "cache_write_tokens": 12,
    "reasoning_tokens": 1,
    "seen_tokens": 1,
    "choices": 1,
    "prompt_token_source": "server",
    "completion_token_source": "server",
    "token_source": "server",
    "remarks": "hidden_reasoning+echo",
    "finish_reason": "stop",
    "status": 200,
    "error": None,
    "error_message": None,
    "retry_after": None,
    "completion": "grüß 😀\x00\n",
    "texts": 2,
    "scores": [0.5, 0.25],
}
EMPTY: dict[str, Any] = {**dict.fromkeys(FULL), "request_id": "a-2", "error": "dns", "event_times": [], "scores": []}
FACTS = {"load": "concurrency-4", "window_start": 1.5, "client_cpu": [0.5, None], "stop_reason": "requests"}


def write(path: Path, *rows: dict[str, Any]) -> int:
    """A level of these records, in a table each."""
    return write_tables(path, (table_from_rows([row]) for row in rows), FACTS)


def test_round_trip(tmp_path: Path) -> None:
    path = tmp_path / "level.parquet"
    assert write(path, FULL, EMPTY) == 2
    assert pq.read_table(path).to_pylist() == [FULL, EMPTY]
    assert read_facts(path) == FACTS


def test_the_schema_has_the_fields_of_a_record() -> None:
    assert set(RECORD_SCHEMA.names) == set(get_type_hints(RequestRecord))


def test_what_did_not_happen_is_missing_in_the_frame_too(tmp_path: Path) -> None:
    write(tmp_path / "level.parquet", FULL, EMPTY)
    frame, facts = read_level(tmp_path / "level.parquet")
    assert facts == FACTS
    assert list(frame.columns) == RECORD_SCHEMA.names
    assert frame["due"].dtype == "float64"
    assert pd.isna(frame.loc[1, ["due", "first", "last", "completion_tokens", "token_source"]]).all()


def test_only_the_columns_asked_for_are_read(tmp_path: Path) -> None:
    write(tmp_path / "level.parquet", FULL)
    frame, _ = read_level(tmp_path / "level.parquet", ["phase", "error"])
    assert list(frame.columns) == ["phase", "error"]


def test_a_level_without_requests_is_still_a_level(tmp_path: Path) -> None:
    assert write(tmp_path / "level.parquet") == 0
    frame, facts = read_level(tmp_path / "level.parquet")
    assert (len(frame), facts) == (0, FACTS)


def test_many_tables_keep_their_order(tmp_path: Path) -> None:
    ids = [str(number) for number in range(40)]
    write(tmp_path / "level.parquet", *({**FULL, "request_id": name} for name in ids))
    assert list(read_level(tmp_path / "level.parquet")[0]["request_id"]) == ids


def test_columns_without_a_type_get_the_one_that_is_meant(tmp_path: Path) -> None:
    """As a file has that another program has written, of requests none of which were streamed."""
    rows = [{"request_id": "a-0", "phase": "measured", "error": None, "first": None, "event_times": []}]
    written = pa.Table.from_pylist(rows).replace_schema_metadata({b"fmbench": b"{}"})
    pq.write_table(written, tmp_path / "level.parquet")
    level = StoredLevel.at(tmp_path / "level.parquet")
    frame = level.records()
    assert frame["first"].dtype == np.float64
    assert frame["event_times"].dtype == pd.ArrowDtype(pa.list_(pa.float64()))
    (table,) = level.blocks()
    assert table.schema.field("first").type == pa.float64()
