"""A load worker: one process, one loop, its share of a level.

Started as `python -m fmbench_lib.load.sending.worker PLAN` with the engine at the other end of its standard streams;
`worker_protocol` has the plan and the messages.

Only the standard library is imported, so that the process starts in a few hundredths of a second and stays small.
"""

from __future__ import annotations

import fcntl
import gc
import json
import os
import signal
import socket
import sys
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING

from fmbench_lib.host.disk_space import DISK_FULL_EXIT, is_full
from fmbench_lib.host.process_limits import allow_many_sockets, claim_priority
from fmbench_lib.load.sending import clocks
from fmbench_lib.load.sending.connection import monotonic_ns
from fmbench_lib.load.sending.exchange import Exchange
from fmbench_lib.load.sending.loop import NAP_NS, Loop
from fmbench_lib.load.sending.pacing import RAMP_POSITIONS, ClosedPacing, Due, OpenPacing, Pacing, WindowStart
from fmbench_lib.load.sending.poller import IN
from fmbench_lib.load.sending.pool import Carrier, Pool
from fmbench_lib.load.sending.prebuilt import Prompts
from fmbench_lib.load.sending.sent_marks import SentMark
from fmbench_lib.load.sending.targets import Target
from fmbench_lib.load.sending.timeouts import Deadlines, Limits
from fmbench_lib.load.sending.worker_protocol import CUT, KEYS, Message, SigningScope, WorkerPlan
from fmbench_lib.load.sending.worker_report import WorkerReport

if TYPE_CHECKING:
    from fmbench_lib.load.sending.request_signing import Signer

_TICK_NS = 500_000_000
_STOPPED_NS = 2_500_000_000
_MOST_TURNS = 1000  # of the loop, to read what has arrived
_STARTS_PER_TURN = 8
_MOST_FINISHED = 1000  # exchanges that may wait to be spooled
_MOST_HELD = 32 << 20  # bytes of these


class Worker:
    """Sends this worker's share of a level and spools what comes back. `channel` leads to the engine."""

    def __init__(self, plan: WorkerPlan, loop: Loop, channel: IO[str]) -> None:
        self.loop = loop
        self.level_id = plan["level_id"]
        self.warmup, self.first_measured = plan["warmup"], plan["first_measured"]
        self.pool = Pool(plan, loop, self.done)
        self.prompts = Prompts(plan["prompts_fd"], Path(plan["index"]))
        self.signer = _signer_of(plan["signing"], self.prompts)
        self.window = WindowStart(Path(plan["shared"]))
        self.sent = SentMark(Path(plan["sent"]), plan["number"])
        self.pacing: Pacing = (
            OpenPacing(plan, self.signer, self.stop)
            if plan["concurrency"] is None
            else ClosedPacing(plan, self.window, self.signer, self.stop)
        )
        self.deadlines = Deadlines(Limits.of(plan["load"]))
        self.report = WorkerReport(with_latencies=plan["latencies"])
        self.active: dict[Exchange, Carrier] = {}
        self.finished: deque[Exchange] = deque()  # not spooled yet
        self.held = 0  # bytes of these
        self.parts: Iterator[bytes] | None = None  # what is left to write of the first of them
        self.most_bytes = plan["load"]["max_response_bytes"]
        self.more_to_start = False
        self.write_each = plan["write_each"]
        buffering = 0 if self.write_each else 1 << 20
        self.spool = Path(plan["spool"]).open("wb", buffering)  # noqa: SIM115 - closed at the end of `run`
        if self.write_each:
            fcntl.flock(self.spool, fcntl.LOCK_EX)  # who waits for it knows when the last answer is in
        self.stopped_ns: int | None = None
        self.told = False  # to stop, by the engine
        self.orphaned = False  # the engine is gone
        self.last_tick = 0
        self._channel = channel
        self._received = b""  # from the engine, up to a line that is not complete yet
        self._stamping = socket.socket()  # the kernel begins to stamp when the first socket asks, and not at once
        loop.nap_ns = NAP_NS if clocks.ask_for_stamps(self._stamping) else 0

    # -- the level ---------------------------------------------------------------------------------------------

    def run(self, begin_ns: int) -> None:
        """Send until the level is over, then wait until the last answer is here or timed out."""
        self.pacing.begin(begin_ns)
        self._await(begin_ns)
        while self.stopped_ns is None or self.active:
            now = monotonic_ns()
            self.start_due(now)
            if self.stopped_ns is not None and not self.active:
                break
            if self.more_to_start or self.finished or self.pacing.sign_ahead():
                if not self.loop.turn(0):
                    self.write_next()
                while len(self.finished) > _MOST_FINISHED or self.held > _MOST_HELD:
                    self.write_next()
                    if self.parts is not None:
                        self.loop.turn(0)
            else:
                self.loop.turn(self.wait_seconds(monotonic_ns()))
            now = monotonic_ns()
            if now - self.last_tick > _STOPPED_NS and self.last_tick:
                self.catch_up(now)
            self.expire(now)
            if now - self.last_tick > _TICK_NS:
                self.tick(now)
        while self.finished:
            self.write_next()
        self.spool.close()
        self.say(self.report.end(self.pacing, self.stopped_ns, told=self.told))

    def _await(self, begin_ns: int) -> None:
        """Wait for the beginning of the level, and sign ahead meanwhile."""
        while monotonic_ns() < begin_ns:
            if self.pacing.sign_ahead():
                continue
            self.loop.alarm.set(begin_ns)
            self.loop.turn(max(begin_ns - monotonic_ns(), 0) / 1e9 + 0.001)

    def start_due(self, now: int) -> None:
        """Start what is to start by now: a request for each free slot, or all that are due.

        No more than a few at once: what arrives meanwhile should not wait for a hundred sends.
        """
        for _ in range(_STARTS_PER_TURN):
            if self.stopped_ns is not None or (due := self.pacing.take(now)) is None:
                self.more_to_start = False
                return
            self.start(due)
        self.more_to_start = True

    def stop(self, when_ns: int) -> None:
        """Send nothing more; the window ends at this time."""
        self.stopped_ns = when_ns
        self.report.stopped()

    # -- requests ------------------------------------------------------------------------------------------------

    def start(self, due: Due) -> None:
        """Send a request to the address that is next."""
        position, prompt, due_ns, cap_wait_ns = due
        if position == self.first_measured:
            self.window.set(due_ns)
        if position < RAMP_POSITIONS:
            self.sent.set(position)
        target = self.pool.choose()
        line, rest = self.prompts.wire(prompt)
        line, proxy_headers = target.request(line)
        headers = f"x-request-id: {self.level_id}-{position}\r\nhost: {target.authority}\r\n{proxy_headers}"
        signature = b"" if self.signer is None else self.signer.headers(prompt, target.authority)
        wire = b"".join((line, headers.encode(), signature, rest))
        measured = self.warmup <= position < RAMP_POSITIONS
        exchange = Exchange(
            position,
            prompt,
            wire,
            target,
            measured=measured,
            due_ns=due_ns,
            cap_wait_ns=cap_wait_ns,
            most_bytes=self.most_bytes,
        )
        self.report.started(exchange)
        self.dispatch(exchange, target)
        self.deadlines.watch(exchange, monotonic_ns())

    def dispatch(self, exchange: Exchange, target: Target) -> None:
        """Hand a request to what carries it: an idle connection, or else a new one."""
        connection = self.pool.idle(target)
        if connection is None:
            self.connect(exchange, target)
        else:
            self.active[exchange] = connection
            connection.send(exchange)

    def connect(self, exchange: Exchange, target: Target) -> None:
        """Open a connection for a request; it fails at once where the address has no resolved host."""
        connection = self.active[exchange] = self.pool.new(target)
        if target.address is None:
            exchange.error, exchange.message = "dns", target.failure
            exchange.end_ns = monotonic_ns()
            self.done(connection, exchange)
        else:
            connection.connect(exchange)

    def done(self, carrier: Carrier, exchange: Exchange) -> None:
        """An exchange is over: send it again if it never reached the server, else let another begin and spool it."""
        if exchange.met_closed_connection(carrier.opening_ns):
            exchange.reset()
            exchange.retried = 1
            self.connect(exchange, carrier.target)
            return
        del self.active[exchange]
        self.pool.over(carrier.target, exchange)
        self.pacing.ended()
        self.report.ended(exchange)
        self.finished.append(exchange)
        self.held += exchange.held
        if self.write_each:
            self.write_next()

    def write_next(self) -> None:
        """Spool what finished first, or the next part of it, and let go of its bytes. Called when nothing has arrived:
        it can wait."""
        if not self.finished:
            return
        exchange = self.finished[0]
        if exchange.is_long and not self.write_each:
            self.parts = self.parts or exchange.parts()
            if (part := next(self.parts, None)) is not None:
                self.spool.write(part)
                return
            self.parts = None
        else:
            self.spool.write(exchange.packed())
        self.finished.popleft()
        self.held -= exchange.held
        exchange.let_go()

    # -- time ----------------------------------------------------------------------------------------------------

    def expire(self, now: int) -> None:
        """End what has run out of time."""
        for exchange, message in self.deadlines.expired(self.active, now):
            self.active[exchange].abandon("timeout", message)

    def catch_up(self, now: int) -> None:
        """This process was stopped: read what has arrived meanwhile before anything is given up as late."""
        self.deadlines.stopped(now, now - self.last_tick - _TICK_NS)
        for _ in range(_MOST_TURNS):
            if not self.loop.turn(0):
                break

    def wait_seconds(self, now: int) -> float:
        """How long the loop may sleep; it is woken sooner by what arrives, and by the next start."""
        until = now + _TICK_NS
        if self.deadlines.next_ns is not None:
            until = min(until, self.deadlines.next_ns)
        if self.stopped_ns is None and (at := self.pacing.next_ns()) is not None:
            self.loop.alarm.set(at)
            if self.loop.alarm.fd is None:
                until = min(until, at)
        return max(until - now, 0) / 1e9

    def tick(self, now: int) -> None:
        """Tell the engine how far this is; what is spooled can be read from now on."""
        self.last_tick = now
        self.spool.flush()
        self.say(self.report.progress(len(self.active)))

    # -- the engine ----------------------------------------------------------------------------------------------

    def receive(self) -> None:
        """Read what the engine says: stop, or new keys. At its end of file it is gone, and so is this process."""
        data = os.read(sys.stdin.fileno(), 1 << 16)
        if not data:
            self.engine_gone()
            return
        *lines, self._received = (self._received + data).split(b"\n")
        for line in lines:
            if self.signer is not None and line.startswith(KEYS):
                self.signer.take_keys(line)
            elif line == CUT:
                self.cut()
            elif self.stopped_ns is None:
                self.told = True
                self.stop(monotonic_ns())

    def cut(self) -> None:
        """End what is in flight; whoever continues the level sends it again."""
        for carrier in list(self.active.values()):
            self.told = True
            carrier.abandon("cancelled", "the level was stopped while this request was in flight")

    def engine_gone(self) -> None:
        """End with the engine; only answers that must not be lost are waited for, and nothing more is sent."""
        if not self.write_each:
            os._exit(3)
        self.orphaned = True
        self.loop.forget(sys.stdin.fileno())
        if self.stopped_ns is None:
            self.stop(monotonic_ns())

    def say(self, message: Message) -> None:
        """Send a message to the engine."""
        if self.orphaned:
            return
        try:
            self._channel.write(json.dumps(message) + "\n")
            self._channel.flush()
        except BrokenPipeError:
            self.engine_gone()


def _signer_of(signing: SigningScope | None, prompts: Prompts) -> Signer | None:
    """Who signs what is sent to AWS; a worker that signs nothing imports nothing of it, and starts sooner."""
    if signing is None:
        return None
    from fmbench_lib.aws.signing import Signing
    from fmbench_lib.load.sending.request_signing import Signer

    return Signer(Signing(**signing), prompts)


def main(plan_path: str) -> None:
    """Work on the plan in this file from the engine's `go` on."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # an interrupt reaches the engine, which ends its workers
    allow_many_sockets()
    claim_priority()
    plan: WorkerPlan = json.loads(Path(plan_path).read_text(encoding="utf-8"))
    loop = Loop()
    worker = Worker(plan, loop, sys.stdout)
    worker.say({"event": "ready"})
    line = sys.stdin.readline()
    if worker.signer is not None:
        worker.signer.take_keys(line.encode())
        line = sys.stdin.readline()
    if not line.startswith("go "):
        return
    loop.watch(sys.stdin.fileno(), IN, lambda _: worker.receive())
    gc.collect()
    gc.freeze()
    gc.disable()
    try:
        worker.run(int(line.split()[1]))
    except OSError as error:
        if not is_full(error):
            raise
        os._exit(DISK_FULL_EXIT)  # what is buffered cannot be written either


if __name__ == "__main__":
    main(sys.argv[1])
