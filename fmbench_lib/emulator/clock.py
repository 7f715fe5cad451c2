"""A timer that wakes an epoll loop with microsecond accuracy: `timerfd`, from `os` or the C library.

`epoll_wait` itself counts milliseconds, a tenth of an inter-token latency of 10 ms.
"""

from __future__ import annotations

import ctypes
import os
import sys
import time

_TFD_NONBLOCK_CLOEXEC = os.O_NONBLOCK | os.O_CLOEXEC
_TFD_TIMER_ABSTIME = 1
_PR_SET_TIMERSLACK = 29
_S = 1_000_000_000
_CLOSE_NS = 2_000
_OFFSET_ATTEMPTS = 3


def wall_offset_ns() -> int:
    """How far the wall clock is ahead of the monotonic clock now (ns), read between two close monotonic readings."""
    for _ in range(_OFFSET_ATTEMPTS):
        before = time.monotonic_ns()
        wall = time.time_ns()
        after = time.monotonic_ns()
        if after - before < _CLOSE_NS:
            break
    return wall - (before + after) // 2


class _TimerSpec(ctypes.Structure):
    _fields_ = (
        ("interval_s", ctypes.c_long),
        ("interval_ns", ctypes.c_long),
        ("value_s", ctypes.c_long),
        ("value_ns", ctypes.c_long),
    )


class Timer:
    """A file descriptor that becomes readable at a given time of the monotonic clock."""

    def __init__(self) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        # Without this the kernel may deliberately be 50 microseconds late, to save power.
        self._libc.prctl(_PR_SET_TIMERSLACK, 1, 0, 0, 0)
        if sys.version_info >= (3, 13):
            self.fd: int = os.timerfd_create(time.CLOCK_MONOTONIC, flags=_TFD_NONBLOCK_CLOEXEC)
        else:
            self.fd = self._libc.timerfd_create(time.CLOCK_MONOTONIC, _TFD_NONBLOCK_CLOEXEC)
            if self.fd < 0:
                raise OSError(ctypes.get_errno(), "timerfd_create")
        self._spec = _TimerSpec()
        self._spec_pointer = ctypes.byref(self._spec)
        self._settime = self._libc.timerfd_settime
        self._settime.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)

    def arm(self, due_ns: int) -> None:
        """Become readable at `due_ns` (monotonic; at once if it is past). Replaces an earlier due time."""
        # A value of 0 would disarm it.
        self._spec.value_s, self._spec.value_ns = divmod(max(due_ns, 1), _S)
        if self._settime(self.fd, _TFD_TIMER_ABSTIME, self._spec_pointer, None) != 0:
            raise OSError(ctypes.get_errno(), "timerfd_settime")

    def close(self) -> None:
        """Close the descriptor."""
        os.close(self.fd)
