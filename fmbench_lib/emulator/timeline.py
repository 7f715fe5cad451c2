"""An answer as a sequence of writes: what to send, how long after the one before, and how it ends. No clock.

Delays are computed one by one, each when the write before it has been made, so that an inter-token latency can depend
on how many others are being served at that moment.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum

from fmbench_lib.emulator.behaviour import Behaviour, Plan, Task
from fmbench_lib.emulator.wires.base import Answer, Framing, Wire

_NS = 1_000_000_000

Step = tuple[int, bytes, int]
"""Nanoseconds since the previous step (the first: since the slot), the data, and the content events it completes."""


class Ending(Enum):
    """What becomes of the connection after the last step."""

    KEEP = "keep"
    CLOSE = "close"
    RESET = "reset"
    HANG = "hang"


@dataclass(slots=True)
class Script:
    """One answer: `opening` is sent as soon as the request has arrived, then `steps`, then the ending."""

    status: int
    opening: bytes
    steps: Iterator[Step]
    ending: Ending = Ending.KEEP
    tokens: int = 0
    outcome: str = "complete"
    """The ledger's outcome of an answer that reached its ending."""


@dataclass(frozen=True, slots=True)
class Scene:
    """Everything that an answer is made from."""

    behaviour: Behaviour
    task: Task
    plan: Plan
    wire: Wire
    active: Callable[[], int]
    """The number of requests being served at the moment, including this one."""

    def intervals(self) -> Callable[[], int]:
        """The source of its inter-token latencies (ns): the plan's, plus what the other served requests add."""
        planned = self.plan.next_itl_ns
        share = round(self.behaviour.itl_per_sequence * self.plan.factor * _NS)
        return (lambda: planned() + share * (self.active() - 1)) if share else planned

    def answer(self, framing: Framing | None = None) -> Answer:
        """The protocol's bytes for this plan."""
        return self.wire.answer(self.task, self.plan, framing or self.behaviour.framing)


def healthy(scene: Scene) -> Script:
    """The script of an answer without a fault."""
    answer = scene.answer()
    if scene.task.stream:
        return streamed(scene, answer, answer.head())
    return unstreamed(scene, answer.whole(answer.body()))


def streamed(scene: Scene, answer: Answer, head: bytes) -> Script:
    """A stream: one step per content event; the end is sent with the last one unless `tail_delay` separates them."""
    beginning = head + answer.opening()
    at_once = scene.behaviour.head == "at_once"
    return Script(
        status=200,
        opening=beginning if at_once else b"",
        steps=_stream_steps(scene, answer, b"" if at_once else beginning),
        ending=Ending.CLOSE if scene.behaviour.framing == "close" else Ending.KEEP,
        tokens=scene.plan.tokens,
    )


def _stream_steps(scene: Scene, answer: Answer, beginning: bytes) -> Iterator[Step]:
    plan, interval_ns = scene.plan, scene.intervals()
    tail_delay_ns = round(scene.behaviour.tail_delay * _NS)
    last = plan.events - 1
    delay = plan.ttft_ns
    if last < 0:
        yield delay, beginning + answer.tail(), 0
        return
    for index in range(last):
        yield delay, beginning + answer.event(index), 1
        beginning = b""
        delay = interval_ns()
    if tail_delay_ns:
        yield delay, beginning + answer.event(last), 1
        yield tail_delay_ns, answer.tail(), 0
    else:
        yield delay, beginning + answer.event(last) + answer.tail(), 1


def unstreamed(scene: Scene, data: bytes, events: int = 1) -> Script:
    """The answer in one piece, at the time when its last token would have been streamed."""
    return Script(200, b"", _silent_steps(scene, data, events), tokens=scene.plan.tokens)


def _silent_steps(scene: Scene, data: bytes, events: int) -> Iterator[Step]:
    delay = scene.plan.ttft_ns
    gaps, interval_ns = scene.plan.events - 1, scene.intervals()
    if scene.behaviour.itl_per_sequence:
        for _ in range(gaps):
            # Nothing is sent, but the interval depends on the batch at this moment.
            yield delay, b"", 0
            delay = interval_ns()
    else:
        delay += sum(interval_ns() for _ in range(gaps))
    yield delay, data, events
