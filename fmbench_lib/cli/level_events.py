"""What happens to the levels of a run, read from its event log while it goes on."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, cast

from fmbench_lib.runs.progress import LevelEvent, LiveLevel
from fmbench_lib.workspace import Workspace

_EVENTS = {"level measured": "level", "level failed": "level_failed"}
_FIGURES = ("done", "errors", "request_rate", "ttft_p50", "latency_p95")


class LevelEvents:
    """The levels that have been measured or have failed since they were last asked for.

    Each has the figures of its records, as far as the step computed them, and those of the live view, as counted while
    the level was measured.
    """

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._read = self._size()
        self._figures: dict[str, LiveLevel] = {}

    def _size(self) -> int:
        try:
            return self._workspace.events_file.stat().st_size
        except OSError:
            return 0

    def new(self, figures: LiveLevel | None) -> Iterator[tuple[str, LevelEvent]]:
        """The name and the facts of each new event; `figures` are those being published, None where there are none."""
        if figures is not None:
            self._figures[str(figures["label"])] = figures
        for line in self._lines():
            event = _event_in(line)
            if event.get("event") in _EVENTS:
                yield _EVENTS[event["event"]], self._facts(event)

    def _lines(self) -> list[bytes]:
        """The whole lines that are new. The log may be removed, and begun again, while it is read."""
        size = self._size()
        if size < self._read:
            self._read = 0
        if size <= self._read:
            return []
        try:
            with self._workspace.events_file.open("rb") as file:
                file.seek(self._read)
                content = file.read()
        except OSError:
            return []
        whole = content[: content.rfind(b"\n") + 1]
        self._read += len(whole)
        return whole.splitlines()

    def _facts(self, event: Mapping[str, Any]) -> LevelEvent:
        figures: Mapping[str, object] = self._figures.pop(str(event["level"]), {})
        facts = {name: value for name, value in event.items() if name not in ("event", "time")}
        return cast(LevelEvent, {**facts, **{name: figures[name] for name in _FIGURES if name in figures}})


def _event_in(line: bytes) -> dict[str, Any]:
    """The event of a line; empty where it is none, as the rest of one is in a log that was begun again."""
    try:
        event = json.loads(line)
    except ValueError:
        return {}
    return event if isinstance(event, dict) else {}
