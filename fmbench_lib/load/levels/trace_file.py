"""A trace of real traffic: when requests came and, where it says so, how long prompts and answers were.

Lines of JSON or CSV with the columns `time` (seconds, of any origin), `prompt_tokens` and `completion_tokens`; also in
Mooncake's spelling, `timestamp` (milliseconds), `input_length` and `output_length`.
"""

from __future__ import annotations

import csv
import json
import math
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from fmbench_lib.config.load_settings import TraceEntry
from fmbench_lib.errors import InputError

_TIMES = {"time": 1.0, "timestamp": 1e-3}
_LENGTHS = {
    "prompt_tokens": ("prompt_tokens", "input_length"),
    "completion_tokens": ("completion_tokens", "output_length"),
}


def read_trace(path: Path) -> tuple[TraceEntry, ...]:
    """The requests of a trace in the order of their times; raises InputError with the line that cannot be used."""
    entries: list[TraceEntry] = []
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = _csv_rows(file) if path.suffix.lower() == ".csv" else _json_rows(path, file)
            for number, row in rows:
                entry = _entry(f"{path}, line {number}", row)
                if entries and entry.time < entries[-1].time:
                    raise InputError(
                        f"{path}, line {number}: its time is before that of the line above; sort the trace"
                    )
                entries.append(entry)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: cannot read the trace: {error}") from None
    if not entries:
        raise InputError(f"{path}: the trace is empty; write one line for each request, with its time in seconds")
    return tuple(entries)


def _csv_rows(file: Any) -> Iterator[tuple[int, Mapping[str, Any]]]:
    return ((number, row) for number, row in enumerate(csv.DictReader(file), 2))


def _json_rows(path: Path, file: Any) -> Iterator[tuple[int, Mapping[str, Any]]]:
    for number, line in enumerate(file, 1):
        if line.strip():
            try:
                row = json.loads(line)
            except ValueError as error:
                raise InputError(f"{path}, line {number}: not JSON: {error}") from None
            if not isinstance(row, dict):
                raise InputError(f'{path}, line {number}: write an object, {{"time": 0.25}}')
            yield number, row


def _entry(where: str, row: Mapping[str, Any]) -> TraceEntry:
    name = next((name for name in _TIMES if row.get(name) not in (None, "")), None)
    if name is None:
        raise InputError(f"{where}: has neither `time` (seconds) nor `timestamp` (milliseconds)")
    time = _number(where, name, row[name]) * _TIMES[name]
    lengths = {}
    for field, names in _LENGTHS.items():
        given = next((key for key in names if row.get(key) not in (None, "")), None)
        lengths[field] = None if given is None else max(1, int(_number(where, given, row[given])))
    return TraceEntry(time, **lengths)


def _number(where: str, name: str, value: Any) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number) or number < 0 or isinstance(value, bool):
        raise InputError(f"{where}: {name} is {value!r}; write a number, 0 or more")
    return number


def match_prompts(entries: Sequence[TraceEntry], lengths: Sequence[int], *, reuse: bool) -> list[int]:
    """The number of the prompt to send for each entry: the one nearest to it in length, in tokens.

    Each prompt is sent once unless `reuse` is set, so there must be as many of them as entries. An entry without a
    length takes any prompt.
    """
    free = sorted(range(len(lengths)), key=lambda prompt: (lengths[prompt], prompt))
    keys = [lengths[prompt] for prompt in free]
    chosen = []
    for number, entry in enumerate(entries):
        wanted = keys[number % len(keys)] if entry.prompt_tokens is None else entry.prompt_tokens
        index = bisect_left(keys, wanted)
        if index == len(keys) or (index > 0 and wanted - keys[index - 1] <= keys[index] - wanted):
            index -= 1
        chosen.append(free[index])
        if not reuse:
            del free[index], keys[index]
    return chosen
