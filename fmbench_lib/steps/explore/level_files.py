"""The files of request records that runs have: which level each is of, which attempt, and which window counts."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypedDict

import pyarrow as pa

from fmbench_lib.errors import RunStateError
from fmbench_lib.host.csv_files import without_apostrophe
from fmbench_lib.load.recording.records import read_header
from fmbench_lib.metrics.level_facts import LevelFacts
from fmbench_lib.metrics.measuring_again import last_attempts
from fmbench_lib.metrics.missing import number
from fmbench_lib.metrics.window import window_of
from fmbench_lib.steps.explore.level_tables import TableRow
from fmbench_lib.workspace import LevelKey, Workspace

IDENTITY = (
    "experiment_name", "payload_file", "load", "concurrency", "request_rate", "instance_type", "instance_count",
)  # fmt: skip
"""The columns that name a level, as its facts have them."""


@dataclass(frozen=True, slots=True)
class LevelFile:
    """The records of one attempt at a level.

    `counts`: it is the last attempt. `window_start` and `window_end` (Unix s) bound the requests that count, both None
    for a level whose window has no length; where `window_known` is false, only the analysis could tell.
    """

    run: str
    path: Path
    identity: dict[str, Any]
    attempt: int
    counts: bool
    window_known: bool
    window_start: float | None
    window_end: float | None
    columns: pa.Schema


class _KnownWindow(TypedDict):
    """The fields of a `LevelFile` that are about its window."""

    window_known: bool
    window_start: float | None
    window_end: float | None


def level_files(run: str, workspace: Workspace, levels: Sequence[TableRow] | None) -> list[LevelFile]:
    """The files of a run, sorted by path; `levels` are the rows of its table of levels, None without analysis.

    A file that cannot be read is left out with a warning.
    """
    read = list(_read(workspace))
    last = last_attempts([{**facts, "attempt": attempt} for _, facts, attempt, _ in read])
    windows = _windows(levels or ())
    return [
        LevelFile(
            run=run,
            path=path,
            identity={name: facts.get(name) for name in IDENTITY},
            attempt=attempt,
            counts=counts,
            columns=columns,
            **_window(facts, windows.get((*_key(facts), attempt))),
        )
        for (path, facts, attempt, columns), counts in zip(read, last, strict=True)
    ]


def _read(workspace: Workspace) -> Iterator[tuple[Path, LevelFacts, int, pa.Schema]]:
    """Each file with its facts, the number of its attempt, and the columns that it has."""
    for path in workspace.levels():
        try:
            facts, columns = read_header(path)
        except (RunStateError, OSError, ValueError, KeyError, TypeError) as error:
            warnings.warn(f"left out, as it cannot be read: {path}: {error}", stacklevel=2)
            continue
        yield path, facts, _attempt(workspace, path, facts), columns


def _attempt(workspace: Workspace, path: Path, facts: LevelFacts) -> int:
    """The number of an attempt, as the analysis counts them."""
    earlier = workspace.earlier_attempts(_key(facts))
    aside = {file: number for number, file in earlier}
    return aside[path] if path in aside else int(facts.get("attempt") or len(earlier) + 1)


def _key(facts: LevelFacts) -> LevelKey:
    return LevelKey(str(facts["experiment_name"]), str(facts["payload_file"]), str(facts["load"]))


def _windows(rows: Sequence[TableRow]) -> dict[tuple[str, str, str, int], tuple[float | None, float | None]]:
    """The windows that the analysis found, by level and attempt; it alone knows when an open loop became steady."""
    names = ("experiment_name", "payload_file", "load")
    windows = {}
    for row in rows:
        experiment, payload_file, load = (without_apostrophe(row.get(name) or "") for name in names)
        start, end = (float(row[name]) if row.get(name) else None for name in ("window_start", "window_end"))
        windows[experiment, payload_file, load, int(row.get("attempt") or 1)] = (start, end)
    return windows


def _window(facts: LevelFacts, analysed: tuple[float | None, float | None] | None) -> _KnownWindow:
    if analysed is None:
        window = window_of(facts)
        closed_loop = number(facts, "concurrency") is not None
        analysed = (window.start, window.end) if window else (None, None)
        return {"window_known": closed_loop, "window_start": analysed[0], "window_end": analysed[1]}
    return {"window_known": True, "window_start": analysed[0], "window_end": analysed[1]}
