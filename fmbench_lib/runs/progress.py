"""How far a run is: a small file that the running step keeps up to date.

The step may run in another process (a notebook's kernel), so the figures pass through the run directory.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NotRequired, TypedDict

from fmbench_lib.host.atomic_files import each_text
from fmbench_lib.host.process_identity import ProcessIdentity, this_process
from fmbench_lib.load.recording.live_figures import LiveFigures
from fmbench_lib.workspace import LevelKey, Workspace


class LevelEvent(TypedDict):
    """What an event says of a level: its key as a text and by its parts, and that it is number `number` of `count`.

    Of one that has ended also `figures` or `error`, and what was counted while it was measured. `figures` are null
    where they are left to the analysis. Times are in seconds, rates per second.
    """

    level: str
    experiment_name: str
    payload_file: str
    load: str
    number: int
    count: int

    attempt: NotRequired[int]
    stop_reason: NotRequired[str]
    figures: NotRequired[Mapping[str, Any] | None]
    error: NotRequired[str]
    done: NotRequired[int]
    errors: NotRequired[int]
    request_rate: NotRequired[float | None]
    ttft_p50: NotRequired[float | None]
    latency_p95: NotRequired[float | None]


class LiveLevel(TypedDict):
    """A level that is being measured. `label` is its key as a text; the other fields are those of `LiveFigures`, and
    how long the run takes from now (s): `run_left`, at most that with `run_left_at_most`. `processes` are those that
    measure it, by what they are."""

    label: str
    number: int
    count: int
    experiment_name: str
    payload_file: str
    load: str
    done: int
    total: int | None
    errors: int
    in_flight: int
    elapsed: float
    request_rate: float | None
    ttft_p50: float | None
    latency_p95: float | None
    token_rate: float | None
    time_left: float | None
    run_left: float | None
    run_left_at_most: bool
    processes: NotRequired[dict[str, ProcessIdentity]]
    bytes_per_request: NotRequired[float | None]
    bytes_needed: NotRequired[int | None]
    bytes_free: NotRequired[int | None]


def live_level(
    key: LevelKey, number: int, count: int, figures: LiveFigures, run_left: float | None = None, at_most: bool = False
) -> LiveLevel:
    """A level that is being measured, number `number` of `count`, as it is published; `run_left` is how long the run
    will probably take from now (s), or `at_most` takes."""
    return {
        "label": " · ".join(key),
        "number": number,
        "count": count,
        "experiment_name": key.experiment_name,
        "payload_file": key.payload_file,
        "load": key.load,
        "done": figures.done,
        "total": figures.total,
        "errors": figures.errors,
        "in_flight": figures.in_flight,
        "elapsed": figures.elapsed,
        "request_rate": figures.request_rate,
        "ttft_p50": figures.ttft_p50,
        "latency_p95": figures.latency_p95,
        "token_rate": figures.token_rate,
        "time_left": figures.time_left,
        "run_left": run_left,
        "run_left_at_most": at_most,
        "bytes_per_request": figures.bytes_per_request,
        "bytes_needed": figures.bytes_needed,
        "bytes_free": figures.bytes_free,
        "processes": {
            "notebook": this_process(),
            **{f"load worker {worker}": process for worker, process in enumerate(figures.processes)},
        },
    }


def event_of(key: LevelKey, number: int, count: int) -> LevelEvent:
    """A level as its events name it, number `number` of `count`."""
    return {
        "level": " · ".join(key),
        "experiment_name": key.experiment_name,
        "payload_file": key.payload_file,
        "load": key.load,
        "number": number,
        "count": count,
    }


def publish(workspace: Workspace, level: LiveLevel) -> None:
    """Write the figures of `live_level` for whoever watches the run."""
    content = each_text(level, workspace.redact)
    part = workspace.progress_file.with_suffix(".part")
    part.write_text(json.dumps(content))
    part.replace(workspace.progress_file)


def clear(workspace: Workspace) -> None:
    """Remove the figures: nothing is being measured any more."""
    workspace.progress_file.unlink(missing_ok=True)


def read(workspace: Workspace) -> LiveLevel | None:
    """The figures published last, None when nothing is being measured."""
    try:
        content: LiveLevel = json.loads(workspace.progress_file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return content


def duration(value: float | None) -> str:
    """A time to wait, in hours, minutes and seconds."""
    if value is None:
        return "–"
    minutes, rest = divmod(round(value), 60)
    if minutes >= 60:
        return f"{minutes // 60} h {minutes % 60:02d} min"
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"
