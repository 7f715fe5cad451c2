"""The slots of a closed loop, and the time limits of a request: on times made by hand."""

from __future__ import annotations

import socket

from fmbench_lib.load.sending.exchange import Exchange
from fmbench_lib.load.sending.pool import least_outstanding, next_in_turn
from fmbench_lib.load.sending.slots import Slots, ramp_times
from fmbench_lib.load.sending.targets import Target
from fmbench_lib.load.sending.timeouts import Limits

SECOND = 10**9


def test_without_a_ramp_all_open_at_once() -> None:
    assert ramp_times(4, range(4), 7, 0) == [7, 7, 7, 7]


def test_the_slots_of_all_workers_open_evenly() -> None:
    mine, others = ramp_times(4, range(0, 4, 2), 0, 100), ramp_times(4, range(1, 4, 2), 0, 100)
    assert (mine, others) == ([0, 50], [25, 75])


def test_a_slot_carries_one_request() -> None:
    slots = Slots([5, 0])
    assert [slots.take(0), slots.take(0), slots.next_ns(), slots.take(5), slots.next_ns()] == [
        True,
        False,
        5,
        True,
        None,
    ]
    slots.give_back(6)
    assert slots.take(6)


def test_it_thinks_before_the_next() -> None:
    slots = Slots([0], think_ns=10)
    assert slots.take(0)
    slots.give_back(3)
    assert [slots.take(12), slots.next_ns(), slots.take(13)] == [False, 13, True]


def test_the_least_busy_copy_is_chosen_and_equals_take_turns() -> None:
    outstanding, first, chosen = [0, 0, 0], 1, []
    for _ in range(6):
        number = least_outstanding(outstanding, first)
        outstanding[number] += 1
        first = number + 1
        chosen.append(number)
    assert chosen == [1, 2, 0, 1, 2, 0]
    assert least_outstanding([2, 1, 2], 0) == 1
    assert [next_in_turn([9, 0], turn) for turn in range(4)] == [0, 1, 0, 1]


class TestLimits:
    LIMITS = Limits(60 * SECOND, 2 * SECOND, 5 * SECOND, 1 * SECOND)

    def exchange(self) -> Exchange:
        target = Target(0, "h", 80, False, "h", socket.AF_INET, ("127.0.0.1", 80))
        return Exchange(0, 0, b"", target, measured=True, due_ns=10 * SECOND)

    def test_each_state_has_its_own(self) -> None:
        one = self.exchange()
        assert self.LIMITS.expiry(one) == (70 * SECOND, "no complete response within 60 s of its due time")
        one.begun_ns = 11 * SECOND
        assert self.LIMITS.expiry(one) == (13 * SECOND, "no connection within 2 s")
        one.sent_ns = 12 * SECOND
        assert self.LIMITS.expiry(one) == (17 * SECOND, "no byte of the response within 5 s of its sending")
        one.user_ns = [14 * SECOND, 16 * SECOND]
        assert self.LIMITS.expiry(one) == (17 * SECOND, "no further byte of the response within 1 s")

    def test_the_total_counts_from_due_and_comes_before_the_others(self) -> None:
        one = self.exchange()
        one.sent_ns, one.user_ns = 12 * SECOND, [69 * SECOND + 1]
        assert self.LIMITS.expiry(one)[0] == 70 * SECOND

    def test_those_that_are_not_set_are_none(self) -> None:
        one = self.exchange()
        one.begun_ns = one.sent_ns = 11 * SECOND
        assert Limits(60 * SECOND).expiry(one)[0] == 70 * SECOND
        assert (Limits(60 * SECOND).shortest_ns, self.LIMITS.shortest_ns) == (60 * SECOND, SECOND)
