"""What is reported of levels while a run goes on."""

from __future__ import annotations

from pathlib import Path

from fmbench_lib.cli.level_events import LevelEvents
from fmbench_lib.workspace import create_workspace


def test_each_level_is_reported_once_with_the_figures_last_published(tmp_path: Path) -> None:
    workspace = create_workspace(tmp_path, "test")
    workspace.log_event("level measured", level="before · it · began")
    events = LevelEvents(workspace)
    label = "one · payload.jsonl · concurrency-4"
    figures = {"label": label, "number": 1, "count": 2, "done": 20, "errors": 1, "latency_p95": 1.5, "time_left": 3}
    assert list(events.new(figures)) == []
    workspace.log_event("level started", level=label)
    names = {
        "experiment_name": "one",
        "payload_file": "payload.jsonl",
        "load": "concurrency-4",
        "number": 1,
        "count": 2,
    }
    workspace.log_event("level measured", level=label, **names, attempt=1, stop_reason="requests")
    [(event, facts)] = events.new(None)
    assert event == "level"
    assert facts == {
        "level": label,
        **names,
        "attempt": 1,
        "stop_reason": "requests",
        "done": 20,
        "errors": 1,
        "latency_p95": 1.5,
    }
    assert list(events.new(None)) == []
    workspace.log_event("level failed", level=label, error="gone")
    assert [name for name, _ in events.new(None)] == ["level_failed"]


def test_a_log_that_was_removed_and_begun_again_is_read_from_its_beginning(tmp_path: Path) -> None:
    workspace = create_workspace(tmp_path, "test")
    workspace.log_event("level measured", level="one · payload.jsonl · concurrency-4")
    events = LevelEvents(workspace)
    workspace.events_file.unlink()
    assert list(events.new(None)) == []
    workspace.log_event("level failed", level="two", error="gone")
    assert [name for name, _ in events.new(None)] == ["level_failed"]


def test_the_rest_of_a_line_is_no_event(tmp_path: Path) -> None:
    workspace = create_workspace(tmp_path, "test")
    events = LevelEvents(workspace)
    workspace.events_file.write_text('6-11-30T12:00:00", "event": "level failed"}\n[1]\n')
    workspace.log_event("level failed", level="two", error="gone")
    assert [name for name, _ in events.new(None)] == ["level_failed"]
