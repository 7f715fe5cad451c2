"""One thread, one epoll, one heap of due writes, and as little as possible in between.

Writes are scheduled at absolute times of the monotonic clock: a late one does not delay the next.
"""

from __future__ import annotations

import contextlib
import heapq
import select
import signal
import socket
import time
from collections.abc import Callable
from itertools import count
from types import FrameType
from typing import Protocol

from fmbench_lib.emulator.client_connection import Connection
from fmbench_lib.emulator.clock import Timer, wall_offset_ns
from fmbench_lib.emulator.ledger import LedgerEntry
from fmbench_lib.emulator.timeline import Script

_WRITES_PER_TURN = 256
# A new request can wait, since its TTFT follows; a due write cannot: so few descriptors are handled between writes.
_EVENTS_PER_TURN = 8
# Sleeping and waking up costs as much as spinning for this long.
_SPIN_NS = 10_000


class Stream:
    """An answer in progress: the next thing to write and when."""

    __slots__ = (
        "alive",
        "connection",
        "data",
        "due",
        "entry",
        "events",
        "keep_alive",
        "late_max_ns",
        "next_step",
        "parked",
        "record_write",
        "script",
        "send",
        "span_max_ns",
        "started",
    )

    def __init__(self, connection: Connection, script: Script, entry: LedgerEntry, keep_alive: bool) -> None:
        self.connection = connection
        self.script = script
        self.entry = entry
        self.keep_alive = keep_alive
        self.alive = True
        self.started = False
        self.parked = False
        self.due = 0
        self.data = b""
        self.events = 0
        self.late_max_ns = 0
        self.span_max_ns = 0
        # Bound once: the hot path uses each for every event.
        self.send = connection.send
        self.next_step = script.steps.__next__
        self.record_write = entry.writes.append

    def current_entry(self) -> LedgerEntry:
        """The ledger entry, brought up to date."""
        self.entry.late_max_ns = self.late_max_ns
        self.entry.span_max_ns = self.span_max_ns
        return self.entry


class Owner(Protocol):
    """Receives what becomes of streams."""

    def finished(self, stream: Stream) -> None:
        """Its last step was passed to the kernel."""
        ...

    def lost(self, stream: Stream) -> None:
        """Its client is gone."""
        ...

    def blocked(self, stream: Stream, sent: int) -> None:
        """The client reads slowly, and only `sent` bytes were taken: call `resume` once the rest has been sent."""
        ...


class Loop:
    """Waits for sockets and for due writes; `run` returns after `stop`."""

    def __init__(self, owner: Owner) -> None:
        self._owner = owner
        self._epoll = select.epoll()
        self._timer = Timer()
        self._handlers: dict[int, Callable[[int], None]] = {self._timer.fd: lambda mask: None}
        # Edge-triggered: an expiry is reported once and needs no read.
        self._epoll.register(self._timer.fd, select.EPOLLIN | select.EPOLLET)
        self._heap: list[tuple[int, int, Stream]] = []
        self._calls: list[tuple[int, int, Callable[[], None]]] = []
        self._order = count().__next__
        self._stopping = False
        self._wake, self._woken = socket.socketpair()
        self.watch(self._woken.fileno(), select.EPOLLIN, lambda mask: None)

    def watch(self, fd: int, mask: int, handler: Callable[[int], None]) -> None:
        """Call `handler(mask)` when the descriptor is ready."""
        self._handlers[fd] = handler
        self._epoll.register(fd, mask)

    def change_watch(self, fd: int, mask: int) -> None:
        """Change the events that a descriptor is watched for."""
        self._epoll.modify(fd, mask)

    def unwatch(self, fd: int) -> None:
        """Stop watching the descriptor; call this before it is closed."""
        del self._handlers[fd]
        self._epoll.unregister(fd)

    def call_at(self, due_ns: int, call: Callable[[], None]) -> None:
        """Call once at this time of the monotonic clock."""
        heapq.heappush(self._calls, (due_ns, self._order(), call))

    def start(self, stream: Stream, at_ns: int) -> None:
        """Begin the stream's first step, whose delay counts from `at_ns`."""
        stream.due = at_ns
        self.resume(stream)

    def resume(self, stream: Stream) -> None:
        """Continue with the stream's next step."""
        try:
            delay, stream.data, stream.events = stream.next_step()
        except StopIteration:
            self._owner.finished(stream)
            return
        stream.due += delay
        heapq.heappush(self._heap, (stream.due, self._order(), stream))

    def shift(self, duration_ns: int) -> None:
        """Postpone everything that is still due by this duration: the server was frozen."""
        for _, _, stream in self._heap:
            stream.due += duration_ns
        self._heap = [(due + duration_ns, order, stream) for due, order, stream in self._heap]

    def freeze(self, duration_ns: int) -> None:
        """Do nothing at all for so long; only `stop` ends it early."""
        poll = select.poll()
        poll.register(self._woken, select.POLLIN)
        poll.poll(duration_ns / 1e6)

    def stop(self) -> None:
        """Make `run` return."""
        self._stopping = True
        with contextlib.suppress(OSError):
            self._wake.send(b"\0")

    def stop_on_signals(self) -> None:
        """From now on SIGTERM and SIGINT call `stop`."""
        self._wake.setblocking(False)
        signal.set_wakeup_fd(self._wake.fileno(), warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)

    def run(self) -> None:
        """Serve until stopped."""
        while not self._stopping:
            for fd, mask in self._wait():
                # An earlier handler may have closed it.
                handler = self._handlers.get(fd)
                if handler is not None:
                    handler(mask)
            if self._calls:
                self._make_calls()
            if self._heap:
                self._write_due()

    def close(self) -> None:
        """Close the loop's descriptors."""
        self._timer.close()
        self._epoll.close()
        self._wake.close()
        self._woken.close()

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self.stop()

    def _wait(self) -> list[tuple[int, int]]:
        due = self._heap[0][0] if self._heap else None
        if self._calls and (due is None or self._calls[0][0] < due):
            due = self._calls[0][0]
        if due is None:
            return self._epoll.poll()
        if due <= time.monotonic_ns():
            return self._epoll.poll(0, _EVENTS_PER_TURN)
        self._timer.arm(due)
        return self._epoll.poll(None, _EVENTS_PER_TURN)

    def _make_calls(self) -> None:
        while self._calls and self._calls[0][0] <= time.monotonic_ns():
            heapq.heappop(self._calls)[2]()

    def _write_due(self) -> None:
        """Make the writes that are due. This is the hot path: one function, with every name looked up once."""
        heap, order, wall, replace, pop = self._heap, self._order, time.time_ns, heapq.heapreplace, heapq.heappop
        offset, now = wall_offset_ns(), wall()
        for _ in range(_WRITES_PER_TURN):
            if not heap:
                return
            due, _, stream = heap[0]
            if due + offset > now and due + offset > (now := wall()):
                if due + offset > now + _SPIN_NS:
                    return
                continue
            if not stream.alive:
                pop(heap)
                continue
            if data := stream.data:
                before, sent = wall(), 0
                try:
                    sent = stream.send(data)
                except OSError as error:
                    if self._is_lost(stream, error):
                        continue
                now = wall()
                if stream.events:
                    stream.record_write(before)
                if now - before > stream.span_max_ns:
                    stream.span_max_ns = now - before
                if before - offset - due > stream.late_max_ns:
                    stream.late_max_ns = before - offset - due
                if sent != len(data):
                    pop(heap)
                    self._owner.blocked(stream, sent)
                    continue
            try:
                delay, stream.data, stream.events = stream.next_step()
            except StopIteration:
                pop(heap)
                self._owner.finished(stream)
                continue
            stream.due = due + delay
            replace(heap, (due + delay, order(), stream))

    def _is_lost(self, stream: Stream, error: OSError) -> bool:
        """Whether a failed send means that the client is gone; then its stream, the first of the heap, is dropped."""
        if isinstance(error, BlockingIOError):
            return False
        heapq.heappop(self._heap)
        self._owner.lost(stream)
        return True
