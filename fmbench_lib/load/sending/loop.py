"""The event loop of a worker: readiness, one precise timer, and nothing else.

asyncio would put a future, a callback handle and a context switch between the kernel and the stamp; here a ready
socket is one dictionary look-up away from its read.
"""

from __future__ import annotations

import ctypes
import os
import select
import selectors
import struct
import sys
import time
from collections.abc import Callable

from fmbench_lib.load.sending.poller import ERROR, HANGUP, IN, OUT

_CLOCK_MONOTONIC = 1
_TFD_NONBLOCK_CLOEXEC = 0o2000000 | 0o4000
_TFD_TIMER_ABSTIME = 1

NAP_NS = 200_000
"""Short beside any inter-token latency, long beside a read."""


class Loop:
    """Calls handlers with a readiness mask. Not thread-safe; one per worker process."""

    def __init__(self) -> None:
        self._poll = _open_poll()
        self._handlers: dict[int, Callable[[int], None]] = {}
        self._turned_ns = 0
        self.nap_ns = 0
        self.alarm = Alarm()
        if self.alarm.fd is not None:
            self.watch(self.alarm.fd, IN, self.alarm.rang)

    def watch(self, fd: int, mask: int, handler: Callable[[int], None]) -> None:
        """Call `handler` with a mask whenever the descriptor is ready for what `mask` says."""
        self._handlers[fd] = handler
        self._poll.register(fd, mask)

    def handle(self, fd: int, handler: Callable[[int], None]) -> None:
        """Call another handler from now on."""
        self._handlers[fd] = handler

    def change(self, fd: int, mask: int) -> None:
        """Wait for something else from now on."""
        self._poll.modify(fd, mask)

    def forget(self, fd: int) -> None:
        """Call nothing any more; does nothing for a descriptor that is not watched."""
        if self._handlers.pop(fd, None) is not None:
            self._poll.unregister(fd)

    def turn(self, timeout: float) -> int:
        """Wait at most `timeout` seconds and call the handlers of what is ready; returns how many that were."""
        get = self._handlers.get
        if self.nap_ns:
            self._nap(timeout)
        ready = self._poll.poll(timeout, 512)
        for fd, mask in ready:
            handler = get(fd)
            if handler is not None:
                handler(mask)
        if ready:
            self._turned_ns = time.monotonic_ns()
        return len(ready)

    def _nap(self, timeout: float) -> None:
        """Let arrivals collect for `nap_ns` if the last ones came less than that ago, and nothing is due meanwhile.

        Sleeping in `epoll_wait` and being woken costs more than a read does, and costs the sender as much. What arrives
        meanwhile has the kernel's stamp, so a nap changes no time; where there are no such stamps, `nap_ns` is 0.
        """
        now, nap = time.monotonic_ns(), self.nap_ns
        due_soon = now - nap < self.alarm.time_ns < now + 2 * nap
        if timeout * 1e9 > nap and now - self._turned_ns < nap and not due_soon:
            time.sleep(nap / 1e9)

    def close(self) -> None:
        """Give the descriptors back; the loop is not used after that."""
        self.alarm.close()
        self._poll.close()


class Alarm:
    """Wakes the loop at an absolute monotonic time with the kernel's precision (`timerfd`).

    epoll's timeout is in whole milliseconds. Where there is no timerfd, `fd` is None and that timeout must do.
    """

    def __init__(self) -> None:
        self.fd: int | None = None
        self.time_ns = 0  # what it was last set to
        if sys.platform.startswith("linux"):
            self._libc = ctypes.CDLL(None, use_errno=True)
            fd = self._libc.timerfd_create(_CLOCK_MONOTONIC, _TFD_NONBLOCK_CLOEXEC)
            self.fd = fd if fd >= 0 else None

    def set(self, monotonic_ns: int) -> None:
        """Ring once at this time, or immediately where it has passed. Setting the same time again changes nothing."""
        if self.fd is not None and monotonic_ns != self.time_ns:
            self.time_ns = monotonic_ns
            seconds, nanoseconds = divmod(max(monotonic_ns, 1), 1_000_000_000)
            setting = struct.pack("@4l", 0, 0, seconds, nanoseconds)
            self._libc.timerfd_settime(self.fd, _TFD_TIMER_ABSTIME, setting, None)

    def rang(self, mask: int) -> None:
        """Clear the alarm; the owner of the loop sees for itself what is due."""
        assert self.fd is not None
        try:
            os.read(self.fd, 8)
        except BlockingIOError:
            return

    def close(self) -> None:
        """Give the timer back."""
        if self.fd is not None:
            os.close(self.fd)


class _SelectorPoll:
    """epoll's few methods over whatever the platform has."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()

    def register(self, fd: int, mask: int) -> None:
        self._selector.register(fd, self._events(mask))

    def modify(self, fd: int, mask: int) -> None:
        self._selector.modify(fd, self._events(mask))

    def unregister(self, fd: int) -> None:
        self._selector.unregister(fd)

    def poll(self, timeout: float, _most: int) -> list[tuple[int, int]]:
        pairs = self._selector.select(timeout)
        read, write = selectors.EVENT_READ, selectors.EVENT_WRITE
        return [(key.fd, (IN if events & read else 0) | (OUT if events & write else 0)) for key, events in pairs]

    def close(self) -> None:
        self._selector.close()

    @staticmethod
    def _events(mask: int) -> int:
        return (selectors.EVENT_READ if mask & IN else 0) | (selectors.EVENT_WRITE if mask & OUT else 0)


if sys.platform.startswith("linux"):

    def _open_poll() -> select.epoll:
        assert (IN, OUT, ERROR, HANGUP) == (select.EPOLLIN, select.EPOLLOUT, select.EPOLLERR, select.EPOLLHUP)
        return select.epoll()

else:

    def _open_poll() -> _SelectorPoll:
        return _SelectorPoll()
