"""A run's record of its steps."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from fmbench_lib.runs.run import Run
from fmbench_lib.workspace import create_workspace

BEGUN = datetime(2026, 1, 31, 12, tzinfo=UTC)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    workspace = create_workspace(tmp_path, "test")
    workspace.note(workspace.run_file, {"status": "running", "steps": {}})
    config: Any = SimpleNamespace(
        general=SimpleNamespace(seed=7), run_steps={"0_setup": True, "1_generate_data": True, "5_cleanup": False}
    )
    loaded: Any = SimpleNamespace(config=config)
    return Run(loaded, workspace)


def events(run: Run) -> list[dict[str, Any]]:
    return [json.loads(line) for line in run.workspace.events_file.read_text().splitlines()]


def test_a_step_is_running_until_it_ends(run: Run) -> None:
    run.begin_step("0_setup")
    state = run.workspace.read_run()["steps"]["0_setup"]
    assert state["status"] == "running"
    assert datetime.fromisoformat(state["started"]).tzinfo is not None
    run.end_step("0_setup", "done", BEGUN.timestamp(), BEGUN.timestamp() + 1.2345)
    state = run.workspace.read_run()["steps"]["0_setup"]
    assert state == {"status": "done", "started": BEGUN.isoformat(), "duration_s": 1.234}
    assert [(event["event"], event["step"]) for event in events(run)] == [
        ("step started", "0_setup"),
        ("step ended", "0_setup"),
    ]


def test_the_run_is_finished_when_all_its_steps_are_done(run: Run) -> None:
    run.end_step("1_generate_data", "done", 0, 1)
    assert run.workspace.read_run()["status"] == "running"
    run.end_step("0_setup", "done", 0, 1)
    assert run.workspace.read_run()["status"] == "finished"


def test_a_failed_step_has_its_error_and_does_not_finish_the_run(run: Run) -> None:
    run.end_step("1_generate_data", "done", 0, 1)
    run.end_step("0_setup", "failed", 0, 1, error="DataError: no rows")
    state = run.workspace.read_run()
    assert (state["status"], state["steps"]["0_setup"]["error"]) == ("running", "DataError: no rows")
    assert events(run)[-1]["error"] == "DataError: no rows"


def test_the_seed_is_the_configs(run: Run) -> None:
    assert run.seed == 7
