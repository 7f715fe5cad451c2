"""The endpoints of a run: recorded before they are created, shown until they are deleted."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from fmbench_lib.deploy import Endpoint
from fmbench_lib.deploy.endpoints_file import endpoints, record, still_standing
from fmbench_lib.host.boot_clock import BootTime
from fmbench_lib.steps.endpoints.standing_endpoints import standing_lines
from fmbench_lib.workspace import Workspace, create_workspace

MADE = Endpoint("made", "local", ("http://127.0.0.1:1/v1?key=hush",), owned=True, status="in_service")
FOUND = Endpoint("found", "endpoint", ("http://127.0.0.1:2/v1",), owned=False, status="in_service")


def workspace(folder: Path) -> Workspace:
    return replace(create_workspace(folder, "test"), redact=lambda text: text.replace("hush", "***"))


def test_endpoints_that_were_created_and_not_deleted_are_still_standing() -> None:
    known = [
        FOUND,
        MADE,
        Endpoint("half made", "local", owned=True, status="creating"),
        Endpoint("failed and ended", "local", owned=True, status="failed", deleted_at=1.0),
        Endpoint("deleted", "local", owned=True, status="deleted", deleted_at=1.0),
    ]
    assert [endpoint.experiment_name for endpoint in still_standing(known)] == ["made", "half made"]


def test_a_record_replaces_the_earlier_one_of_its_experiment_and_holds_no_secret(tmp_path: Path) -> None:
    run = workspace(tmp_path)
    assert endpoints(run) == {}
    record(run, FOUND)
    record(run, MADE)
    record(run, replace(MADE, error="refused: hush"))
    assert endpoints(run) == {
        "found": FOUND,
        "made": replace(MADE, urls=("http://127.0.0.1:1/v1?key=***",), error="refused: ***"),
    }
    assert "hush" not in run.endpoints_file.read_text()


def test_what_costs_money_is_shown_with_the_command_that_deletes_it(tmp_path: Path) -> None:
    run = workspace(tmp_path)
    record(run, FOUND)
    record(run, MADE)
    assert standing_lines(run) == [
        "still running and costing money: made on local (http://127.0.0.1:1/v1?key=***); "
        f"delete it with: fmbench cleanup {run.path}"
    ]
    record(run, replace(MADE, urls=("http://127.0.0.1:1/v1",), remote_urls=("http://10.0.0.5:1/v1",)))
    assert (
        "(http://127.0.0.1:1/v1; measured from another machine with ep_name: http://10.0.0.5:1/v1)"
        in (standing_lines(run)[0])
    )
    assert endpoints(run)["made"].remote_urls == ("http://10.0.0.5:1/v1",)
    record(run, replace(MADE, deleted_at=3.0, status="deleted"))
    assert standing_lines(run) == []


def test_a_clock_that_is_set_meanwhile_does_not_change_how_long_an_endpoint_served(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In service at 1,000 s of the wall clock, deleted 60 s later, when it had been set forward by an hour."""
    run = workspace(tmp_path)
    serving = replace(MADE, in_service_at=1000.0, in_service_boot=BootTime("one", 100.0))
    record(run, serving)
    assert endpoints(run)["made"].seconds_in_service is None
    monkeypatch.setattr("fmbench_lib.deploy.endpoints_file.boot_time", lambda: BootTime("one", 160.0))
    record(run, replace(endpoints(run)["made"], status="deleted", deleted_at=4660.0))
    assert endpoints(run)["made"].seconds_in_service == 60.0


def test_an_endpoint_that_outlived_a_boot_served_as_long_as_the_wall_clock_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = workspace(tmp_path)
    monkeypatch.setattr("fmbench_lib.deploy.endpoints_file.boot_time", lambda: BootTime("two", 5.0))
    record(run, replace(MADE, in_service_at=1000.0, deleted_at=1060.0, in_service_boot=BootTime("one", 100.0)))
    assert endpoints(run)["made"].seconds_in_service == 60.0


def test_a_moment_of_deletion_that_was_recorded_stays(tmp_path: Path) -> None:
    """A machine of a fleet recorded it, before its endpoints were taken over here."""
    run = workspace(tmp_path)
    boots = {"in_service_boot": BootTime("there", 1.0), "deleted_boot": BootTime("there", 31.0)}
    record(run, replace(MADE, in_service_at=1000.0, deleted_at=1060.0, **boots))
    assert endpoints(run)["made"].seconds_in_service == 30.0
