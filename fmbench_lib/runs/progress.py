"""How far a run is: a small file that the running step keeps up to date.

The step may run in another process (a notebook's kernel), so the figures pass through the run directory.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from fmbench_lib.host.atomic_files import each_text
from fmbench_lib.load.recording.live_figures import LiveFigures
from fmbench_lib.workspace import LevelKey, Workspace


def live_level(
    key: LevelKey, number: int, count: int, figures: LiveFigures, run_left: float | None = None, at_most: bool = False
) -> dict[str, Any]:
    """A level that is being measured, number `number` of `count`, as it is published; `run_left` is how long the run
    will probably take from now (s), or `at_most` takes."""
    names = {"label": " · ".join(key), "number": number, "count": count}
    return {**names, **key._asdict(), **asdict(figures), "run_left": run_left, "run_left_at_most": at_most}


def publish(workspace: Workspace, level: dict[str, Any]) -> None:
    """Write the figures of `live_level` for whoever watches the run."""
    content = each_text(level, workspace.redact)
    part = workspace.progress_file.with_suffix(".part")
    part.write_text(json.dumps(content))
    part.replace(workspace.progress_file)


def clear(workspace: Workspace) -> None:
    """Remove the figures: nothing is being measured any more."""
    workspace.progress_file.unlink(missing_ok=True)


def read(workspace: Workspace) -> dict[str, Any] | None:
    """The figures published last, None when nothing is being measured."""
    try:
        content: dict[str, Any] = json.loads(workspace.progress_file.read_text(encoding="utf-8"))
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
