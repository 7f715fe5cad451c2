"""The live line of a run, made from a small file that the running step keeps up to date.

The step may run in another process (a notebook's kernel), so the figures pass through the run directory.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from fmbench_lib.load.recording.live_figures import LiveFigures
from fmbench_lib.workspace import Workspace


def publish(workspace: Workspace, label: str, number: int, count: int, figures: LiveFigures) -> None:
    """Write a level's figures for whoever watches the run; it is level `number` of `count`."""
    content = {"label": workspace.redact(label), "number": number, "count": count, **asdict(figures)}
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


def line(figures: Mapping[str, Any]) -> str:
    """The figures as one line for a terminal."""
    total = f"/{figures['total']}" if figures["total"] is not None else ""
    parts = [
        f"level {figures['number']}/{figures['count']} {figures['label']}",
        f"{figures['done']}{total} requests",
        f"{_number(figures['request_rate'], '.2f')}/s",
        f"{figures['errors']} errors",
        f"TTFT p50 {_about(figures['ttft_p50'])}",
        f"latency p95 {_about(figures['latency_p95'])}",
        f"{duration(figures['time_left'])} left",
    ]
    return " · ".join(parts)


def seconds(value: float | None) -> str:
    """A latency in milliseconds or seconds, whichever reads better."""
    if value is None:
        return "–"
    return f"{value * 1000:.0f} ms" if value < 1 else f"{value:.2f} s"


def _about(value: float | None) -> str:
    """A percentile so far, which has no confidence interval."""
    return seconds(value) if value is None else f"≈ {seconds(value)}"


def duration(value: float | None) -> str:
    """A time to wait, in minutes and seconds."""
    if value is None:
        return "–"
    minutes, rest = divmod(round(value), 60)
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"


def _number(value: float | None, form: str) -> str:
    return "–" if value is None else format(value, form)
