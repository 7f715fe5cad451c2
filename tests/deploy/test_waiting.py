from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from fmbench_lib.deploy.waiting import State, Subject, delete_until_gone, wait_until_in_service
from fmbench_lib.errors import DeployError


def throttled() -> DeployError:
    error = DeployError("looking at it: AWS throttles the account's calls")
    error.throttled = True
    return error


def subject(*states: State | DeployError | None) -> tuple[Subject, list[str]]:
    left: Iterator[State | DeployError | None] = iter(states)
    deleted: list[str] = []

    def state() -> State | None:
        current = next(left)
        if isinstance(current, DeployError):
            raise current
        return current

    return Subject("endpoint x", "us-east-1", state, lambda: deleted.append("asked")), deleted


def context(said: list[str]) -> Any:
    return SimpleNamespace(pause=lambda _: None, say=said.append)


def test_a_throttled_look_is_repeated() -> None:
    said: list[str] = []
    waited, _ = subject(State("Creating"), throttled(), throttled(), State("InService"))
    wait_until_in_service(waited, 60, "setting", context(said))
    assert said == ["endpoint x is Creating", "endpoint x is InService"]


def test_a_look_that_is_throttled_to_the_end_is_the_reason() -> None:
    waited, _ = subject(throttled())
    with pytest.raises(DeployError, match="throttles"):
        wait_until_in_service(waited, 0, "setting", context([]))


def test_another_error_ends_the_wait() -> None:
    waited, _ = subject(State("Creating"), DeployError("denied"))
    with pytest.raises(DeployError, match="denied"):
        wait_until_in_service(waited, 60, "setting", context([]))


def test_deletion_goes_on_after_a_throttled_call(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fmbench_lib.deploy.waiting.time.sleep", lambda _: None)
    waited, deleted = subject(throttled(), State("InService"), throttled(), State("Deleting"), None)
    delete_until_gone(waited, lambda state: True, 60)
    assert deleted == ["asked"]
