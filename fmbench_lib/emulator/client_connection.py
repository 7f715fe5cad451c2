"""A client's connection: reads with the kernel's receive timestamp, non-blocking writes, plain or TLS."""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
import time
from collections.abc import Callable

from fmbench_lib.emulator.framing import RequestReader

SO_TIMESTAMPING = 37
_RX_SOFTWARE_STAMPS = 8 | 16
_TIMESPEC = struct.Struct("qq")
_READ_BYTES = 65_536
_ANCILLARY_BYTES = socket.CMSG_SPACE(48)
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


def stamp_receipts(sock: socket.socket) -> bool:
    """Ask the kernel to timestamp what arrives; accepted sockets inherit this from their listener. False where it
    cannot."""
    try:
        sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPING, _RX_SOFTWARE_STAMPS)
    except OSError:
        return False
    return True


class Connection:
    """One accepted connection. `stamp_ns` is the wall-clock time at which the data read last had arrived."""

    __slots__ = (
        "fd",
        "first_stamp_ns",
        "from_kernel",
        "number",
        "pending",
        "reader",
        "send",
        "served",
        "sock",
        "stamp_ns",
    )

    def __init__(self, sock: socket.socket, number: int) -> None:
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock = sock
        self.fd = sock.fileno()
        self.number = number
        self.served = 0
        self.reader = RequestReader()
        self.pending = b""
        self.stamp_ns = 0
        self.first_stamp_ns = 0
        self.from_kernel = True
        self.send: Callable[[bytes], int] = sock.send
        """Passes bytes to the kernel and returns how many it took; raises BlockingIOError for none, or OSError."""

    def receive(self) -> bytes | None:
        """The data that has arrived, b"" for none yet, None when the client has closed or reset the connection."""
        try:
            data, ancillary, _, _ = self.sock.recvmsg(_READ_BYTES, _ANCILLARY_BYTES)
        except BlockingIOError:
            return b""
        except OSError:
            return None
        if not data:
            return None
        for level, kind, value in ancillary:
            if level == socket.SOL_SOCKET and kind == SO_TIMESTAMPING:
                seconds, nanoseconds = _TIMESPEC.unpack_from(value)
                if seconds:
                    self.stamp_ns = seconds * 1_000_000_000 + nanoseconds
                    self.from_kernel = True
                    return data
        self.stamp_ns = time.time_ns()
        self.from_kernel = False
        return data

    def keep_unsent(self, data: bytes, sent: int) -> None:
        """Keep what `send` did not take of `data`, for `flush`."""
        self.pending = data[sent:]

    def flush(self) -> bool:
        """Try to send the pending data; True when none is left. Raises OSError when the connection is gone."""
        try:
            self.pending = self.pending[self.sock.send(self.pending) :]
        except BlockingIOError:
            return False
        return not self.pending

    def reset(self) -> None:
        """Close with an RST: data that the client has not read yet is lost."""
        with contextlib.suppress(OSError):
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        self._release()

    def close(self) -> None:
        """Close the connection normally."""
        self._release()

    def _release(self) -> None:
        self.sock.close()
        # Over TLS this is a bound method: a reference cycle, and garbage collection is off.
        self.send = self.sock.send


class TlsConnection(Connection):
    """The same over TLS. The cipher works in memory, so reads and their timestamps remain the kernel's."""

    __slots__ = ("_established", "_incoming", "_outgoing", "_tls")

    def __init__(self, sock: socket.socket, number: int, context: ssl.SSLContext) -> None:
        super().__init__(sock, number)
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        self._established = False
        self.send = self._encrypt_and_send

    def receive(self) -> bytes | None:
        """As above, decrypted; b"" too while the handshake is under way or a record is incomplete."""
        encrypted = super().receive()
        if not encrypted:
            return encrypted
        self._incoming.write(encrypted)
        try:
            if not self._established:
                self._tls.do_handshake()
                self._established = True
            return self._decrypt()
        except ssl.SSLWantReadError:
            return b""
        except ssl.SSLError:
            return None
        finally:
            self._send_outgoing()

    def _encrypt_and_send(self, data: bytes) -> int:
        """Like a socket's `send`. Encrypted data that the socket does not take is pending, and 0 is returned."""
        self._tls.write(data)
        self.pending += self._outgoing.read()
        return len(data) if self.flush() else 0

    def keep_unsent(self, data: bytes, sent: int) -> None:
        """Nothing to keep: unsent data is already pending in encrypted form."""

    def close(self) -> None:
        """Send the TLS closing alert, then close the connection."""
        with contextlib.suppress(ssl.SSLError, OSError):
            self._tls.unwrap()
        self._send_outgoing()
        super().close()

    def _decrypt(self) -> bytes | None:
        parts: list[bytes] = []
        try:
            while part := self._tls.read(_READ_BYTES):
                parts.append(part)
        except ssl.SSLWantReadError:
            return b"".join(parts)
        return b"".join(parts) or None

    def _send_outgoing(self) -> None:
        if self._outgoing.pending:
            self.pending += self._outgoing.read()
            with contextlib.suppress(OSError):
                self.flush()
