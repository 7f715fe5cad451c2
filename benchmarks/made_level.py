"""Levels of made requests, as step 3 writes them: columns drawn at once, so that ten million take a minute."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import pyarrow as pa

from fmbench_lib.load.recording.records import RECORD_SCHEMA, write_tables
from fmbench_lib.metrics.level_facts import LevelFacts
from fmbench_lib.workspace import LevelKey

PART = 50_000
WITH_EVENTS, FAILED = 0.1, 0.01
_TOKENS = (16, 113)
_TEXT = "It said that the answer, as far as anybody could tell, was in the second of the three papers. " * 8


@dataclass(frozen=True, slots=True)
class MadeLevel:
    """What a level is made of: `concurrency` requests at a time, or `rate` requests a second."""

    key: LevelKey
    count: int
    seed: int
    began: float
    concurrency: int | None = None
    rate: float | None = None
    timed: float = WITH_EVENTS


def write_level(path: Path, level: MadeLevel) -> None:
    """Write the level's file of records."""
    path.parent.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(level.seed)
    tokens = random.integers(*_TOKENS, level.count)
    ttft = random.gamma(4, 0.03, level.count)
    seconds = ttft + tokens * random.gamma(40, 0.0001, level.count)
    due = _due(level, seconds, random)
    facts = _facts(level, float(due[0]), float(due[-1]), float((due + seconds).max()))
    write_tables(path, _tables(level, random, due, ttft, seconds, tokens), facts)


def _due(level: MadeLevel, seconds: Any, random: np.random.Generator) -> Any:
    """When requests were due: each slot's one after the other, or at random; rising."""
    if level.rate is not None:
        return level.began + np.cumsum(random.exponential(1 / level.rate, level.count))
    assert level.concurrency is not None
    slots = np.array_split(seconds, level.concurrency)
    return level.began + np.sort(np.concatenate([np.cumsum(part) - part for part in slots]))


def _tables(
    level: MadeLevel, random: np.random.Generator, due: Any, ttft: Any, seconds: Any, tokens: Any
) -> Iterator[pa.Table]:
    for begin in range(0, level.count, PART):
        part = slice(begin, begin + PART)
        yield _table(level, random, begin, due[part], ttft[part], seconds[part], tokens[part])


def _table(
    level: MadeLevel, random: np.random.Generator, begin: int, due: Any, ttft: Any, seconds: Any, tokens: Any
) -> pa.Table:
    count = len(due)
    number = np.arange(begin, begin + count)
    warm = number < 8
    failed = (random.random(count) < FAILED) & ~warm
    timed = (random.random(count) < level.timed) & ~failed
    sent = due + random.exponential(0.0001, count)
    first, last = due + ttft, due + seconds
    ok, counts = ~failed, np.where(timed, tokens, 0)
    offsets = np.concatenate(([0], np.cumsum(counts)))
    within = np.arange(offsets[-1]) - np.repeat(offsets[:-1], counts)
    steps = (within + np.where(within > 0, random.uniform(-0.3, 0.3, len(within)), 0)) / np.repeat(tokens - 1, counts)
    steps[offsets[1:][counts > 0] - 1] = 1.0
    events = np.repeat(first, counts) + steps * np.repeat(seconds - ttft, counts)
    lengths = np.concatenate(([0], np.cumsum(np.where(failed, 0, 5 * tokens))))
    text = (_TEXT * (1 + int(lengths[-1]) // len(_TEXT)))[: int(lengths[-1])].encode()
    completion = pa.StringArray.from_buffers(count, pa.py_buffer(lengths.astype(np.int32)), pa.py_buffer(text))
    constant = {
        **level.key._asdict(), "worker": 0, "endpoint": "http://127.0.0.1:8000/v1/chat/completions", "retried": 0,
        "streamed": True, "choices": 1, "stamp_source": "kernel", "prompt_token_source": "server",
        "completion_token_source": "server", "token_source": "server", "reused": True,
    }  # fmt: skip
    made: dict[str, Any] = {
        "request_id": np.char.add(f"{level.seed:x}-", number.astype(str)),
        "server_request_id": np.char.add("cmpl-", number.astype(str)),
        "phase": np.where(warm, "warmup", "measured"),
        "prompt_id": np.char.mod("%016x", random.integers(0, 2**40, count)),
        "due": due, "sent": sent, "first": _where(ok, first), "first_answer": _where(ok, first),
        "last": _where(ok, last), "end": last, "event_times": pa.ListArray.from_arrays(
            pa.array(offsets.astype(np.int32)), pa.array(events)
        ),
        "client_lag": random.exponential(0.00005, count), "schedule_lag": sent - due,
        "prompt_tokens": _where(ok, random.integers(50, 500, count)), "completion_tokens": _where(ok, tokens),
        "seen_tokens": _where(ok, tokens), "finish_reason": _where(ok, np.where(tokens < 100, "stop", "length")),
        "status": np.where(failed, 503, 200).astype(np.int32), "error": _where(failed, np.full(count, "http_5xx")),
        "error_message": _where(failed, np.full(count, "503 Service Unavailable")), "completion": completion,
    }  # fmt: skip
    columns = [_column(field, made, constant, count) for field in RECORD_SCHEMA]
    return pa.Table.from_arrays(columns, schema=RECORD_SCHEMA)


def _where(known: Any, values: Any) -> pa.Array:
    return pa.array(values, mask=~known)


def _column(field: pa.Field, made: dict[str, Any], constant: dict[str, Any], count: int) -> pa.Array:
    if field.name in made:
        values = made[field.name]
        return values.cast(field.type) if isinstance(values, pa.Array) else pa.array(values, field.type)
    if pa.types.is_list(field.type):
        return pa.ListArray.from_arrays(pa.array(np.zeros(count + 1, np.int32)), pa.array([], pa.float64()))
    return pa.repeat(pa.scalar(constant.get(field.name), field.type), count)


def _facts(level: MadeLevel, began: float, until: float, ended: float) -> LevelFacts:
    known: dict[str, Any] = {
        **level.key._asdict(), "concurrency": level.concurrency, "request_rate": level.rate,
        "scheduled_rate": level.rate, "arrival": None if level.rate is None else "poisson",
        "prompt_reuse": "allowed", "timeout": 120.0, "raw_kept": False, "attempt": 1, "instance_type": "m7a.xlarge",
        "instance_count": 1, "started": began, "window_start": began + 0.5, "window_end": until, "ended": ended,
        "stop_reason": "requests", "requested": level.count, "warmup": 8, "workers": 1, "client_cpu": [0.2],
        "unix_offset": 0.0, "clock_step_s": 0.0, "tokenizer": "words", "seed": level.seed,
    }  # fmt: skip
    return cast(LevelFacts, dict.fromkeys(LevelFacts.__annotations__) | known)
