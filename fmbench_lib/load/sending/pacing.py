"""When a worker sends its next request: as soon as a slot is free (closed loop), or when it is due (open loop).

No sockets here: a pacing says which request starts next, and when. Times are monotonic nanoseconds.
"""

from __future__ import annotations

import mmap
import os
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

from fmbench_lib.load.sending.schedule_reader import SEQUENCE_ENTRY, ScheduleReader
from fmbench_lib.load.sending.slots import Slots, ramp_times
from fmbench_lib.load.sending.worker_protocol import SHARED_BYTES, WorkerPlan

if TYPE_CHECKING:
    from fmbench_lib.load.sending.request_signing import Signer

RAMP_POSITIONS = 1 << 31
"""What is sent while the slots open is numbered from here: it belongs to no sequence."""

monotonic_ns = time.monotonic_ns


class Due(NamedTuple):
    """A request to send now. `cap_wait_ns` is how long a cap held it back, None where there is no cap."""

    position: int
    prompt: int
    due_ns: int
    cap_wait_ns: int | None = None


class Pacing(Protocol):
    """How a worker's requests are spaced. `overran`: it went on after its time, for the least number of
    requests. `out_of_time`: its duration ended the level."""

    out_of_time: bool
    overran: bool

    def begin(self, begin_ns: int) -> None:
        """The level begins at this time."""

    def take(self, now: int) -> Due | None:
        """The next request if it is to start by `now`, which counts as started; None where there is none."""

    def ended(self) -> None:
        """A request has ended."""

    def next_ns(self) -> int | None:
        """When the next request is to start by the clock alone; None where it waits for another to end."""

    def sign_ahead(self) -> bool:
        """Sign a request ahead of its time, where that is known; False where nothing is to be signed now."""


class WindowStart:
    """When the first measured request of the level was due, known to all its workers; 0 before it."""

    def __init__(self, shared: Path) -> None:
        with shared.open("r+b") as file:
            self._shared = mmap.mmap(file.fileno(), SHARED_BYTES)

    def get(self) -> int:
        """The time, 0 while no measured request has been sent."""
        return int.from_bytes(self._shared[:], "little")

    def set(self, due_ns: int) -> None:
        """Say that the first measured request was due at this time."""
        self._shared[:] = due_ns.to_bytes(SHARED_BYTES, "little")


class ClosedPacing:
    """Slots that carry one request at a time. Whichever worker has a free slot takes the next request of the sequence.

    The descriptor of the sequence is one open file for all workers, so that each read takes the next entry for itself.
    A slot's first request is not taken from it: it is the warm-up request that is numbered as the slot is, so that no
    first request is a measured one, however far other workers are. With a ramp nothing is taken from it while the slots
    are opening: the warm-up prompts are sent, again and again.
    """

    def __init__(
        self, plan: WorkerPlan, window: WindowStart, signer: Signer | None, stop: Callable[[int], None]
    ) -> None:
        assert plan["concurrency"] is not None
        self.out_of_time = False
        self.overran = False
        self._plan = plan
        self._concurrency = plan["concurrency"]
        self._sequence_fd = plan["sequence_fd"]
        self._warmup = plan["warmup"]
        self._duration_ns = None if plan["duration"] is None else int(plan["duration"] * 1e9)
        self._ramp_ns = int(plan["load"]["ramp"] * 1e9)
        self._think_ns = int(plan["load"]["think_time"] * 1e9)
        self._window = window
        self._signer = signer
        self._authority = plan["targets"][0]["authority"]
        self._stop = stop
        self._slots = Slots(())
        self._firsts = deque(zip(plan["slots"], plan["first_prompts"], strict=False))
        self._ramp_ends_ns = 0
        self._ramp_sent = 0

    def begin(self, begin_ns: int) -> None:
        """The slots open from this time on, evenly over the ramp."""
        opening = ramp_times(self._concurrency, self._plan["slots"], begin_ns, self._ramp_ns)
        self._slots = Slots(opening, self._think_ns)
        self._ramp_ends_ns = begin_ns + self._ramp_ns

    def take(self, now: int) -> Due | None:
        """The next request where a slot is free; it is due from when it was signed: no signing is in its latency."""
        now = monotonic_ns()
        if not self._slots.take(now):
            return None
        entry = self._next(now)
        if entry is None:
            return None
        if self._signer is not None:
            self._signer.prepare(entry[1], self._authority)
            now = monotonic_ns()
        return Due(*entry, now)

    def ended(self) -> None:
        """A slot is free again, after its think time."""
        self._slots.give_back(monotonic_ns())

    def next_ns(self) -> int | None:
        """When the next free slot may be used; None where all are taken."""
        return self._slots.next_ns()

    def sign_ahead(self) -> bool:
        """Nothing can be: which request is next is known when a slot takes it."""
        return False

    def _next(self, now: int) -> tuple[int, int] | None:
        """Position and prompt of the request that a free slot sends; slots that have sent nothing are taken first."""
        if now < self._ramp_ends_ns:
            return self._ramp_entry()
        return self._firsts.popleft() if self._firsts else self._entry(now)

    def _ramp_entry(self) -> tuple[int, int]:
        prompts = self._plan["ramp_prompts"]
        number = self._ramp_sent
        self._ramp_sent += 1
        return RAMP_POSITIONS + number * self._plan["workers"] + self._plan["number"], prompts[number % len(prompts)]

    def _entry(self, now: int) -> tuple[int, int] | None:
        """The next of the sequence; stops the level where that or the time is over."""
        data = os.read(self._sequence_fd, SEQUENCE_ENTRY.size)
        if not data:
            self._stop(now)
            return None
        position, prompt, _ = SEQUENCE_ENTRY.unpack(data)
        if self._time_is_up(position, now):
            self.out_of_time = True
            self._stop(now)
            return None
        return position, prompt

    def _time_is_up(self, position: int, now: int) -> bool:
        """Whether a request of this position would be sent after the end of the window."""
        if self._duration_ns is None:
            return False
        window_start = self._window.get()
        if not window_start or now < window_start + self._duration_ns:
            return False
        if position - self._warmup < self._plan["min_requests"]:
            self.overran = True
            return False
        return True


class OpenPacing:
    """A schedule of due times. What a cap on the requests in flight holds back waits in its order."""

    def __init__(self, plan: WorkerPlan, signer: Signer | None, stop: Callable[[int], None]) -> None:
        assert plan["horizon"] is not None
        self.out_of_time = False
        self.overran = False
        self._schedule = ScheduleReader(plan["sequence_fd"], signer, plan["targets"][0]["authority"])
        self._horizon_ns = int(plan["horizon"] * 1e9)
        self._free = plan["cap"]  # None: as many as are due
        self._freed_ns = 0  # when the cap last let one through
        self._stop = stop

    def begin(self, begin_ns: int) -> None:
        """The schedule begins at this time."""
        self._schedule.begin_ns = begin_ns

    def take(self, now: int) -> Due | None:
        """The next request that is due, where the cap lets it through."""
        if self._free == 0:
            return None
        entry = self._peek()
        if entry is None or entry[0] > now:
            return None
        due_ns, position, prompt = entry
        self._schedule.take()
        if self._free is None:
            return Due(position, prompt, due_ns)
        self._free -= 1
        return Due(position, prompt, due_ns, max(self._freed_ns - due_ns, 0))

    def ended(self) -> None:
        """The cap has room for one more."""
        if self._free is not None:
            if not self._free:
                self._freed_ns = monotonic_ns()
            self._free += 1

    def next_ns(self) -> int | None:
        """When the next request is due; None at the cap, and at the end of the schedule."""
        if self._free == 0 or (entry := self._peek()) is None:
            return None
        return entry[0]

    def sign_ahead(self) -> bool:
        """Sign what is due next and has no signature yet; False where nothing is to be signed now."""
        return self._schedule.sign_ahead()

    def _peek(self) -> tuple[int, int, int] | None:
        """What is due next; at the end of the schedule, stops the level when its window is over."""
        entry = self._schedule.peek()
        if entry is None:
            self._stop(max(monotonic_ns(), self._schedule.begin_ns + self._horizon_ns))
        return entry
