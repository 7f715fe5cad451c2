"""Answers in virtual time: the time of each event, compared with values computed by hand."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count

import pytest

from fmbench_lib.emulator import Behaviour, Constant
from fmbench_lib.emulator.behaviour import Planner, Task
from fmbench_lib.emulator.serving_slots import Slots
from fmbench_lib.emulator.timeline import Ending, Scene, Script, Step, healthy
from fmbench_lib.emulator.wires.openai import OpenAI

MS = 1_000_000


@dataclass(frozen=True)
class Arrival:
    at_ms: float
    prompt_tokens: int = 0
    stream: bool = True


def simulate(behaviour: Behaviour, arrivals: list[Arrival]) -> list[list[float]]:
    """The times (ms) of each request's content events, with a clock of our own."""
    planner, wire, order = Planner(behaviour), OpenAI(behaviour), count().__next__
    slots: Slots[int] = Slots(behaviour.slots)
    scripts: list[Script] = []
    times: list[list[float]] = [[] for _ in arrivals]
    waiting: dict[int, Iterator[Step]] = {}
    due: list[tuple[int, int, int, Step | None]] = []
    for key, arrival in enumerate(arrivals):
        task = Task("", arrival.prompt_tokens, arrival.stream, None, "m", False, "chat")
        plan = planner.plan(task, str(key), key + 1, 0.0)
        scripts.append(healthy(Scene(behaviour, task, plan, wire, lambda: slots.active)))
        heapq.heappush(due, (round(arrival.at_ms * MS), order(), key, None))
    while due:
        now, _, key, step = heapq.heappop(due)
        if step is None and not slots.arrive(key):
            waiting[key] = scripts[key].steps
            continue
        if step is not None and step[2]:
            times[key].append(now / MS)
        following = next(scripts[key].steps, None)
        while following is None:
            granted = slots.leave(key)
            if granted is None:
                break
            key = granted
            following = next(scripts[key].steps, None)
        if following is not None:
            heapq.heappush(due, (now + following[0], order(), key, following))
    return times


def test_without_slots_every_request_has_the_planned_times() -> None:
    behaviour = Behaviour(ttft=Constant(0.05), itl=Constant(0.01), tokens=Constant(4))
    assert simulate(behaviour, [Arrival(0), Arrival(3)]) == [[50, 60, 70, 80], [53, 63, 73, 83]]


def test_served_requests_queue_and_slow_each_other_down() -> None:
    behaviour = Behaviour(
        ttft=Constant(0.1),
        itl=Constant(0.01),
        tokens=Constant(3),
        slots=2,
        prefill_per_token=0.01,
        itl_per_sequence=0.005,
    )
    times = simulate(behaviour, [Arrival(0, 10), Arrival(0, 10), Arrival(0, 10)])
    # Two at a time: TTFT 100 + 10·10, ITL 10 + 5·(2-1). The third starts when the first has ended, at 230, alone.
    assert times == [[200, 215, 230], [200, 215, 230], [430, 440, 450]]


def test_the_current_batch_determines_the_next_interval() -> None:
    behaviour = Behaviour(ttft=Constant(0.2), itl=Constant(0.01), tokens=Constant(3), itl_per_sequence=0.005)
    times = simulate(behaviour, [Arrival(0), Arrival(205)])
    # The first is alone at 200, in company at 210; the second is alone at the end.
    assert times == [[200, 210, 225], [405, 415, 425]]


def test_waiting_is_in_order_of_arrival() -> None:
    behaviour = Behaviour(ttft=Constant(0.1), itl=Constant(0.01), tokens=Constant(1), slots=1)
    assert simulate(behaviour, [Arrival(0), Arrival(20), Arrival(10)]) == [[100], [300], [200]]


def test_an_unstreamed_answer_comes_with_its_last_token() -> None:
    plain = Behaviour(ttft=Constant(0.05), itl=Constant(0.01), tokens=Constant(4))
    assert simulate(plain, [Arrival(0, stream=False)]) == [[80]]
    batch = Behaviour(ttft=Constant(0.05), itl=Constant(0.01), tokens=Constant(4), itl_per_sequence=0.005)
    assert simulate(batch, [Arrival(0, stream=False), Arrival(0, stream=False)]) == [[95], [95]]


@pytest.mark.parametrize(("delay", "writes"), [(0.0, 2), (0.02, 3)])
def test_the_end_comes_with_the_last_event_or_later(delay: float, writes: int) -> None:
    script = _script(Behaviour(tokens=Constant(2), tail_delay=delay))
    steps = list(script.steps)
    assert len(steps) == writes
    assert steps[-1][1].endswith(b"data: [DONE]\n\n\r\n0\r\n\r\n")
    assert sum(events for _, _, events in steps) == 2


def test_the_head_is_sent_at_once_or_with_the_first_token() -> None:
    at_once = _script(Behaviour())
    assert at_once.opening.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"HTTP" not in next(at_once.steps)[1]
    with_first = _script(Behaviour(head="first_token"))
    assert with_first.opening == b""
    assert next(with_first.steps)[1].startswith(b"HTTP/1.1 200 OK\r\n")


def test_a_stream_that_ends_with_its_connection() -> None:
    script = _script(Behaviour(framing="close", tokens=Constant(1)))
    assert script.ending is Ending.CLOSE
    assert b"Connection: close" in script.opening
    assert next(script.steps)[1].startswith(b"data: ")


def _script(behaviour: Behaviour) -> Script:
    task = Task("p", 1, True, None, "m", False, "chat")
    plan = Planner(behaviour).plan(task, "r", 1, 0.0)
    return healthy(Scene(behaviour, task, plan, OpenAI(behaviour), lambda: 1))
