"""Waiting for AWS: frequent checks at first, then fewer, and none past a deadline."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from fmbench_lib.deploy.platform import DeployContext
from fmbench_lib.errors import DeployError

_FIRST_S = 0.25
_LONGEST_S = 15.0


def looks(patience: float, pause: Callable[[float], None]) -> Iterator[bool]:
    """One item for each check of what is waited for; the value is False at the last one.

    :param patience: for how long to check, s.
    :param pause: waits so many seconds between two checks; it may raise to end the waiting.
    """
    deadline = time.monotonic() + patience
    delay = _FIRST_S
    while True:
        left = deadline - time.monotonic()
        yield left > 0
        if left <= 0:
            return
        pause(min(delay, left))
        delay = min(2 * delay, _LONGEST_S)


@dataclass(frozen=True, slots=True)
class State:
    """The state of something on AWS; `failure` says why it will never be in service, where that is so."""

    name: str
    failure: str = ""
    arn: str = ""

    @property
    def in_service(self) -> bool:
        """Whether it serves requests now."""
        return self.name == "InService"


@dataclass(frozen=True, slots=True)
class Subject:
    """What is waited for: `name` in messages, how to get its state (None where it does not exist) and to delete it."""

    name: str
    region: str
    state: Callable[[], State | None]
    delete: Callable[[], None]


def wait_until_in_service(
    subject: Subject, patience: float, setting: str, context: DeployContext, last_words: Callable[[], str] = str
) -> None:
    """Return once something is in service; each change of its state is reported.

    Raises DeployError where it fails, is deleted or is not in service after `patience` seconds (the config key
    `setting`). The message of a failure ends with `last_words`, such as the end of a log.
    """
    seen = "not known"
    for more in looks(patience, context.pause):
        try:
            state = subject.state()
        except DeployError as error:
            if more and error.throttled:
                continue
            raise
        if state is None:
            raise DeployError(f"{subject.name} was deleted by someone else while it was being created")
        if state.name != seen:
            seen = state.name
            context.say(f"{subject.name} is {seen}")
        if state.in_service:
            return
        if state.failure:
            raise DeployError(f"{state.failure}{last_words()}")
    raise DeployError(
        f"{subject.name} was not in service within {patience:g} s, it is {seen} ({setting}){last_words()}"
    )


def delete_until_gone(subject: Subject, is_ours: Callable[[State], bool], patience: float) -> None:
    """Delete something and return once it is gone; what is gone already, or not the run's (`is_ours`), is left alone.

    What is still being created cannot be deleted yet, so deletion is requested at each check. A call that AWS throttles
    is repeated at the next one. Raises DeployError where
    it exists after `patience` seconds, or AWS does not let it be deleted.
    """
    state, known = State("there"), False
    for more in looks(patience, time.sleep):
        try:
            current = subject.state()
            if current is None or not (known or is_ours(current)):
                return
            state, known = current, True
            if more and state.name != "Deleting":
                subject.delete()
        except DeployError as error:
            if not (more and error.throttled):
                raise
    raise DeployError(f"{subject.name} in {subject.region} is still {state.name} after {patience:g} s of deleting it")
