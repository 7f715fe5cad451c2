"""The emulator's listening socket, which can refuse connections for a while and keep its port."""

from __future__ import annotations

import contextlib
import select
import socket
import time
from collections.abc import Callable

from fmbench_lib.emulator.client_connection import stamp_receipts
from fmbench_lib.emulator.event_loop import Loop
from fmbench_lib.errors import InputError

_NS = 1_000_000_000
_BACKLOG = 4096
_ACCEPTS_PER_TURN = 8


class Listener:
    """A bound socket; connections are accepted after `listen`. Raises InputError where the address is unavailable."""

    def __init__(self, host: str, port: int) -> None:
        self._sock = _bind(host, port)
        self.address: tuple[str, int] = self._sock.getsockname()[:2]

    def listen(self, loop: Loop, on_connection: Callable[[socket.socket], None]) -> None:
        """Accept connections from now on, each passed to `on_connection`."""
        self._sock.listen(_BACKLOG)
        loop.watch(self._sock.fileno(), select.EPOLLIN, lambda mask: self._accept(on_connection))

    def refuse_for(self, seconds: float, loop: Loop, on_connection: Callable[[socket.socket], None]) -> None:
        """Stop listening for so long. The socket is shut down, not closed, so it keeps its port."""
        with contextlib.suppress(KeyError):
            loop.unwatch(self._sock.fileno())
            self._sock.shutdown(socket.SHUT_RDWR)
            loop.call_at(time.monotonic_ns() + round(seconds * _NS), lambda: self.listen(loop, on_connection))

    def close(self) -> None:
        """Release the address."""
        self._sock.close()

    def _accept(self, on_connection: Callable[[socket.socket], None]) -> None:
        # epoll reports the remaining ones again: accepting a burst at once would delay the writes that are due.
        for _ in range(_ACCEPTS_PER_TURN):
            try:
                sock, _ = self._sock.accept()
            except OSError:
                return
            on_connection(sock)


def _bind(host: str, port: int) -> socket.socket:
    """A bound socket that does not listen yet.

    It is bound to a port number even when any port will do: only then does the port survive a shutdown of listening.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            for sock in (probe, listener):
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
            listener.bind(probe.getsockname())
    except (OSError, OverflowError) as error:
        listener.close()
        raise InputError(f"the emulator cannot listen on {host}:{port}: {error}") from None
    listener.setblocking(False)
    stamp_receipts(listener)
    return listener
