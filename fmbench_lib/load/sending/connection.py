"""One connection: a non-blocking socket, plain or TLS, whose reads carry the kernel's time of arrival.

The timed path does one read, one stamp, one append and one look for the end of the response; everything else is done
after the level.
"""

from __future__ import annotations

import errno
import os
import socket
import ssl
import time
from collections.abc import Callable
from typing import Any, TypeAlias

from fmbench_lib.errors import ProtocolError
from fmbench_lib.load.sending.exchange import READ_BYTES, Exchange
from fmbench_lib.load.sending.poller import ERROR, HANGUP, IN, OUT, Poller
from fmbench_lib.load.sending.proxies import tunnel_answer
from fmbench_lib.load.sending.spool import NO_STAMP, TIMESPEC_BYTES
from fmbench_lib.load.sending.targets import Target
from fmbench_lib.load.sending.tls_session import TlsSession, tls_message

_READ_BYTES = 1 << 16  # what the allocator gives without asking the kernel for a page
_SHORTEST_TAIL = 4  # bytes of an empty line: a read of fewer may end one that another read began
_ANCILLARY_BYTES = socket.CMSG_SPACE(TIMESPEC_BYTES)

monotonic_ns = time.monotonic_ns

_Received: TypeAlias = tuple[bytes, list[tuple[int, int, bytes]], int, Any]  # as `socket.recvmsg` gives it


class Connection:
    """Carries one exchange at a time. `done(connection, exchange)` is called once for each, success or not."""

    __slots__ = (
        "_answer",
        "_begun_ns",
        "_context",
        "_done",
        "_exchange",
        "_lost",
        "_poller",
        "_receive",
        "_sock",
        "_tls",
        "_trouble",
        "_unsent",
        "_writing",
        "open",
        "opening_ns",
        "target",
    )

    def __init__(
        self,
        target: Target,
        poller: Poller,
        done: Callable[[Connection, Exchange], None],
        lost: Callable[[Connection], None],
        context: ssl.SSLContext | None,
    ) -> None:
        self.target = target
        self.open = False
        self.opening_ns = 0  # what opening it took, with all handshakes
        self._poller, self._done, self._lost, self._context = poller, done, lost, context
        self._receive: Callable[[int, int], _Received] = _nothing
        self._trouble = "connect"  # the error class of what goes wrong now
        self._exchange: Exchange | None = None
        self._unsent: memoryview = memoryview(b"")
        self._writing = False
        self._tls: TlsSession | None = None
        self._begun_ns = 0
        self._answer = b""  # of a proxy to a request for a tunnel

    # -- opening -------------------------------------------------------------------------------------------------

    def connect(self, exchange: Exchange) -> None:
        """Open the connection for its first exchange; `connect_ns` covers TCP, a proxy's tunnel and TLS."""
        self._exchange = exchange
        self._begun_ns = exchange.begun_ns = monotonic_ns()
        assert self.target.address is not None
        try:
            self._sock = self.target.new_socket()
        except OSError as error:
            self._fail("connect", f"this machine gives no more sockets: {error.strerror}")
            return
        self.open = True
        code = self._sock.connect_ex(self.target.address)
        if code not in (0, errno.EINPROGRESS):
            self._unconnected(os.strerror(code))
            return
        self._poller.watch(self._sock.fileno(), IN | OUT, self._on_connecting)
        self._writing = True

    def _on_connecting(self, mask: int) -> None:
        code = self._sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code:
            self._unconnected(os.strerror(code))
            return
        if not mask & OUT:
            return
        try:
            self._sock.getpeername()
        except OSError:
            return  # the readiness was that of an earlier owner of this descriptor
        if self._context is None:
            self._connected()
        elif self.target.proxy is None:
            self._secure()
        else:
            self._poller.handle(self._sock.fileno(), self._on_tunnel)
            self._unsent = memoryview(self.target.proxy.tunnel_request(self.target.host, self.target.port))
            self._flush()

    def _unconnected(self, reason: str) -> None:
        proxy = self.target.proxy
        self._fail("connect", reason if proxy is None else f"proxy {proxy}: {reason}")

    def _on_tunnel(self, mask: int) -> None:
        if mask & OUT and not self._flush():
            return
        try:
            data = self._sock.recv(_READ_BYTES)
            self._answer += data
            wrong = tunnel_answer(self._answer) if data else "it closed the connection instead of opening a tunnel"
        except BlockingIOError:
            return
        except (OSError, ProtocolError) as error:
            wrong = str(error) or "it answered with something else"
        if wrong:
            self._unconnected(wrong)
        elif wrong is not None:
            self._secure()

    def _secure(self) -> None:
        assert self._context is not None
        self._tls = TlsSession(self._context, self.target.host)
        self._trouble = "tls"
        self._poller.handle(self._sock.fileno(), self._on_handshake)
        self._write_interest(False)
        self._shake()

    def _on_handshake(self, mask: int) -> None:
        assert self._tls is not None
        if mask & OUT and not self._flush():
            return
        if mask & (IN | HANGUP | ERROR):
            try:
                data = self._sock.recv(_READ_BYTES)
            except BlockingIOError:
                return
            except OSError as error:
                self._fail("tls", f"handshake: {error.strerror or error}")
                return
            if not data:
                self._fail("tls", "the connection was closed during the handshake")
                return
            self._tls.receive(data)
            self._shake()

    def _shake(self) -> None:
        assert self._tls is not None
        try:
            complete = self._tls.handshake()
        except ssl.SSLError as error:
            self._flush()
            self._fail("tls", tls_message(error))
            return
        if complete:
            self._connected()
        else:
            self._flush()

    def _connected(self) -> None:
        assert self._exchange is not None
        self._exchange.connect_ns = self.opening_ns = monotonic_ns() - self._begun_ns
        self._trouble = "truncated"
        self._receive = self._sock.recvmsg
        self._poller.handle(self._sock.fileno(), self._on_ready)
        self._transmit()

    # -- sending -------------------------------------------------------------------------------------------------

    def send(self, exchange: Exchange) -> None:
        """Send another exchange over this idle connection."""
        self._exchange = exchange
        exchange.reused = True
        self._transmit()

    def alive(self) -> bool:
        """Whether the peer has left this idle connection open, as far as the socket knows by now."""
        try:
            return bool(self._sock.recv(1, socket.MSG_PEEK)) and self._tls is not None
        except BlockingIOError:
            return True
        except OSError:
            return False

    def _transmit(self) -> None:
        exchange = self._exchange
        assert exchange is not None
        wire = exchange.wire
        exchange.sent_ns = monotonic_ns()
        if self._tls is not None:
            try:
                wire = self._tls.encrypt(wire)
            except ssl.SSLError as error:
                self._fail("truncated", f"while sending: {tls_message(error)}")
                return
        self._unsent = memoryview(wire)
        self._flush()

    def _flush(self) -> bool:
        """Send what is unsent; True when nothing is left. A failure ends the exchange."""
        if self._tls is not None and self._tls.has_outgoing:
            self._unsent = memoryview(bytes(self._unsent) + self._tls.outgoing())
        while self._unsent:
            try:
                count = self._sock.send(self._unsent)
            except BlockingIOError:
                self._write_interest(True)
                return False
            except OSError as error:
                self._fail(self._trouble, f"while sending: {error.strerror or error}")
                return False
            self._unsent = self._unsent[count:]
        self._write_interest(False)
        return True

    def _write_interest(self, wanted: bool) -> None:
        if wanted != self._writing:
            self._writing = wanted
            self._poller.change(self._sock.fileno(), IN | OUT if wanted else IN)

    # -- receiving -----------------------------------------------------------------------------------------------

    def _on_ready(self, mask: int) -> None:
        if mask & OUT and ((self._writing and not self._flush()) or mask == OUT):
            return
        try:
            piece, ancillary, _, _ = self._receive(_READ_BYTES, _ANCILLARY_BYTES)
        except BlockingIOError:
            return
        except OSError as error:
            self._closed(error.strerror or str(error))
            return
        now = monotonic_ns()
        if not piece:
            self._closed("")
            return
        exchange = self._exchange
        if self._tls is not None:
            self._on_records(self._tls, piece, now, ancillary)
        elif exchange is None:  # nothing was requested
            self._closed("")
        else:
            exchange.user_ns.append(now)
            exchange.kernel.append(ancillary[0][2] if ancillary else NO_STAMP)
            exchange.pieces.append(piece)
            exchange.left -= len(piece) + READ_BYTES
            if exchange.left < 0 or piece.endswith(exchange.response.tail) or len(piece) < _SHORTEST_TAIL:
                self._look_for_end(exchange)

    def _on_records(self, tls: TlsSession, data: bytes, now: int, ancillary: list[tuple[int, int, bytes]]) -> None:
        """Take what arrived over TLS: one read, and what it decrypts to is one piece."""
        tls.receive(data)
        try:
            piece, ended = tls.decrypt()
        except ssl.SSLError as error:
            self._fail("tls", tls_message(error))
            return
        exchange = self._exchange
        if piece:
            if exchange is None:
                self._closed("")
                return
            exchange.user_ns.append(now)
            exchange.kernel.append(ancillary[0][2] if ancillary else NO_STAMP)
            exchange.pieces.append(piece)
            exchange.left -= len(piece) + READ_BYTES
            self._look_for_end(exchange)
        if ended and self.open:
            self._closed("")

    def _look_for_end(self, exchange: Exchange) -> None:
        try:  # one that is too long is not looked at: to walk through millions of chunks would hold up all others
            finished = exchange.left >= 0 and exchange.response.look()
        except ProtocolError as error:
            self._fail("protocol", str(error))
            return
        if exchange.left < 0:
            self._fail("protocol", exchange.cut())
        elif finished:
            exchange.complete = True
            # A response that came before its request was sent leaves the rest of the request on this connection.
            self._finish(keep=exchange.response.keep_alive and not self._unsent)

    # -- ending --------------------------------------------------------------------------------------------------

    def _closed(self, reason: str) -> None:
        """The peer closed (no reason) or broke the connection."""
        exchange = self._exchange
        if exchange is None:
            self.close()
            self._lost(self)
        elif not reason and exchange.response.ends_with_connection():
            exchange.complete = exchange.closed = True
            self._finish(keep=False)
        else:
            got = "in the middle of the response" if exchange.pieces else "before any response"
            exchange.closed = True
            self._fail("truncated", f"the connection was closed {got}" + (f": {reason}" if reason else ""))

    def abandon(self, error: str, message: str) -> None:
        """End the exchange under way from our side (a time-out, the end of the run)."""
        if self._exchange is not None:
            self._fail(error, message)

    def _fail(self, error: str, message: str) -> None:
        exchange = self._exchange
        if exchange is None:
            self.close()
            self._lost(self)
            return
        exchange.error, exchange.message = error, message
        self._finish(keep=False)

    def _finish(self, *, keep: bool) -> None:
        exchange = self._exchange
        assert exchange is not None
        exchange.end_ns = monotonic_ns()
        self._exchange = None
        if not keep:
            self.close()
        self._done(self, exchange)

    def close(self) -> None:
        """Close the socket; does nothing for a connection that is closed already."""
        if self.open:
            self.open = False
            self._poller.forget(self._sock.fileno())
            self._sock.close()
            self._receive = _nothing  # its bound method would keep the socket alive, as no garbage collector runs


def _nothing(size: int, ancillary: int) -> _Received:
    """Receive nothing: the connection is not open."""
    raise BlockingIOError
