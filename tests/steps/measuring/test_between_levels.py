"""Where a run pauses and stops when it is asked to, also one that no pipeline executes, as in a notebook."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any, cast

import pytest

from fmbench_lib.runs.run_orders import current_order, give_order, withdraw_order
from fmbench_lib.steps.measuring.between_levels import EndInOrder, begin_unstopped, obey_orders
from fmbench_lib.steps.measuring.level_watch import LevelWatch
from fmbench_lib.workspace import Workspace, create_workspace


class Told:
    """A watch that remembers what it was told."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def pause(self) -> None:
        self.said.append("pause")

    def go_on(self) -> None:
        self.said.append("go on")


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return create_workspace(tmp_path, "test")


def obey(workspace: Workspace, wait: Any = None) -> list[str]:
    told = Told()
    obey_orders(workspace, cast(LevelWatch, told), wait or (lambda _: pytest.fail("it waited")))
    return told.said


def test_without_an_order_the_next_level_begins_at_once(workspace: Workspace) -> None:
    assert obey(workspace) == []


def test_a_paused_run_waits_until_the_order_is_withdrawn(workspace: Workspace) -> None:
    give_order(workspace, "pause now")
    waits: list[float] = []

    def wait(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 3:
            withdraw_order(workspace)

    assert obey(workspace, wait) == ["pause", "go on"]
    assert len(waits) == 3


def test_a_paused_run_can_be_stopped(workspace: Workspace) -> None:
    give_order(workspace, "pause")
    with pytest.raises(KeyboardInterrupt, match="fmbench stop"):
        obey(workspace, lambda _: give_order(workspace, "stop"))


def test_a_step_that_is_begun_again_forgets_an_old_stop_and_keeps_a_pause(workspace: Workspace) -> None:
    give_order(workspace, "stop")
    begin_unstopped(workspace)
    assert current_order(workspace) is None
    give_order(workspace, "pause")
    begin_unstopped(workspace)
    assert current_order(workspace) == "pause"


def test_the_first_ctrl_c_ends_a_level_in_order_and_the_second_at_once(workspace: Workspace) -> None:
    ending = EndInOrder(workspace)
    with ending:
        assert ending() is None
        os.kill(os.getpid(), signal.SIGINT)
        stop = ending()
        assert stop is not None
        assert (stop.reason, ending.interrupted) == ("interrupted", True)
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.parametrize(("order", "ends"), [("stop", True), ("pause now", True), ("pause", False)])
def test_an_order_ends_a_level_unless_it_can_wait(order: Any, ends: bool, workspace: Workspace) -> None:
    give_order(workspace, order)
    assert (EndInOrder(workspace)() is not None) is ends
