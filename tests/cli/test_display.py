"""What is shown of a run while it goes on: on a terminal, and elsewhere."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from fmbench_lib.cli.display import Display
from fmbench_lib.cli.terminal import hide, set_output
from fmbench_lib.config.redactor import Redactor
from fmbench_lib.workspace import create_workspace
from tests.cli.level_facts import KEY, figures, published


@pytest.fixture
def run(tmp_path: Path) -> Any:
    workspace = create_workspace(tmp_path, "test")
    workspace.note(workspace.run_file, {"status": "running", "steps": {}, "kept": {"where": "local"}})
    return SimpleNamespace(workspace=workspace)


@pytest.fixture
def clock() -> Any:
    """The time, which a test sets."""
    now = SimpleNamespace(seconds=100.0)
    now.read = lambda: now.seconds
    return now


class Tty(io.StringIO):
    """A terminal whose content is kept."""

    def isatty(self) -> bool:
        return True


def display_on(tty: Tty, run: Any, clock: Any) -> Display:
    sys.stdout = tty  # pytest replaces it between fixture and test
    return Display(run.workspace, clock.read)


@pytest.fixture
def tty(monkeypatch: pytest.MonkeyPatch) -> Tty:
    for name in ("CI", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("LINES", "24")
    monkeypatch.setattr(sys, "stdout", sys.stdout)
    return Tty()


def measured(run: Any, number: int, **row: Any) -> None:
    key = {**KEY, "load": f"concurrency-{number}"}
    told = {"number": number, "count": 2, "attempt": 1, "stop_reason": "requests", "figures": figures(number, **row)}
    run.workspace.log_event("level measured", level=" · ".join(key.values()), **key, **told)


def publish(run: Any, **facts: Any) -> None:
    run.workspace.progress_file.write_text(json.dumps(published(**facts)))


def test_elsewhere_there_is_one_line_for_each_level(run: Any, clock: Any, capsys: pytest.CaptureFixture[str]) -> None:
    shown = Display(run.workspace, clock.read)
    shown.update("0_setup")
    clock.seconds += 2.5
    for done in (0, 5, 9):
        clock.seconds += 30
        publish(run, done=done, count=2)
        shown.update("3_run_inference")
    measured(run, 1)
    shown.update("3_run_inference")
    measured(run, 2, verdict="degraded", verdict_reasons="it was short: measure longer; another")
    shown.end()
    assert capsys.readouterr().out.splitlines() == [
        "0_setup …",
        "0_setup: 32.5 s",
        "3_run_inference …",
        "level 1/2 one · en_1-500 · concurrency 1: 200 requests, 0 errors, 3.91 req/s, 410 tok/s, TTFT p50/p95 "
        "118/≈204 ms, latency p50/p95 1.23/2.50 s, 0.31 USD/10k, valid",
        "level 2/2 one · en_1-500 · concurrency 2: 200 requests, 0 errors, 3.91 req/s, 410 tok/s, TTFT p50/p95 "
        "118/≈204 ms, latency p50/p95 1.23/2.50 s, 0.31 USD/10k, degraded (it was short: measure longer)",
        "3_run_inference: 60.0 s",
    ]


def test_a_terminal_shows_the_level_under_those_that_have_ended(run: Any, clock: Any, tty: Tty) -> None:
    shown = display_on(tty, run, clock)
    publish(run)
    shown.update("3_run_inference")
    first = tty.getvalue()
    assert "level 1 of 3" in first
    assert "20/40 requests" in first
    measured(run, 1)
    run.workspace.log_event("level failed", level="x", **KEY, load="concurrency-2", number=2, count=2, error="gone")
    run.workspace.progress_file.unlink()
    shown.update("3_run_inference")
    later = tty.getvalue()[len(first) :]
    assert "TTFT p50/95" in later
    assert "118/≈204 ms" in later
    assert "not measured" in later
    assert later.endswith(" · 0 s")
    shown.end()
    assert tty.getvalue().endswith("\x1b[J3_run_inference: 0.0 s\n")


def test_levels_are_laid_out_again_when_the_width_changes(
    run: Any, clock: Any, tty: Tty, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = display_on(tty, run, clock)
    shown.update("3_run_inference")
    measured(run, 1)
    shown.update("3_run_inference")
    assert "USD/10k" in tty.getvalue()
    before = len(tty.getvalue())
    monkeypatch.setenv("COLUMNS", "60")
    shown.update("3_run_inference")
    again = tty.getvalue()[before:]
    assert "verdict" in again
    assert "USD/10k" not in again
    assert max(len(line) for line in again.replace("\x1b[1m", "").split("\n")) <= 80


def test_secrets_and_control_characters_are_in_nothing_that_is_shown(run: Any, clock: Any, tty: Tty) -> None:
    hide(Redactor(("hf_sooooosecret12345",)))
    try:
        shown = display_on(tty, run, clock)
        publish(run, experiment_name="hf_sooooosecret12345\x1b[2J\u202e")
        shown.update("3_run_inference")
        measured(run, 1, experiment_name="hf_sooooosecret12345\x1b]0;x\x07", verdict_reasons="why hf_sooooosecret12345")
        shown.update("3_run_inference")
        shown.end()
    finally:
        hide(Redactor())
    assert "hf_sooooosecret12345" not in tty.getvalue()
    assert "\x1b[2J" not in tty.getvalue()
    assert "\x1b]0" not in tty.getvalue()


@pytest.mark.parametrize("options", [{"quiet": True}, {"as_json": True}])
def test_quiet_and_json_have_no_live_view(run: Any, clock: Any, tty: Tty, options: dict[str, bool]) -> None:
    set_output(**options)
    try:
        shown = display_on(tty, run, clock)
        publish(run)
        shown.update("3_run_inference")
        measured(run, 1)
        shown.end()
    finally:
        set_output()
    events = [json.loads(line) for line in tty.getvalue().splitlines()]
    assert [event["event"] for event in events] == ([] if "quiet" in options else ["level", "step"])
    if events:
        assert events[0]["figures"]["TTFT_p50"] == 0.118
        assert events[0]["done"] == 20, "as the live view counted"


def test_an_outage_of_the_bucket_is_reported_once(run: Any, clock: Any, capsys: pytest.CaptureFixture[str]) -> None:
    run.workspace.behind_file.write_text(json.dumps({"said": "timed out"}))
    shown = Display(run.workspace, clock.read)
    shown.update("0_setup")
    shown.update("0_setup")
    out = capsys.readouterr().out
    assert out.count("note: the run's bucket lacks files (timed out)") == 1
    assert f"send them with fmbench sync {run.workspace.path}" in out


def test_a_level_without_room_on_the_disk_is_told_once(
    run: Any, clock: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    shown = Display(run.workspace, clock.read)
    for needed, free in ((10**9, 2 * 10**9), (3 * 10**9, 2 * 10**9), (3 * 10**9, 2 * 10**9)):
        publish(run, bytes_per_request=5000.0, bytes_needed=needed, bytes_free=free)
        shown.update("3_run_inference")
    (line,) = [line for line in capsys.readouterr().out.splitlines() if "note:" in line]
    assert "needs about 3.0 GB more on its disk, where 2.0 GB are free: it will be stopped before" in line
