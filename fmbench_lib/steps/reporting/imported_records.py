"""The records of an imported level, from the single requests of a result file: what the file does not say is null.

Where a file has no moments, only durations, each request's times count from its own start, which is 0: the level then
has no window, and nothing that needs to know what happened at the same time.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import Any, cast

from fmbench_lib.host.atomic_files import replacing
from fmbench_lib.imports.found_level import RequestTimes
from fmbench_lib.load.recording.records import RECORD_SCHEMA, RequestRecord, table_from_rows, write_tables
from fmbench_lib.metrics.imported_level import ImportedLevel
from fmbench_lib.metrics.level_facts import LevelFacts
from fmbench_lib.workspace import LevelKey, Workspace

_PART = 50_000


def write_records(workspace: Workspace, level: ImportedLevel, requests: Sequence[RequestTimes]) -> None:
    """Write the requests of a level as one Parquet file, where `Workspace.level` has it."""
    key = LevelKey(level["experiment_name"], level["payload_file"], level["load"])
    path = workspace.level(key)
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = (_record(key, place, one) for place, one in enumerate(requests))
    tables = (table_from_rows(part) for part in _parts(list(rows)))
    with replacing(path) as part:
        write_tables(part, tables, facts_of(level, requests))


def facts_of(level: ImportedLevel, requests: Sequence[RequestTimes]) -> LevelFacts:
    """The facts of an imported level: its load, and its window where the moments of its requests are known.

    The window runs from the first to the last request that was sent, as it does where fmbench sends them.
    """
    starts = [one.start for one in requests if one.start is not None] if level["clock"] else []
    ends = [one.start + (one.latency or 0.0) for one in requests if one.start is not None] if starts else []
    window = (min(starts), max(starts)) if starts else (None, None)
    known: dict[str, Any] = {
        "experiment_name": level["experiment_name"],
        "payload_file": level["payload_file"],
        "load": level["load"],
        "concurrency": level["concurrency"],
        "request_rate": level["request_rate"],
        "instance_type": level["instance_type"],
        "instance_count": level["instance_count"],
        "window_start": window[0],
        "window_end": window[1],
        "started": window[0],
        "ended": max(ends) if ends else None,
        "attempt": 1,
        "warmup": 0,
    }
    empty = dict.fromkeys(LevelFacts.__annotations__)
    return cast(LevelFacts, empty | {"client_cpu": []} | known)


def _record(key: LevelKey, place: int, one: RequestTimes) -> RequestRecord:
    start = one.start or 0.0
    first = None if one.ttft is None else start + one.ttft
    last = None if one.latency is None else start + one.latency
    known: dict[str, Any] = {
        "request_id": str(place),
        "experiment_name": key.experiment_name,
        "payload_file": key.payload_file,
        "load": key.load,
        "phase": "measured",
        "due": start,
        "first": first,
        "last": last,
        "end": last,
        "event_times": [] if one.gaps is None or first is None else list(accumulate(one.gaps, initial=first)),
        "streamed": one.streamed,
        "prompt_tokens": one.prompt_tokens,
        "completion_tokens": one.completion_tokens,
        "seen_tokens": one.completion_tokens,
        "error": one.error,
        "error_message": one.error_message,
    }
    return cast(RequestRecord, dict.fromkeys(field.name for field in RECORD_SCHEMA) | known)


def _parts(rows: list[RequestRecord]) -> list[list[RequestRecord]]:
    return [rows[begin : begin + _PART] for begin in range(0, len(rows), _PART)]
