from __future__ import annotations

from fmbench_lib.emulator.serving_slots import Slots


def test_slots_are_passed_on_in_order_of_arrival() -> None:
    slots: Slots[str] = Slots(2)
    assert [slots.arrive(key) for key in "abcd"] == [True, True, False, False]
    assert (slots.active, slots.waiting) == (2, 2)
    assert slots.leave("b") == "c"
    assert slots.leave("a") == "d"
    assert slots.leave("c") is None
    assert (slots.active, slots.waiting) == (1, 0)


def test_a_request_that_gives_up_waiting_takes_no_slot() -> None:
    slots: Slots[str] = Slots(1)
    for key in "abc":
        slots.arrive(key)
    assert slots.leave("b") is None
    assert slots.leave("a") == "c"


def test_leaving_without_arriving_changes_nothing() -> None:
    slots: Slots[str] = Slots(1)
    slots.arrive("a")
    assert slots.leave("stranger") is None
    assert slots.active == 1


def test_without_a_limit_nobody_waits() -> None:
    slots: Slots[int] = Slots(None)
    assert all(slots.arrive(key) for key in range(1000))
    assert (slots.active, slots.waiting) == (1000, 0)
