"""A kernel that neither works nor ends is told from one that waits."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest

from fmbench_lib.pipeline.kernel_liveness import Activity, Liveness, activity_of

IDLE = Activity(main_thread_runs=7, cpu_s=1.0, children=0, memory_share=None)


class Watched:
    """A kernel of which the test says what it does, second by second."""

    def __init__(self) -> None:
        self.now = 0.0
        self.activity: Activity | None = IDLE
        self.liveness = Liveness(lambda: self.activity, lambda: self.now)

    def stuck_after(self, seconds: float) -> str:
        for _ in range(int(seconds)):
            self.now += 1
            if reason := self.liveness.stuck():
                return reason
        return ""


@pytest.mark.parametrize(("share", "patience"), [(None, 900), (0.5, 900), (0.99, 45)])
def test_a_kernel_that_does_nothing_is_stuck_sooner_at_its_memory_limit(share: float | None, patience: int) -> None:
    watched = Watched()
    watched.activity = Activity(7, 1.0, 0, share)
    assert watched.stuck_after(patience - 2) == ""
    reason = watched.stuck_after(10)
    assert "doing nothing" in reason
    assert ("out of memory" in reason) == (share == 0.99)


@pytest.mark.parametrize(
    "works",
    [
        lambda turn: Activity(7 + turn, 1.0, 0, 0.99),  # its main thread polls
        lambda turn: Activity(7, 1.0 + 0.3 * turn, 0, 0.99),  # other threads compute
        lambda turn: Activity(7, 1.0, turn % 2, 0.5),  # a child process works for it
        lambda turn: None,  # it is gone: that is noticed elsewhere
    ],
)
def test_a_kernel_that_waits_or_works_is_not_stuck(works: Callable[[int], Activity | None]) -> None:
    watched = Watched()
    for turn in range(120):
        watched.activity = works(turn)
        assert watched.stuck_after(20) == ""


def test_the_monitors_process_keeps_no_kernel_alive_that_ran_out_of_memory() -> None:
    watched = Watched()
    watched.activity = Activity(7, 1.0, 1, 0.99)
    assert watched.stuck_after(43) == ""
    assert "ran out of memory" in watched.stuck_after(10)


def test_the_activity_of_a_process_is_read() -> None:
    before = activity_of(os.getpid())
    assert before is not None
    assert before.cpu_s > 0
    assert activity_of(2**22 + 1) is None


def test_a_kernel_that_the_system_refuses_memory_at_every_turn_is_stuck() -> None:
    """It works all the time, and most of that are calls that fail."""
    watched = Watched()
    reason = ""
    for turn in range(40):
        watched.activity = Activity(7 + 100 * turn, 0.5 * turn, 1, 0.99, system_s=0.4 * turn)
        reason = reason or watched.stuck_after(2)
    assert "the system had refused it more for" in reason


@pytest.mark.parametrize(("share", "system"), [(0.99, 0.2), (0.9, 0.4), (0.99, 0.0)])
def test_a_kernel_that_works_near_its_limit_is_not_stuck(share: float, system: float) -> None:
    watched = Watched()
    for turn in range(100):
        watched.activity = Activity(7 + turn, 0.5 * turn, 1, share, system_s=system * turn)
        assert watched.stuck_after(2) == ""
