"""The server: reads requests, has each answered, and keeps the ledger."""

from __future__ import annotations

import contextlib
import gc
import select
import socket
import ssl
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from fmbench_lib.emulator.behaviour import Behaviour, Planner
from fmbench_lib.emulator.client_connection import Connection, TlsConnection
from fmbench_lib.emulator.clock import wall_offset_ns
from fmbench_lib.emulator.event_loop import Loop, Stream
from fmbench_lib.emulator.faults import Fault, requested_fault
from fmbench_lib.emulator.framing import CONTINUE, Request, whole
from fmbench_lib.emulator.injection import write_script
from fmbench_lib.emulator.ledger import LedgerEntry, LedgerFile
from fmbench_lib.emulator.listener import Listener
from fmbench_lib.emulator.metrics_page import Counters, ledger_script
from fmbench_lib.emulator.received_images import images_in
from fmbench_lib.emulator.serving_slots import Slots
from fmbench_lib.emulator.timeline import Ending, Scene, Script
from fmbench_lib.emulator.wires.base import RefusedError, Wire
from fmbench_lib.errors import DataError, InputError, ProtocolError

_NS = 1_000_000_000
_OLDEST_RECEIPT_NS = 60 * _NS
_READ = select.EPOLLIN
_READ_WRITE = select.EPOLLIN | select.EPOLLOUT


class Server:
    """An endpoint that behaves as configured. Its address is bound on creation; `run` serves until it is stopped."""

    def __init__(
        self,
        behaviour: Behaviour,
        wires: Sequence[Wire],
        host: str = "127.0.0.1",
        port: int = 0,
        tls: ssl.SSLContext | None = None,
        ledger: Path | None = None,
    ) -> None:
        if not hasattr(select, "epoll"):
            raise InputError("the emulator needs Linux: it uses epoll and timerfd")
        self._behaviour = behaviour
        self._wires = wires
        self._tls = tls
        self._planner = Planner(behaviour)
        self._listener = Listener(host, port)
        self.address = self._listener.address
        try:
            self._ledger = LedgerFile(ledger)
        except DataError:
            self._listener.close()
            raise
        self._loop = Loop(self)
        self._slots: Slots[Stream] = Slots(behaviour.slots)
        self._streams: dict[int, Stream] = {}
        self._connections: dict[int, Connection] = {}
        self._counters = Counters()
        self._accepted = 0
        self._first_ns = 0
        self._thawed_ns = 0
        self._listener.listen(self._loop, self._on_connection)

    def run(self) -> None:
        """Serve until `stop`; on return the ledger is complete and everything is closed."""
        # Nothing here creates cycles that matter, and a collection during a stream would delay its writes.
        gc.collect()
        gc.freeze()
        gc.disable()
        try:
            self._loop.run()
        finally:
            gc.enable()
            for stream in list(self._streams.values()):
                self._ledger.add(stream.current_entry())
            for connection in self._connections.values():
                connection.close()
            self._listener.close()
            self._loop.close()
            self._ledger.close()

    def stop(self) -> None:
        """Make `run` return."""
        self._loop.stop()

    def stop_on_signals(self) -> None:
        """From now on SIGTERM and SIGINT call `stop`."""
        self._loop.stop_on_signals()

    def stop_at_end_of(self, fd: int) -> None:
        """Stop when this pipe is closed at its other end: the process that started the emulator is gone."""
        self._loop.watch(fd, select.EPOLLIN, lambda mask: self._loop.stop())

    # connections

    def _on_connection(self, sock: socket.socket) -> None:
        self._accepted += 1
        number = self._accepted
        connection = TlsConnection(sock, number, self._tls) if self._tls else Connection(sock, number)
        self._connections[connection.fd] = connection
        self._loop.watch(connection.fd, _READ, partial(self._ready, connection))

    def _ready(self, connection: Connection, mask: int) -> None:
        if mask & select.EPOLLOUT and not self._flushed(connection):
            return
        if not mask & ~select.EPOLLOUT:
            return
        began = bool(connection.reader)
        data = connection.receive()
        if data is None:
            self._drop(connection)
        elif data:
            if not began:
                connection.first_stamp_ns = connection.stamp_ns
            connection.reader.feed(data)
            self._next_request(connection)

    def _flushed(self, connection: Connection) -> bool:
        """Send the pending data of a slow client; False when the connection is gone."""
        try:
            complete = connection.flush()
        except OSError:
            self._drop(connection)
            return False
        if complete:
            self._loop.change_watch(connection.fd, _READ)
            stream = self._streams.get(connection.fd)
            if stream is not None and stream.parked:
                stream.parked = False
                self._proceed(stream)
        return connection.fd in self._connections

    def _drop(self, connection: Connection) -> None:
        """The client is gone."""
        stream = self._streams.get(connection.fd)
        if stream is not None:
            self.lost(stream)
        else:
            self._close(connection, Ending.CLOSE)

    def _close(self, connection: Connection, ending: Ending) -> None:
        self._loop.unwatch(connection.fd)
        del self._connections[connection.fd]
        if ending is Ending.RESET:
            connection.reset()
        else:
            connection.close()

    # requests

    def _next_request(self, connection: Connection) -> None:
        if connection.fd in self._streams:
            return  # it is read once the answer before it has ended
        try:
            request = connection.reader.next()
        except ProtocolError as error:
            self._send(connection, Script(400, whole(400, "text/plain", str(error).encode()), iter(())), False)
            return
        if request is not None:
            connection.served += 1
            self._answer(connection, request)
        elif connection.reader.wants_continue:
            connection.reader.wants_continue = False
            with contextlib.suppress(OSError):
                connection.send(CONTINUE)

    def _answer(self, connection: Connection, request: Request) -> None:
        wire = next((wire for wire in self._wires if wire.accepts(request.method, request.path)), None)
        if wire is None:
            self._answer_other(connection, request)
            return
        try:
            task = wire.read(request)
            fault = requested_fault(request.headers, task.prompt)
        except RefusedError as error:
            refusal = wire.refusal(error.status, str(error), error.headers)
            self._send(connection, Script(error.status, refusal, iter(())), request.keep_alive)
            return
        except (ProtocolError, InputError) as error:
            self._send(connection, Script(400, wire.refusal(400, str(error), {}), iter(())), request.keep_alive)
            return
        self._counters.requests += 1
        number = self._counters.requests
        start = self._start_ns(connection)
        request_id = request.headers.get("x-request-id") or f"emulated-{number}"
        under_way = self._slots.active + self._slots.waiting
        plan = self._planner.plan(task, request_id, number, (start - self._first_ns) / _NS, fault, under_way)
        script = write_script(Scene(self._behaviour, task, plan, wire, lambda: self._slots.active))
        entry = LedgerEntry(
            request_id,
            number,
            connection.number,
            connection.served,
            received_first_ns=connection.first_stamp_ns,
            received_ns=connection.stamp_ns,
            prompt_tokens=task.prompt_tokens,
            cached_tokens=plan.cached_tokens,
            tokens=script.tokens,
            status=script.status,
            stamp_source="kernel" if connection.from_kernel else "user",
            fault=str(plan.fault or ""),
            images=images_in(request.body),
        )
        self._begin(Stream(connection, script, entry, request.keep_alive), start, plan.fault)

    def _start_ns(self, connection: Connection) -> int:
        """When the request was received, on the monotonic clock; nothing is received while the server is frozen."""
        now = time.monotonic_ns()
        start = connection.stamp_ns - wall_offset_ns()
        # Outside these bounds the wall clock was set between the receipt and now.
        if not now - _OLDEST_RECEIPT_NS < start <= now:
            start = now
        start = max(start, self._thawed_ns)
        if not self._first_ns:
            self._first_ns = start
            if self._behaviour.stall_at is not None:
                self._loop.call_at(start + round(self._behaviour.stall_at * _NS), self._freeze)
        return start

    def _begin(self, stream: Stream, start_ns: int, fault: Fault | None) -> None:
        connection = stream.connection
        self._streams[connection.fd] = stream
        if fault is not None and fault.kind == "refuse":
            self._listener.refuse_for(fault.seconds or 0.0, self._loop, self._on_connection)
        if fault is not None and fault.kind == "lost_request" and connection.served > 1:
            self._end(stream, "closed", Ending.CLOSE)
            return
        self._send_opening(stream, start_ns)

    def _send_opening(self, stream: Stream, start_ns: int) -> None:
        """Send what needs no waiting; after that the stream may get its slot."""
        stream.due = start_ns
        opening = stream.script.opening
        try:
            sent = stream.send(opening) if opening else 0
        except BlockingIOError:
            sent = 0
        except OSError:
            self.lost(stream)
            return
        if sent == len(opening):
            self._proceed(stream)
        else:
            self.blocked(stream, sent, opening)

    def _proceed(self, stream: Stream) -> None:
        """Everything so far is sent: get a slot, or with one continue with the next step."""
        if stream.started:
            self._loop.resume(stream)
        elif not stream.entry.number or stream.script.status != 200 or self._slots.arrive(stream):
            self._start(stream, stream.due)

    def _start(self, stream: Stream, at_ns: int, granted_ns: int = 0) -> None:
        stream.started = True
        stream.entry.granted_ns = granted_ns or stream.entry.received_ns
        self._loop.start(stream, at_ns)

    def _freeze(self) -> None:
        begin = time.monotonic_ns()
        self._loop.freeze(round(self._behaviour.stall_for * _NS))
        self._thawed_ns = time.monotonic_ns()
        self._loop.shift(self._thawed_ns - begin)
        for stream in self._streams.values():
            if stream.parked:
                stream.due += self._thawed_ns - begin

    # what becomes of a stream

    def finished(self, stream: Stream) -> None:
        """Every step has been written: end the stream as its script says."""
        script = stream.script
        if script.ending is Ending.HANG:
            stream.entry.outcome, stream.entry.end_ns = script.outcome, time.time_ns()
        elif script.ending is Ending.KEEP and not stream.keep_alive:
            self._end(stream, script.outcome, Ending.CLOSE)
        else:
            self._end(stream, script.outcome, script.ending)

    def lost(self, stream: Stream) -> None:
        """The client closed or reset the connection before the answer's end."""
        hung = stream.entry.outcome == "hung"
        self._end(stream, "hung" if hung else "client_closed", Ending.CLOSE)

    def blocked(self, stream: Stream, sent: int, data: bytes | None = None) -> None:
        """The client reads slowly, and the kernel took only `sent` bytes: `_flushed` continues."""
        stream.parked = True
        stream.entry.blocked += 1
        stream.connection.keep_unsent(stream.data if data is None else data, sent)
        self._loop.change_watch(stream.connection.fd, _READ_WRITE)

    def _end(self, stream: Stream, outcome: str, ending: Ending) -> None:
        connection = stream.connection
        stream.alive = False
        del self._streams[connection.fd]
        if stream.entry.number:
            entry = stream.current_entry()
            entry.outcome, entry.end_ns = outcome, entry.end_ns or time.time_ns()
            self._ledger.add(entry)
            self._counters.ended(entry)
        if ending is not Ending.KEEP:
            self._close(connection, ending)
        elif connection.reader:
            self._loop.call_at(0, lambda: self._go_on(connection))
        following = self._slots.leave(stream)
        if following is not None:
            self._start(following, time.monotonic_ns(), time.time_ns())

    def _go_on(self, connection: Connection) -> None:
        if self._connections.get(connection.fd) is connection:
            self._next_request(connection)

    # requests that generate nothing

    def _answer_other(self, connection: Connection, request: Request) -> None:
        if request.path == "/ledger":
            entries = [stream.current_entry() for stream in self._streams.values() if stream.entry.number]
            script = ledger_script(self._ledger, entries, as_json="format=binary" not in request.query)
        else:
            others = (answer for wire in self._wires if (answer := wire.other(request)) is not None)
            page = self._counters.page(request.path, self._slots) or next(others, None)
            script = Script(200, page or whole(404, "text/plain", b"no such path"), iter(()))
        self._send(connection, script, request.keep_alive)

    def _send(self, connection: Connection, script: Script, keep_alive: bool) -> None:
        """Send an answer that the ledger does not count."""
        stream = Stream(connection, script, LedgerEntry("", 0, connection.number, connection.served), keep_alive)
        self._streams[connection.fd] = stream
        self._send_opening(stream, time.monotonic_ns())
