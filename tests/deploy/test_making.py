"""An endpoint while it is being deployed: always recorded, given up with its reason, left alone when interrupted."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from fmbench_lib.deploy import Endpoint
from fmbench_lib.deploy.making import Making, begin, check_answers
from fmbench_lib.errors import DeployError, EndpointError
from tests.deploy.conftest import Notes, make_context

NEW = Endpoint("exp", "local", owned=True, created_at=1.0)


def refuses(url: str, model: str | None) -> None:
    raise EndpointError(f"{url}: HTTP 500")


def begun(folder: Path) -> tuple[Making, Notes]:
    context, notes = make_context(folder, refuses)
    return begin(NEW, context), notes


def deleted(endpoint: Endpoint) -> Endpoint:
    return replace(endpoint, status="deleted", deleted_at=5.0)


def test_every_change_is_recorded(tmp_path: Path) -> None:
    making, notes = begun(tmp_path)
    making.note(resources=({"name": "x"},))
    endpoint = making.in_service(urls=("http://h",))
    assert [one.status for one in notes.recorded] == ["creating", "creating", "in_service"]
    assert notes.recorded[-1] == endpoint == making.endpoint
    assert (endpoint.resources, endpoint.urls) == (({"name": "x"},), ("http://h",))
    assert endpoint.in_service_at is not None


@pytest.mark.parametrize("failure", [DeployError("no room"), EndpointError("no room")])
def test_a_failure_deletes_what_was_created_and_records_the_reason(tmp_path: Path, failure: Exception) -> None:
    making, notes = begun(tmp_path)
    with pytest.raises(DeployError, match=r"^no room$"), making.or_give_up(deleted):
        raise failure
    last = notes.recorded[-1]
    assert (last.status, last.error, last.deleted_at) == ("failed", "no room", 5.0)


def test_what_could_not_be_deleted_is_said_and_stays_recorded(tmp_path: Path) -> None:
    def stuck(endpoint: Endpoint) -> Endpoint:
        raise DeployError("it is still there")

    making, notes = begun(tmp_path)
    with pytest.raises(DeployError) as caught, making.or_give_up(stuck):
        raise DeployError("no room")
    assert str(caught.value) == "no room; what was created could not be deleted: it is still there"
    assert (notes.recorded[-1].error, notes.recorded[-1].deleted_at) == (str(caught.value), None)


def test_an_interruption_leaves_what_is_recorded(tmp_path: Path) -> None:
    making, notes = begun(tmp_path)
    with pytest.raises(KeyboardInterrupt), making.or_give_up(deleted):
        raise KeyboardInterrupt
    assert notes.recorded == [NEW]


def test_a_request_that_fails_is_explained(tmp_path: Path) -> None:
    making, notes = begun(tmp_path)
    with pytest.raises(DeployError, match=r"^http://h: HTTP 500$"):
        check_answers(making.context, "http://h", "m")
    with pytest.raises(DeployError, match=r"^it said: http://h: HTTP 500$"):
        check_answers(making.context, "http://h", "m", lambda error: f"it said: {error}")
    assert notes.asked == ["http://h"] * 2
