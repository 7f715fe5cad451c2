"""What is printed of a run at its end."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from fmbench_lib.cli import terminal
from fmbench_lib.cli.terminal import print_location, print_result, short_path, write_step_summary
from fmbench_lib.config.redactor import Redactor
from fmbench_lib.workspace import create_workspace


@pytest.fixture
def run(tmp_path: Path) -> Any:
    workspace = create_workspace(tmp_path, "test")
    workspace.note(workspace.run_file, {"status": "running", "steps": {}, "kept": {"where": "local"}})
    return SimpleNamespace(workspace=workspace)


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


def test_a_job_on_github_actions_gets_the_result_and_no_live_markdown_of_others(
    run: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "summary.md"
    page.write_text("before\n")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(page))
    run.config = SimpleNamespace(general=SimpleNamespace(name="a|b"))
    write_step_summary(run)
    assert page.read_text() == "before\n", "without a result there is nothing to add"
    level = {"experiment_name": "![x](http://evil)", "payload_file": "payload_en.jsonl", "load": "concurrency-4"}
    figures = {"concurrency": 4, "requests": 20, "errors": 1, "verdict": "valid", "attempt": 1}
    summary = {"decision": {"text": "Take one."}, "attention": ["look <b>here</b>"], "levels": [level | figures]}
    run.workspace.note(run.workspace.summary_file, summary)
    write_step_summary(run)
    _, heading, *_, row, _, note = page.read_text().splitlines()
    assert heading == r"## fmbench: a\|b"
    assert row.startswith(r"| !\[x\](http:\//evil) | en | concurrency 4 | 20 | 1 |")
    assert note == r"- look \<b\>here\</b\>"
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "missing" / "summary.md"))
    write_step_summary(run)
    assert "cannot write" in capsys.readouterr().err


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
