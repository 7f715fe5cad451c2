"""What is printed of a run: the live line, plain lines elsewhere, and the result."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from fmbench_lib.cli import terminal
from fmbench_lib.cli.terminal import Display, print_location, print_result, short_path
from fmbench_lib.config.redactor import Redactor
from fmbench_lib.workspace import Workspace, create_workspace


@pytest.fixture
def run(tmp_path: Path) -> Any:
    workspace = create_workspace(tmp_path, "test")
    workspace.note(workspace.run_file, {"status": "running", "steps": {}, "kept": {"where": "local"}})
    return SimpleNamespace(workspace=workspace)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The time, which a test sets."""
    now = SimpleNamespace(seconds=100.0)
    monkeypatch.setattr(terminal, "time", SimpleNamespace(monotonic=lambda: now.seconds))
    return now


def publish(workspace: Workspace, number: int, done: int) -> None:
    figures = {"number": number, "count": 2, "label": "one", "done": done, "total": 10, "errors": 0}
    latencies = {"request_rate": 2.0, "ttft_p50": 0.1, "latency_p95": 1.5, "time_left": 4.0}
    workspace.progress_file.write_text(json.dumps({**figures, **latencies}))


def test_elsewhere_a_line_is_printed_for_each_level_and_every_ten_seconds(
    run: Any, clock: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    display = Display(run)
    display.update("0_setup")
    clock.seconds += 2.5
    display.update("3_run_inference")
    for number, done, seconds in [(1, 0, 0.1), (1, 1, 5), (1, 5, 6), (2, 0, 0.1), (2, 1, 0.1)]:
        clock.seconds += seconds
        publish(run.workspace, number, done)
        display.update("3_run_inference")
    display.end()
    lines = capsys.readouterr().out.splitlines()
    assert lines[:3] == ["0_setup …", "0_setup: 2.5 s", "3_run_inference …"]
    assert [line.split(" · ")[:2] for line in lines[3:-1]] == [
        ["  level 1/2 one", "0/10 requests"],
        ["  level 1/2 one", "5/10 requests"],
        ["  level 2/2 one", "0/10 requests"],
    ]
    assert lines[-1] == "3_run_inference: 11.3 s"


def test_on_a_terminal_one_line_is_rewritten(
    run: Any, clock: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "30")
    display = Display(run)
    display.update("0_setup")
    publish(run.workspace, 1, 3)
    display.update("0_setup")
    display.end()
    first, second, last = capsys.readouterr().out.split("\r\x1b[K")[1:]
    assert first == "0_setup: 0 s"
    assert second == "0_setup: level 1/2 one · 3/10"[:29]
    assert last == "0_setup: 0.0 s\n"


def test_an_outage_of_the_bucket_is_reported_once(run: Any, clock: Any, capsys: pytest.CaptureFixture[str]) -> None:
    run.workspace.behind_file.write_text(json.dumps({"said": "timed out"}))
    display = Display(run)
    display.update("0_setup")
    display.update("0_setup")
    out = capsys.readouterr().out
    assert out.count("note: the run's bucket lacks files (timed out)") == 1
    assert f"send them with fmbench sync {run.workspace.path}" in out


def test_the_result_is_decision_notes_report_and_what_still_runs(
    run: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = run.workspace
    print_result(run)
    assert capsys.readouterr().out == ""
    workspace.note(workspace.summary_file, {"decision": {"text": "Take one."}, "attention": ["a level is invalid"]})
    standing = {"experiment_name": "one", "platform": "ec2", "owned": True, "urls": ["http://a"]}
    workspace.note(workspace.endpoints_file, {"one": standing})
    monkeypatch.chdir(workspace.path.parent)
    print_result(run)
    decision, note, report, running = capsys.readouterr().out.splitlines()
    assert decision == "Take one."
    assert note == "note: a level is invalid"
    assert report == f"report: {workspace.run_id}/report.md"
    assert "one on ec2" in running
    assert f"fmbench cleanup {workspace.path}" in running


def test_a_run_without_a_bucket_has_no_location_to_print(run: Any, capsys: pytest.CaptureFixture[str]) -> None:
    print_location(run.workspace, may_delete=True)
    assert capsys.readouterr().out == ""
    assert run.workspace.path.exists()


def test_a_path_is_shortened_only_below_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert short_path(tmp_path / "a" / "b") == "a/b"
    assert short_path(tmp_path.parent) == str(tmp_path.parent)


def test_a_secret_with_something_unseen_in_it_is_not_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(terminal, "_redactor", Redactor.of(["plumKestrel42"]))
    assert terminal.clean("the key plum\u200bKes\x1b[0mtrel42 is wrong") == "the key <removed> is wrong"
