"""How a run stands, from its directory alone: for whoever looks at it from another terminal or machine."""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, cast

from fmbench_lib.host.disk_space import free_bytes
from fmbench_lib.host.process_identity import ProcessCondition, ProcessIdentity, condition_of
from fmbench_lib.run_state import RunState, RunStatus
from fmbench_lib.runs import progress
from fmbench_lib.runs.machine_status import MachineStanding, machine_standings
from fmbench_lib.runs.progress import LevelEvent, LiveLevel
from fmbench_lib.runs.run_orders import Order, current_order
from fmbench_lib.workspace import LevelKey, Workspace


@dataclass(frozen=True, slots=True)
class RunProcess:
    """A process of a run: what it is, its id, and what it is doing."""

    name: str
    pid: int
    condition: ProcessCondition


@dataclass(frozen=True, slots=True)
class StandingOfRun:
    """How a run stands. Times are in seconds.

    `step`: the one that is running, None where none is, `step_s` for how long. `paused`: it waits between two levels.
    `level` is being measured, by figures that are `level_age` old. `measured` are the levels with records in the order
    of measuring, `failed` how many could not be measured, `levels` how many there are at most, None where that is not
    known yet. `machines` are those of a fleet. `free` and `taken` are bytes: on its disk, and in its directory.
    `last_event` is when the last event of the run was noted (UTC, ISO 8601).
    """

    title: str
    status: RunStatus
    exit_code: int | None
    step: str | None
    step_s: float | None
    order: Order | None
    paused: bool
    level: LiveLevel | None
    level_age: float | None
    measured: tuple[LevelEvent, ...]
    failed: int
    levels: int | None
    processes: tuple[RunProcess, ...]
    machines: tuple[MachineStanding, ...]
    free: int | None
    taken: int
    last_event: str | None

    @property
    def goes_on(self) -> bool:
        """Whether a process executes the run, as far as that can be told."""
        return self.status == "running"


def standing_of(
    workspace: Workspace, clock: Callable[[], float] = time.time, *, with_records: bool = True
) -> StandingOfRun:
    """How a run stands now; `clock` gives Unix time. Without `with_records` the directory lacks the levels' records,
    and a level counts as measured where an event says so.

    Raises RunStateError where this is not a run directory.
    """
    state, now = workspace.read_run(), clock()
    running = state["status"] == "running"
    step, since = _running_step(state) if running else (None, None)
    level = progress.read(workspace) if running else None
    events = list(_events(workspace))
    return StandingOfRun(
        title=f"{state['name']}/{workspace.run_id}",
        status=state["status"],
        exit_code=state.get("exit_code") if not running else None,
        step=step,
        step_s=None if since is None else max(now - since, 0.0),
        order=current_order(workspace) if running else None,
        paused=running and _is_paused(events),
        level=level,
        level_age=None if level is None else _age(workspace.progress_file, now),
        measured=_measured(workspace, events, with_records),
        failed=len(workspace.failed_levels()),
        levels=_count(events, level),
        processes=tuple(_processes(state, level)),
        machines=tuple(machine_standings(workspace, running=running)),
        free=free_bytes(workspace.path),
        taken=_bytes_in(workspace.path),
        last_event=None if not events else str(events[-1].get("time")),
    )


def _running_step(state: RunState) -> tuple[str | None, float | None]:
    for name, step in state["steps"].items():
        if step["status"] == "running":
            return name, datetime.fromisoformat(step["started"]).timestamp()
    return None, None


def _age(path: Path, now: float) -> float | None:
    try:
        return max(now - path.stat().st_mtime, 0.0)
    except OSError:
        return None


def _events(workspace: Workspace) -> Iterator[dict[str, Any]]:
    """The whole events of the run; a last line that is being written is left out."""
    try:
        lines = workspace.events_file.read_bytes().splitlines()
    except OSError:
        return
    for line in lines:
        with contextlib.suppress(ValueError):
            event = json.loads(line)
            if isinstance(event, dict):
                yield event


def _is_paused(events: list[dict[str, Any]]) -> bool:
    """Whether the last that the run did was to pause."""
    return bool(events) and events[-1].get("event") == "run paused"


def _measured(workspace: Workspace, events: list[dict[str, Any]], with_records: bool) -> tuple[LevelEvent, ...]:
    """The last event of each level that has been measured and has its records still, in the order of measuring."""
    last: dict[LevelKey, dict[str, Any]] = {}
    for event in events:
        if event.get("event") == "level measured":
            key = LevelKey(*(str(event.get(name)) for name in LevelKey._fields))
            last.pop(key, None)
            last[key] = event
    there = (event for key, event in last.items() if not with_records or workspace.level(key).exists())
    return tuple(cast(LevelEvent, event) for event in there)


def _count(events: list[dict[str, Any]], level: LiveLevel | None) -> int | None:
    """How many levels the run has at most: those that had been measured when the last one began, and those to come."""
    if level is not None:
        return level["count"]
    return next((int(event["count"]) for event in reversed(events) if event.get("count")), None)


def _processes(state: RunState, level: LiveLevel | None) -> Iterator[RunProcess]:
    """What executes the run, and what measures its level, each once."""
    known: dict[str, ProcessIdentity] = {}
    if state["status"] == "running" and (executing := state.get("process")) is not None:
        known["fmbench"] = executing
    if level is not None:
        for name, process in level.get("processes", {}).items():
            if process not in known.values():
                known[name] = process
    for name, process in known.items():
        yield RunProcess(name, process["pid"], condition_of(process))


def _bytes_in(folder: Path) -> int:
    """The bytes of all files in a folder; files come and go meanwhile."""
    size = 0
    for where, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):
                size += Path(where, name).lstat().st_size
    return size
