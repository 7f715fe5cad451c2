"""The loop: what is ready is handled, what was forgotten is not, and the alarm rings once."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator

import pytest

from fmbench_lib.load.sending.connection import IN, OUT
from fmbench_lib.load.sending.loop import Alarm, Loop, _SelectorPoll


@pytest.fixture(params=["the platform's", "the portable one"])
def loop(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Loop]:
    if request.param == "the portable one":
        monkeypatch.setattr("fmbench_lib.load.sending.loop._open_poll", _SelectorPoll)
    made = Loop()
    yield made
    made.close()


@pytest.fixture
def pairs() -> Iterator[list[tuple[socket.socket, socket.socket]]]:
    made = [socket.socketpair() for _ in range(3)]
    yield made
    for one, other in made:
        one.close()
        other.close()


Pairs = list[tuple[socket.socket, socket.socket]]


def test_only_what_is_ready_is_called(loop: Loop, pairs: Pairs) -> None:
    called = []
    for number, (mine, _) in enumerate(pairs):
        loop.watch(mine.fileno(), IN, lambda mask, number=number: called.append((number, mask)))
    pairs[1][1].send(b"x")
    loop.turn(10)
    assert called == [(1, IN)]


def test_a_handler_may_forget_another_that_is_ready_in_the_same_turn(loop: Loop, pairs: Pairs) -> None:
    called = []

    def first_come(number: int) -> None:
        called.append(number)
        for other, (mine, _) in enumerate(pairs):
            if other != number:
                loop.forget(mine.fileno())

    for number, (mine, theirs) in enumerate(pairs):
        loop.watch(mine.fileno(), IN, lambda _, number=number: first_come(number))
        theirs.send(b"x")
    loop.turn(10)
    assert len(called) == 1


def test_interest_can_be_changed(loop: Loop, pairs: Pairs) -> None:
    called = []
    mine = pairs[0][0]
    loop.watch(mine.fileno(), IN, called.append)
    loop.turn(0)
    assert called == []
    loop.change(mine.fileno(), IN | OUT)
    loop.turn(10)
    assert called == [OUT]


def test_forgetting_twice_is_nothing(loop: Loop, pairs: Pairs) -> None:
    loop.watch(pairs[0][0].fileno(), IN, lambda _: None)
    loop.forget(pairs[0][0].fileno())
    loop.forget(pairs[0][0].fileno())


@pytest.mark.skipif(Alarm().fd is None, reason="no timerfd here")
class TestAlarm:
    def test_it_wakes_the_loop_not_before_its_time(self, loop: Loop) -> None:
        at = time.monotonic_ns() + 3_000_000
        loop.alarm.set(at)
        loop.turn(10)
        assert time.monotonic_ns() >= at

    def test_a_time_that_has_passed_rings_at_once_and_once(self, loop: Loop) -> None:
        rung = []
        assert loop.alarm.fd is not None
        loop.forget(loop.alarm.fd)
        loop.watch(loop.alarm.fd, IN, lambda mask: (rung.append(mask), loop.alarm.rang(mask)))
        loop.alarm.set(1)
        loop.turn(10)
        loop.alarm.set(1)
        loop.turn(0)
        assert len(rung) == 1


class TestNaps:
    """Frequent arrivals are left to collect; nothing that is due is slept over."""

    @pytest.fixture
    def napping(self, loop: Loop, monkeypatch: pytest.MonkeyPatch) -> list[float]:
        slept: list[float] = []
        monkeypatch.setattr("fmbench_lib.load.sending.loop.time.sleep", slept.append)
        monkeypatch.setattr("fmbench_lib.load.sending.loop.time.monotonic_ns", lambda: 1_000_000_000)
        loop.nap_ns = 200_000
        return slept

    def test_after_a_turn_that_had_arrivals(self, loop: Loop, pairs: Pairs, napping: list[float]) -> None:
        loop.watch(pairs[0][0].fileno(), IN, lambda _: None)
        loop.turn(0.01)
        assert napping == []
        pairs[0][1].send(b"x")
        loop.turn(0.01)
        loop.turn(0.01)
        assert napping == [0.0002]

    @pytest.mark.parametrize("timeout", [0, 0.0001])
    def test_not_where_there_is_no_time_for_it(
        self, loop: Loop, pairs: Pairs, napping: list[float], timeout: float
    ) -> None:
        loop.watch(pairs[0][0].fileno(), IN, lambda _: None)
        pairs[0][1].send(b"x")
        loop.turn(0.01)
        loop.turn(timeout)
        assert napping == []

    def test_not_when_something_is_due_meanwhile(self, loop: Loop, pairs: Pairs, napping: list[float]) -> None:
        loop.watch(pairs[0][0].fileno(), IN, lambda _: None)
        pairs[0][1].send(b"x")
        loop.turn(0.01)
        loop.alarm.time_ns = 1_000_300_000
        loop.turn(0.01)
        assert napping == []

    def test_not_without_the_kernels_stamps(self, loop: Loop, pairs: Pairs, napping: list[float]) -> None:
        loop.nap_ns = 0
        loop.watch(pairs[0][0].fileno(), IN, lambda _: None)
        pairs[0][1].send(b"x")
        loop.turn(0.01)
        loop.turn(0.01)
        assert napping == []
