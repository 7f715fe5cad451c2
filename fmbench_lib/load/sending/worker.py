"""A load worker: one process, one loop, its share of a level.

Started as `python -m fmbench_lib.load.sending.worker PLAN` with the engine at the other end of its standard streams:

    engine → worker   `go <monotonic ns>`: begin at that time. `stop`: send nothing more, what is in flight may end.
                      `keys <JSON>`: sign with these from now on. End of file: the engine is gone, stop at once.
    worker → engine   one JSON object a line: `ready`, `progress` twice a second, `end`.

Only the standard library is imported: the process is there in a few hundredths of a second and its memory is its own.
"""

from __future__ import annotations

import gc
import json
import mmap
import os
import signal
import socket
import sys
import time
from collections import deque
from pathlib import Path
from typing import Any

from fmbench_lib.host.process_limits import allow_many_sockets, claim_priority
from fmbench_lib.load.sending import clocks
from fmbench_lib.load.sending.connection import IN, Connection, monotonic_ns
from fmbench_lib.load.sending.exchange import Exchange
from fmbench_lib.load.sending.loop import NAP_NS, Loop
from fmbench_lib.load.sending.pool import Pool
from fmbench_lib.load.sending.prebuilt import Prompts
from fmbench_lib.load.sending.request_signing import KEYS, signer_of
from fmbench_lib.load.sending.schedule_reader import SEQUENCE_ENTRY, Upcoming
from fmbench_lib.load.sending.slots import Slots, ramp_times
from fmbench_lib.load.sending.targets import Target
from fmbench_lib.load.sending.timeouts import Limits

RAMP_POSITIONS = 1 << 31  # what is sent while the slots open is numbered from here: it belongs to no sequence
SHARED_BYTES = 8  # monotonic ns of the first measured request of the level, 0 before it

_TICK_NS = 500_000_000
_STARTS_PER_TURN = 8
_MOST_FINISHED = 1000  # exchanges that may wait to be spooled


class Worker:
    """Sends this worker's share of a level and spools what comes back."""

    def __init__(self, plan: dict[str, Any], loop: Loop) -> None:
        self.loop = loop
        self.plan = plan
        self.limits = Limits.from_plan(plan)
        self.next_expiry_ns: int | None = None  # no request under way runs out of time before
        self.duration_ns = None if plan["duration"] is None else int(plan["duration"] * 1e9)
        self.warmup: int = plan["warmup"]
        self.ramp_ns = int(plan["ramp"] * 1e9)
        self.slots: Slots | None = None  # of the closed loop, opened at its beginning
        self.free: int | None = plan["max_concurrency"]  # of the open loop; None: as many as are due
        self.freed_ns = 0  # when the cap of the open loop last let one through
        self.pool = Pool(plan, loop, self.done)
        self.active: dict[Exchange, Connection] = {}
        self.finished: deque[Exchange] = deque()  # not spooled yet
        self.more_to_start = False
        self.spool = Path(plan["spool"]).open("wb", buffering=1 << 20)  # noqa: SIM115 - closed at the end of `run`
        self.prompts = Prompts(plan["prompts_fd"], Path(plan["index"]))
        self.sequence_fd: int = plan["sequence_fd"]
        with Path(plan["shared"]).open("r+b") as file:
            self.shared = mmap.mmap(file.fileno(), SHARED_BYTES)
        self.signer = signer_of(plan, self.prompts)
        self.upcoming = Upcoming(self.sequence_fd, self.signer, self.pool.targets[0].authority)  # of the open loop
        self.heard = b""
        self.begin_ns = 0
        self.stopped_ns: int | None = None
        self.out_of_time = False
        self.told = False  # to stop, by the engine
        self.overran = False  # went on after the time was up, for `min_requests`
        self.first_due_ns: int | None = None  # of the measured ones
        self.last_sent_ns: int | None = None
        self.stamping = socket.socket()  # the kernel begins to stamp when the first socket asks, and not at once
        loop.nap_ns = NAP_NS if clocks.ask_for_stamps(self.stamping) else 0
        self.counts = {"sent": 0, "done": 0, "errors": 0}
        self.latencies: list[float] = []  # s, of the successes since the last progress message, where they are wanted
        self.ramp_sent = 0
        self.samples = [clocks.sample()]
        self.cpu_begin: tuple[int, float] | None = None
        self.cpu_end: tuple[int, float] | None = None
        self.last_tick = 0

    # -- the level ---------------------------------------------------------------------------------------------

    def run(self, begin_ns: int) -> None:
        """Send until the level is over, then until the last answer is here or timed out."""
        self.begin_ns = self.upcoming.begin_ns = begin_ns
        if self.plan["concurrency"] is not None:
            opening = ramp_times(self.plan["concurrency"], self.plan["slots"], begin_ns, self.ramp_ns)
            self.slots = Slots(opening, int(self.plan["think_time"] * 1e9))
        while monotonic_ns() < begin_ns:
            if self.sign_ahead():
                continue
            self.loop.alarm.set(begin_ns)
            self.loop.turn(max(begin_ns - monotonic_ns(), 0) / 1e9 + 0.001)
        while self.stopped_ns is None or self.active:
            now = monotonic_ns()
            self.start_due(now)
            if self.stopped_ns is not None and not self.active:
                break
            if self.more_to_start or self.finished or self.sign_ahead():
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
        if self.slots is None:
            return self.start_due_one(now)
        now = monotonic_ns()
        if not self.slots.take(now):
            return False
        taken = self.take(now)
        if taken is None:
            return False
        if self.signer is not None:
            self.signer.prepare(taken[1], self.pool.targets[0].authority)
            now = monotonic_ns()
        self.start(*taken, now)
        return True

    def start_due_one(self, now: int) -> bool:
        """The same in an open loop; what the cap holds back waits in its order, and its wait is told apart."""
        if self.free == 0:
            return False
        entry = self.peek_due()
        if entry is None or entry[0] > now:
            return False
        self.upcoming.take()
        held = None
        if self.free is not None:
            self.free -= 1
            held = max(self.freed_ns - entry[0], 0)
        self.start(entry[1], entry[2], entry[0], held)
        return True

    def peek_due(self) -> tuple[int, int, int] | None:
        entry = self.upcoming.peek()
        if entry is None:
            self.stop(max(monotonic_ns(), self.begin_ns + int(self.plan["horizon"] * 1e9)))
        return entry

    def sign_ahead(self) -> bool:
        """Sign what is due next, when there is time for it and its due time is known; False when nothing is done."""
        return self.signer is not None and self.slots is None and self.upcoming.sign_ahead()

    def take(self, now: int) -> tuple[int, int] | None:
        """The next position and prompt of the sequence that all workers share; stops the level at its end.

        The descriptor is one open file for all workers, so that each read takes the next entry for itself. While the
        slots are being opened nothing is taken: warm-up prompts are sent, round and round.
        """
        if now < self.begin_ns + self.ramp_ns:
            prompts: list[int] = self.plan["ramp_prompts"]
            number = self.ramp_sent
            self.ramp_sent += 1
            return RAMP_POSITIONS + number * self.plan["workers"] + self.plan["number"], prompts[number % len(prompts)]
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

    def start(self, position: int, prompt: int, due_ns: int, cap_wait_ns: int | None = None) -> None:
        measured = self.warmup <= position < RAMP_POSITIONS
        if position == self.warmup:
            self.shared[:8] = due_ns.to_bytes(8, "little")
        if measured and self.first_due_ns is None:
            self.first_due_ns = due_ns
            self.cpu_begin = (monotonic_ns(), time.process_time())
        target = self.pool.choose()
        line, rest = self.prompts.wire(prompt)
        line, own = target.request(line)
        headers = f"x-request-id: {self.plan['level_id']}-{position}\r\nhost: {target.authority}\r\n{own}"
        signature = b"" if self.signer is None else self.signer.headers(prompt, target.authority)
        wire = b"".join((line, headers.encode(), signature, rest))
        exchange = Exchange(position, prompt, wire, target, measured=measured, due_ns=due_ns, cap_wait_ns=cap_wait_ns)
        self.counts["sent"] += 1
        self.dispatch(exchange, target)
        self.watch_expiry(exchange, monotonic_ns())

    def dispatch(self, exchange: Exchange, target: Target) -> None:
        connection = self.pool.idle(target)
        if connection is None:
            self.connect(exchange, target)
        else:
            self.active[exchange] = connection
            connection.send(exchange)

    def connect(self, exchange: Exchange, target: Target) -> None:
        connection = self.active[exchange] = self.pool.new(target)
        if target.address is None:
            exchange.error, exchange.message = "dns", target.failure
            exchange.end_ns = monotonic_ns()
            self.done(connection, exchange)
        else:
            connection.connect(exchange)

    def done(self, connection: Connection, exchange: Exchange) -> None:
        """One exchange is over: retry it if it never reached the server, else spool it and free its place."""
        if exchange.met_closed_connection(connection.opening_ns):
            exchange.reset()
            exchange.retried = 1
            self.connect(exchange, connection.target)
            return
        del self.active[exchange]
        self.pool.over(connection)
        self.counts["done"] += 1
        failed = exchange.failed
        if failed:
            self.counts["errors"] += 1
        if self.slots is not None:
            self.slots.give_back(monotonic_ns())
        elif self.free is not None:
            if not self.free:
                self.freed_ns = monotonic_ns()
            self.free += 1
        if self.plan["latencies"] and exchange.measured and not failed and exchange.user_ns:
            self.latencies.append((exchange.user_ns[-1] - exchange.due_ns) / 1e9)
        if exchange.measured and exchange.sent_ns is not None:
            self.last_sent_ns = max(self.last_sent_ns or 0, exchange.sent_ns)
        self.finished.append(exchange)

    def write_next(self) -> None:
        """Spool what was finished first, and let go of its bytes. Done when nothing has arrived: it can wait."""
        if not self.finished:
            return
        exchange = self.finished.popleft()
        self.spool.write(exchange.packed())
        exchange.let_go()

    # -- time ----------------------------------------------------------------------------------------------------

    def watch_expiry(self, exchange: Exchange, now: int) -> None:
        at = min(self.limits.expiry(exchange)[0], now + self.limits.shortest_ns)  # it may come to another state
        if self.next_expiry_ns is None or at < self.next_expiry_ns:
            self.next_expiry_ns = at

    def expire(self, now: int) -> None:
        """End what has run out of time. All are looked at, but only when the first of them can have."""
        if self.next_expiry_ns is None or now < self.next_expiry_ns:
            return
        self.next_expiry_ns = None
        for exchange, connection in list(self.active.items()):
            at, message = self.limits.expiry(exchange)
            if at <= now:
                connection.abandon("timeout", message)
            else:
                self.watch_expiry(exchange, now)

    def wait_seconds(self, now: int) -> float:
        until = now + _TICK_NS
        if self.next_expiry_ns is not None:
            until = min(until, self.next_expiry_ns)
        if self.stopped_ns is None and (at := self.next_start_ns()) is not None:
            self.loop.alarm.set(at)
            if self.loop.alarm.fd is None:
                until = min(until, at)
        return max(until - now, 0) / 1e9

    def next_start_ns(self) -> int | None:
        """When the next request is to start by the clock alone; None when it waits for another to end."""
        if self.slots is not None:
            return self.slots.next_ns()
        if self.free == 0 or (entry := self.peek_due()) is None:
            return None
        return entry[0]

    def tick(self, now: int) -> None:
        self.last_tick = now
        self.samples.append(clocks.sample())
        self.spool.flush()
        self.say("progress", **self.counts, in_flight=len(self.active), latencies=self.latencies)
        self.latencies = []

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
            "told": self.told,
            "overran": self.overran,
            "first_due_ns": self.first_due_ns,
            "last_sent_ns": self.last_sent_ns,
            "cpu": cpu,
            "clock_samples": self.samples,
        }

    def hear(self) -> None:
        """The engine says to stop, or hands out keys; at its end of file it is gone, and nobody takes what came."""
        data = os.read(sys.stdin.fileno(), 1 << 16)
        if not data:
            os._exit(3)
        *lines, self.heard = (self.heard + data).split(b"\n")
        for line in lines:
            if self.signer is not None and line.startswith(KEYS):
                self.signer.take_keys(line)
            elif self.stopped_ns is None:
                self.told = True
                self.stop(monotonic_ns())

    @staticmethod
    def say(event: str, **facts: Any) -> None:
        sys.stdout.write(json.dumps({"event": event, **facts}) + "\n")
        sys.stdout.flush()


def main(plan_path: str) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # an interrupt reaches the engine, which ends us
    allow_many_sockets()
    claim_priority()
    plan = json.loads(Path(plan_path).read_text())
    loop = Loop()
    worker = Worker(plan, loop)
    worker.say("ready")
    line = sys.stdin.readline()
    if worker.signer is not None:
        worker.signer.take_keys(line.encode())
        line = sys.stdin.readline()
    if not line.startswith("go "):
        return
    loop.watch(sys.stdin.fileno(), IN, lambda _: worker.hear())
    gc.collect()
    gc.freeze()
    gc.disable()
    worker.run(int(line.split()[1]))


if __name__ == "__main__":
    main(sys.argv[1])
