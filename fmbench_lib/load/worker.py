"""A load worker: one process, one loop, its share of a level.

Started as `python -m fmbench_lib.load.worker PLAN` with the engine at the other end of its standard input and output:

    engine → worker   `go <monotonic ns>`: begin at that time. End of file: the engine is gone, stop at once.
    worker → engine   one JSON object a line: `ready`, `progress` twice a second, `end`.

Only the standard library is imported: the process is there in a few hundredths of a second and its memory is its own.
"""

from __future__ import annotations

import contextlib
import gc
import json
import mmap
import os
import resource
import signal
import socket
import struct
import sys
import time
from array import array
from collections import deque
from pathlib import Path
from typing import Any

from fmbench_lib.load import clocks, spool
from fmbench_lib.load.exchange import Exchange
from fmbench_lib.load.loop import NAP_NS, Loop
from fmbench_lib.load.targets import Target, resolve, tls_context
from fmbench_lib.load.transport import IN, Connection, ask_for_stamps, monotonic_ns

SEQUENCE_ENTRY = struct.Struct("<IId")  # position, prompt, due offset in seconds (open loop)
SHARED_BYTES = 8  # monotonic ns of the first measured request of the level, 0 before it

_TICK_NS = 500_000_000
_STARTS_PER_TURN = 8
_NICENESS = -10  # where we may: what else this machine does should not make us late
_MOST_FINISHED = 1000  # exchanges that may wait to be spooled
# A connection that was closed while idle says so within a round trip. Who closes later had the request.
_STALE_CLOSE_NS = 1_000_000_000


class Worker:
    """Sends this worker's share of a level and spools what comes back."""

    def __init__(self, plan: dict[str, Any], loop: Loop) -> None:
        self.loop = loop
        self.plan = plan
        self.timeout_ns = int(plan["timeout"] * 1e9)
        self.duration_ns = None if plan["duration"] is None else int(plan["duration"] * 1e9)
        self.warmup: int = plan["warmup"]
        self.free_slots: int | None = plan["concurrency"]  # None: open loop, as many as are due
        self.targets = [resolve(number, address) for number, address in enumerate(plan["targets"])]
        self.outstanding = [0] * len(self.targets)
        self.next_target: int = plan["number"]  # workers take turns each from a place of its own
        self.idle: list[list[Connection]] = [[] for _ in self.targets]
        self.active: dict[Exchange, Connection] = {}
        self.finished: deque[Exchange] = deque()  # not spooled yet
        self.more_to_start = False
        self.deadlines: deque[Exchange] = deque()  # one time-out for all: first in, first to expire
        self.context = tls_context(plan["ca_file"]) if any(target.tls for target in self.targets) else None
        self.spool = Path(plan["spool"]).open("wb", buffering=1 << 20)  # noqa: SIM115 - closed at the end of `run`
        self.prompts = Prompts(plan["prompts_fd"], Path(plan["index"]))
        self.sequence_fd: int = plan["sequence_fd"]
        with Path(plan["shared"]).open("r+b") as file:
            self.shared = mmap.mmap(file.fileno(), SHARED_BYTES)
        self.next_due: tuple[int, int, int] | None = None
        self.begin_ns = 0
        self.stopped_ns: int | None = None
        self.out_of_time = False
        self.overran = False  # went on after the time was up, for `min_requests`
        self.first_due_ns: int | None = None  # of the measured ones
        self.last_sent_ns: int | None = None
        self.stamping = socket.socket()  # the kernel begins to stamp when the first socket asks, and not at once
        loop.nap_ns = NAP_NS if ask_for_stamps(self.stamping) else 0
        self.counts = {"sent": 0, "done": 0, "errors": 0}
        self.samples = [clocks.sample()]
        self.cpu_begin: tuple[int, float] | None = None
        self.cpu_end: tuple[int, float] | None = None
        self.last_tick = 0

    # -- the level ---------------------------------------------------------------------------------------------

    def run(self, begin_ns: int) -> None:
        """Send until the level is over, then until the last answer is here or timed out."""
        self.begin_ns = begin_ns
        while monotonic_ns() < begin_ns:
            self.loop.alarm.set(begin_ns)
            self.loop.turn(max(begin_ns - monotonic_ns(), 0) / 1e9 + 0.001)
        while self.stopped_ns is None or self.active:
            now = monotonic_ns()
            self.start_due(now)
            if self.stopped_ns is not None and not self.active:
                break
            if self.more_to_start or self.finished:
                if not self.loop.turn(0):
                    self.write_next()
                while len(self.finished) > _MOST_FINISHED:
                    self.write_next()
            else:
                self.loop.turn(self.wait_seconds(monotonic_ns()))
            now = monotonic_ns()
            self.expire(now)
            if now - self.last_tick > _TICK_NS:
                self.tick(now)
        while self.finished:
            self.write_next()
        self.spool.close()
        self.say("end", **self.summary())

    def start_due(self, now: int) -> None:
        """Start what is to start by now: a request for each free slot, or all whose time has come.

        No more than a few at once: what arrives meanwhile should not wait for a hundred sends.
        """
        for _ in range(_STARTS_PER_TURN):
            if self.stopped_ns is not None or not self.start_one(now):
                self.more_to_start = False
                return
        self.more_to_start = True

    def start_one(self, now: int) -> bool:
        """Start the next request if it is to start by now; False when there is none."""
        if self.free_slots is None:
            entry = self.peek_due()
            if entry is None or entry[0] > now:
                return False
            self.next_due = None
            self.start(entry[1], entry[2], entry[0])
            return True
        if not self.free_slots:
            return False
        now = monotonic_ns()
        taken = self.take(now)
        if taken is None:
            return False
        self.free_slots -= 1
        self.start(*taken, now)
        return True

    def peek_due(self) -> tuple[int, int, int] | None:
        if self.next_due is None:
            data = os.read(self.sequence_fd, SEQUENCE_ENTRY.size)
            if not data:
                self.stop(max(monotonic_ns(), self.begin_ns + int(self.plan["horizon"] * 1e9)))
                return None
            position, prompt, offset = SEQUENCE_ENTRY.unpack(data)
            self.next_due = (self.begin_ns + int(offset * 1e9), position, prompt)
        return self.next_due

    def take(self, now: int) -> tuple[int, int] | None:
        """The next position and prompt of the sequence that all workers share; stops the level at its end.

        The descriptor is one open file for all workers, so that each read takes the next entry for itself.
        """
        data = os.read(self.sequence_fd, SEQUENCE_ENTRY.size)
        if not data:
            self.stop(now)
            return None
        position, prompt, _ = SEQUENCE_ENTRY.unpack(data)
        if self.time_is_up(position, now):
            self.out_of_time = True
            self.stop(now)
            return None
        return position, prompt

    def time_is_up(self, position: int, now: int) -> bool:
        """Whether a request of this position would be sent after the end of the window."""
        window_start = int.from_bytes(self.shared[:8], "little")
        if self.duration_ns is None or not window_start or now < window_start + self.duration_ns:
            return False
        if position - self.warmup < self.plan["min_requests"]:
            self.overran = True
            return False
        return True

    def stop(self, when_ns: int) -> None:
        self.stopped_ns = when_ns
        self.cpu_end = (monotonic_ns(), time.process_time())

    # -- requests ------------------------------------------------------------------------------------------------

    def start(self, position: int, prompt: int, due_ns: int) -> None:
        measured = position >= self.warmup
        if position == self.warmup:
            self.shared[:8] = due_ns.to_bytes(8, "little")
        if measured and self.first_due_ns is None:
            self.first_due_ns = due_ns
            self.cpu_begin = (monotonic_ns(), time.process_time())
        target = self.targets[self.choose_target()]
        line, rest = self.prompts.wire(prompt)
        headers = f"x-request-id: {self.plan['level_id']}-{position}\r\nhost: {target.authority}\r\n"
        wire = b"".join((line, headers.encode(), rest))
        deadline_ns = due_ns + self.timeout_ns
        exchange = Exchange(position, prompt, wire, target, measured=measured, due_ns=due_ns, deadline_ns=deadline_ns)
        self.deadlines.append(exchange)
        self.outstanding[target.number] += 1
        self.counts["sent"] += 1
        self.dispatch(exchange, target)

    def choose_target(self) -> int:
        """The target with the fewest requests outstanding; equals take turns."""
        outstanding, first, count = self.outstanding, self.next_target, len(self.outstanding)
        if count == 1:
            return 0
        number = min(range(count), key=lambda one: (outstanding[one], (one - first) % count))
        self.next_target = number + 1
        return number

    def dispatch(self, exchange: Exchange, target: Target) -> None:
        idle = self.idle[target.number]
        while idle:
            connection = idle.pop()
            if connection.open and connection.alive():
                self.active[exchange] = connection
                connection.send(exchange)
                return
            connection.close()
        self.connect(exchange, target)

    def connect(self, exchange: Exchange, target: Target) -> None:
        context = self.context if target.tls else None
        connection = Connection(target, self.loop, self.done, self.lost, context)
        self.active[exchange] = connection
        if target.address is None:
            exchange.error, exchange.message = "dns", target.failure
            exchange.end_ns = monotonic_ns()
            self.done(connection, exchange)
        else:
            connection.connect(exchange)

    def done(self, connection: Connection, exchange: Exchange) -> None:
        """One exchange is over: retry it if it never reached the server, else spool it and free its place."""
        if self.met_closed_connection(exchange):
            exchange.reset()
            exchange.retried = 1
            self.connect(exchange, connection.target)
            return
        del self.active[exchange]
        self.outstanding[connection.target.number] -= 1
        self.counts["done"] += 1
        if exchange.error is not None:
            self.counts["errors"] += 1
        if connection.open:
            self.idle[connection.target.number].append(connection)
        if self.free_slots is not None:
            self.free_slots += 1
        if exchange.measured and exchange.sent_ns is not None:
            self.last_sent_ns = max(self.last_sent_ns or 0, exchange.sent_ns)
        self.finished.append(exchange)

    @staticmethod
    def met_closed_connection(exchange: Exchange) -> bool:
        """Whether the peer had closed the idle connection that this exchange was sent over.

        Nothing of the request was received then, so sending it again is no second try of a failed request. It is
        counted, and never done more than once.
        """
        return (
            exchange.error == "truncated"
            and exchange.reused
            and not exchange.pieces
            and not exchange.retried
            and exchange.sent_ns is not None
            and exchange.end_ns - exchange.sent_ns < _STALE_CLOSE_NS
        )

    def lost(self, connection: Connection) -> None:
        idle = self.idle[connection.target.number]
        if connection in idle:
            idle.remove(connection)

    def write_next(self) -> None:
        """Spool what was finished first, and let go of its bytes. Done when nothing has arrived: it can wait."""
        if not self.finished:
            return
        exchange = self.finished.popleft()
        flags = (
            (spool.REUSED if exchange.reused else 0)
            | (spool.COMPLETE if exchange.complete else 0)
            | (spool.CLOSED if exchange.closed else 0)
            | (spool.MEASURED if exchange.measured else 0)
        )
        self.spool.write(
            spool.pack(
                position=exchange.position,
                prompt=exchange.prompt,
                target=exchange.target.number,
                flags=flags,
                retried=exchange.retried,
                due_ns=exchange.due_ns,
                connect_ns=exchange.connect_ns,
                sent_ns=exchange.sent_ns,
                end_ns=exchange.end_ns,
                error=exchange.error,
                message=exchange.message,
                user_ns=exchange.user_ns,
                kernel=exchange.kernel,
                pieces=exchange.pieces,
            )
        )
        exchange.let_go()

    # -- time ----------------------------------------------------------------------------------------------------

    def expire(self, now: int) -> None:
        deadlines = self.deadlines
        while deadlines and (deadlines[0].deadline_ns <= now or deadlines[0] not in self.active):
            exchange = deadlines.popleft()
            connection = self.active.get(exchange)
            if connection is not None:
                seconds = self.plan["timeout"]
                connection.abandon("timeout", f"no complete response within {seconds:g} s of its due time")

    def wait_seconds(self, now: int) -> float:
        until = now + _TICK_NS
        if self.deadlines:
            until = min(until, self.deadlines[0].deadline_ns)
        if self.free_slots is None and self.stopped_ns is None and (entry := self.peek_due()) is not None:
            self.loop.alarm.set(entry[0])
            if self.loop.alarm.fd is None:
                until = min(until, entry[0])
        return max(until - now, 0) / 1e9

    def tick(self, now: int) -> None:
        self.last_tick = now
        self.samples.append(clocks.sample())
        self.spool.flush()
        self.say("progress", **self.counts, in_flight=len(self.active))

    def summary(self) -> dict[str, Any]:
        """What the engine needs to know at the end: the window's edges, the CPU used in it, the clocks."""
        self.samples.append(clocks.sample())
        cpu = None
        if self.cpu_begin is not None and self.cpu_end is not None and self.cpu_end[0] > self.cpu_begin[0]:
            cpu = (self.cpu_end[1] - self.cpu_begin[1]) / ((self.cpu_end[0] - self.cpu_begin[0]) / 1e9)
        return {
            **self.counts,
            "stopped_ns": self.stopped_ns,
            "out_of_time": self.out_of_time,
            "overran": self.overran,
            "first_due_ns": self.first_due_ns,
            "last_sent_ns": self.last_sent_ns,
            "cpu": cpu,
            "clock_samples": self.samples,
        }

    @staticmethod
    def say(event: str, **facts: Any) -> None:
        sys.stdout.write(json.dumps({"event": event, **facts}) + "\n")
        sys.stdout.flush()


class Prompts:
    """The prebuilt requests, mapped from a file: a worker's memory does not grow with their number."""

    def __init__(self, data_fd: int, index_path: Path) -> None:
        self._index = array("Q")
        with index_path.open("rb") as file:
            self._index.fromfile(file, index_path.stat().st_size // 8)
        self._data = mmap.mmap(data_fd, 0, access=mmap.ACCESS_READ)

    def wire(self, prompt: int) -> tuple[bytes, bytes]:
        """The request line, and everything behind the headers that are added for each sending."""
        start, line_end, end = self._index[3 * prompt : 3 * prompt + 3]
        return self._data[start:line_end], self._data[line_end:end]


def allow_many_sockets() -> None:
    """Raise the limit of open files as far as the system lets us."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def main(plan_path: str) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # an interrupt reaches the engine, which ends us
    allow_many_sockets()
    with contextlib.suppress(OSError):
        os.nice(_NICENESS)
    plan = json.loads(Path(plan_path).read_text())
    loop = Loop()
    worker = Worker(plan, loop)
    worker.say("ready")
    line = sys.stdin.readline()
    if not line.startswith("go "):
        return
    loop.watch(sys.stdin.fileno(), IN, lambda _: os._exit(3))
    gc.collect()
    gc.freeze()
    gc.disable()
    worker.run(int(line.split()[1]))


if __name__ == "__main__":
    main(sys.argv[1])
