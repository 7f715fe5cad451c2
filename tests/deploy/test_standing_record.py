"""What runs have deployed is recorded outside their directories too, until it is recorded as deleted there."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from fmbench_lib.deploy import Endpoint
from fmbench_lib.deploy.endpoints_file import endpoints, known_endpoints, record, record_if_possible
from fmbench_lib.deploy.standing_record import recorded_outside, standing_runs, state_folder
from fmbench_lib.errors import DiskFullError
from fmbench_lib.host import atomic_files
from fmbench_lib.steps.endpoints.standing_endpoints import standing_of_all_runs
from fmbench_lib.workspace import Workspace, create_workspace

MADE = Endpoint("made", "local", ("http://127.0.0.1:1/v1",), owned=True, status="in_service", created_at=1.0)
FOUND = Endpoint("found", "endpoint", ("http://127.0.0.1:2/v1",), status="in_service")


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path / "state"


@pytest.fixture
def run(tmp_path: Path) -> Workspace:
    return create_workspace(tmp_path, "test")


def test_only_what_a_run_made_is_recorded_and_only_until_it_is_deleted(run: Workspace, state: Path) -> None:
    record(run, FOUND)
    assert list(standing_runs()) == []
    record(run, MADE)
    (standing,) = standing_runs()
    assert (standing.path, list(standing.endpoints)) == (run.path, ["made"])
    assert state_folder() == state / "fmbench" / "deployed"
    record(run, replace(MADE, status="deleted", deleted_at=2.0))
    assert list(standing_runs()) == []
    assert not list(state_folder().glob("*.json"))


def test_it_is_found_and_named_when_the_directory_is_gone(run: Workspace) -> None:
    record(run, MADE)
    shutil.rmtree(run.path)
    assert known_endpoints(run) == {"made": MADE}
    (line,) = standing_of_all_runs()
    assert "made on local" in line
    assert f"fmbench cleanup {run.path}" in line
    record_if_possible(run, replace(MADE, status="deleted", deleted_at=2.0))
    assert known_endpoints(run) == {}
    assert not run.path.exists()


def test_a_deletion_that_the_directory_cannot_record_is_known(run: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    record(run, MADE)
    written = atomic_files.write_json

    def full(path: Path, content: object) -> None:
        if path == run.endpoints_file:
            raise DiskFullError("full")
        written(path, content)

    monkeypatch.setattr("fmbench_lib.deploy.endpoints_file.write_json", full)
    record_if_possible(run, replace(MADE, status="deleted", deleted_at=2.0))
    assert endpoints(run)["made"].deleted_at is None
    assert known_endpoints(run)["made"].deleted_at == 2.0
    assert standing_of_all_runs() == []


def test_what_another_machine_recorded_later_in_the_directory_counts(run: Workspace) -> None:
    record(run, MADE)
    stale = recorded_outside(run.path)["made"]
    assert stale["deleted_at"] is None
    later = replace(MADE, status="deleted", deleted_at=9.0).to_dict() | {"recorded_at": stale["recorded_at"] + 1}
    run.endpoints_file.write_text(json.dumps({"made": later}))
    assert known_endpoints(run)["made"].deleted_at == 9.0


def test_a_state_folder_that_cannot_be_used_costs_nothing_else(
    run: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    record(run, MADE)
    assert known_endpoints(run) == {"made": MADE}
    assert list(standing_runs()) == []
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    record(run, MADE)
    next(state_folder().glob("*.json")).write_text("{")
    assert known_endpoints(run) == {"made": MADE}
    record(run, MADE)
    assert [standing.path for standing in standing_runs()] == [run.path]
