"""The two pacings of a worker by themselves: what starts next, when, and what a request's end lets begin."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from fmbench_lib.load.sending.pacing import RAMP_POSITIONS, ClosedPacing, Due, OpenPacing, WindowStart
from fmbench_lib.load.sending.schedule_reader import SEQUENCE_ENTRY
from fmbench_lib.load.sending.worker_protocol import SHARED_BYTES

SECOND = 10**9
Entries = Sequence[tuple[int, int, float]]
Plan = Callable[..., Any]


@pytest.fixture
def window(tmp_path: Path) -> WindowStart:
    shared = tmp_path / "shared"
    shared.write_bytes(bytes(SHARED_BYTES))
    return WindowStart(shared)


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    """The part of a worker's plan that paces it, over these entries (position, prompt, due in s)."""

    def make(entries: Entries, *, load: dict[str, Any] | None = None, **settings: Any) -> Any:
        path = tmp_path / "sequence.bin"
        path.write_bytes(b"".join(SEQUENCE_ENTRY.pack(*entry) for entry in entries))
        made: dict[str, Any] = {
            "sequence_fd": os.open(path, os.O_RDONLY),
            "load": {"think_time": 0.0, "ramp": 0.0, **(load or {})},
            "targets": [{"authority": "h"}],
            "number": 0,
            "workers": 1,
            "concurrency": None,
            "slots": [],
            "cap": None,
            "duration": None,
            "min_requests": 0,
            "warmup": 0,
            "first_prompts": [],
            "ramp_prompts": [],
            "write_each": False,
            "horizon": None,
        }
        return {**made, **settings}

    return make


class TestClosed:
    def test_a_slot_carries_one_request_after_the_other(self, plan: Plan, window: WindowStart) -> None:
        pacing = ClosedPacing(plan([(0, 7, 0), (1, 8, 0)], concurrency=1, slots=[0]), window, None, pytest.fail)
        begin = time.monotonic_ns()
        pacing.begin(begin)
        assert pacing.next_ns() == begin
        first = pacing.take(begin)
        assert first is not None
        assert first[:2] == (0, 7)
        assert first.due_ns >= begin
        assert (first.cap_wait_ns, pacing.next_ns(), pacing.take(begin)) == (None, None, None)
        pacing.ended()
        second = pacing.take(begin)
        assert second is not None
        assert second[:2] == (1, 8)

    def test_a_slots_first_request_is_its_own_whatever_others_have_taken(self, plan: Plan, window: WindowStart) -> None:
        entries = [(8, 40, 0), (9, 41, 0)]
        wanted = plan(entries, concurrency=4, slots=[1, 3], first_prompts=[31, 33], warmup=8)
        pacing = ClosedPacing(wanted, window, None, pytest.fail)
        pacing.begin(time.monotonic_ns())
        taken = []
        for _ in range(2):
            taken.append(pacing.take(0))
            pacing.ended()
        taken += [pacing.take(0), pacing.take(0)]
        assert [due and due[:2] for due in taken] == [(1, 31), (3, 33), (8, 40), (9, 41)]

    def test_the_end_of_the_sequence_stops_it(self, plan: Plan, window: WindowStart) -> None:
        stops: list[int] = []
        pacing = ClosedPacing(plan([], concurrency=1, slots=[0]), window, None, stops.append)
        pacing.begin(time.monotonic_ns())
        assert pacing.take(0) is None
        assert len(stops) == 1
        assert not pacing.out_of_time

    @pytest.mark.parametrize(("least", "overran"), [(0, False), (5, True)])
    def test_the_end_of_the_time_stops_it_but_not_before_the_least_number(
        self, plan: Plan, window: WindowStart, least: int, overran: bool
    ) -> None:
        stops: list[int] = []
        wanted = plan([(4, 1, 0)], concurrency=1, slots=[0], duration=1.0, min_requests=least)
        pacing = ClosedPacing(wanted, window, None, stops.append)
        pacing.begin(time.monotonic_ns())
        window.set(time.monotonic_ns() - 2 * SECOND)
        assert (pacing.take(0) is None) is not overran
        assert (bool(stops), pacing.out_of_time, pacing.overran) == (not overran, not overran, overran)

    def test_the_warm_up_is_sent_round_and_round_while_the_slots_open(self, plan: Plan, window: WindowStart) -> None:
        wanted = plan([], load={"ramp": 60.0}, concurrency=3, slots=[0, 1, 2], ramp_prompts=[5, 6])
        pacing = ClosedPacing(wanted, window, None, pytest.fail)
        begin = time.monotonic_ns() - 45 * SECOND  # all three are open, the ramp is not over
        pacing.begin(begin)
        taken = [pacing.take(0) for _ in range(3)]
        assert [due and due[:2] for due in taken] == [
            (RAMP_POSITIONS + n, prompt) for n, prompt in enumerate((5, 6, 5))
        ]
        assert pacing.take(0) is None

    def test_a_request_is_due_when_it_is_signed(self, plan: Plan, window: WindowStart) -> None:
        """Its latency begins there: no time of signing is in it."""
        signed: list[tuple[int, str, int]] = []

        class SlowSigner:
            def prepare(self, prompt: int, authority: str) -> None:
                signed.append((prompt, authority, time.monotonic_ns()))

        wanted = plan([(3, 5, 0)], concurrency=1, slots=[0])
        pacing = ClosedPacing(wanted, window, SlowSigner(), pytest.fail)  # type: ignore[arg-type]
        pacing.begin(0)
        due = pacing.take(0)
        assert due is not None
        ((prompt, authority, signed_ns),) = signed
        assert (due[:2], prompt, authority) == ((3, 5), 5, "h")
        assert due.due_ns >= signed_ns


class TestOpen:
    def test_nothing_starts_before_it_is_due(self, plan: Plan) -> None:
        pacing = OpenPacing(plan([(0, 7, 0.0), (1, 8, 2.0)], horizon=3.0), None, pytest.fail)
        pacing.begin(100)
        assert pacing.take(99) is None
        assert pacing.take(100) == Due(0, 7, 100)
        assert pacing.next_ns() == 100 + 2 * SECOND
        assert pacing.take(2 * SECOND) is None
        assert pacing.take(5 * SECOND) == Due(1, 8, 100 + 2 * SECOND)

    def test_a_cap_holds_back_what_is_due_and_its_wait_is_recorded(self, plan: Plan) -> None:
        pacing = OpenPacing(plan([(0, 7, 0.0), (1, 8, 0.0)], cap=1, horizon=1.0), None, pytest.fail)
        begin = time.monotonic_ns()
        pacing.begin(begin)
        assert pacing.take(begin) == Due(0, 7, begin, 0)
        assert (pacing.take(begin + SECOND), pacing.next_ns()) == (None, None)
        pacing.ended()
        second = pacing.take(begin + SECOND)
        assert second is not None
        assert second[:3] == (1, 8, begin)
        assert second.cap_wait_ns is not None
        assert 0 < second.cap_wait_ns < 60 * SECOND

    def test_the_end_of_the_schedule_stops_it_when_its_window_is_over(self, plan: Plan) -> None:
        stops: list[int] = []
        pacing = OpenPacing(plan([], horizon=1000.0), None, stops.append)
        begin = time.monotonic_ns()
        pacing.begin(begin)
        assert pacing.take(begin) is None
        assert stops == [begin + 1000 * SECOND]
        assert (pacing.out_of_time, pacing.overran) == (False, False)
