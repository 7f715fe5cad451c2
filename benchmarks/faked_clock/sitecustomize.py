"""Clocks that are set or run fast, and a machine that is suspended, while a program runs.

`FAKED_WALL` and `FAKED_ASLEEP` name files, with seconds in them as soon as they are there: by which the wall clock was
set, and for which the machine was suspended (its wall clock and the clock of the boot have gone on). The kernel stamps
what arrives by its own clock, which stays what it is, so that there are no stamps.

`FAKED_MONOTONIC` is how a machine's monotonic clock differs from this one's: by how many ns it is ahead, by how many
millionths it runs faster, and since when (ns), as JSON.
"""

from __future__ import annotations

import json
import os
import socket
import time
from typing import Any

_SO_TIMESTAMPING = 37


def _seconds(name: str) -> float:
    try:
        with open(os.environ[name]) as file:
            return float(file.read() or 0.0)
    except (OSError, KeyError, ValueError):
        return 0.0


_time, _time_ns, _gettime_ns, _setsockopt = time.time, time.time_ns, time.clock_gettime_ns, socket.socket.setsockopt


def _wall() -> float:
    return _seconds("FAKED_WALL") + _seconds("FAKED_ASLEEP")


def _clock(clock: int) -> int:
    asleep = int(_seconds("FAKED_ASLEEP") * 1e9) if clock == time.CLOCK_BOOTTIME else 0
    return _gettime_ns(clock) + asleep


def _set(sock: socket.socket, *words: Any) -> None:
    if words[:2] == (socket.SOL_SOCKET, _SO_TIMESTAMPING):
        raise OSError("no stamps by a clock that is not faked")
    _setsockopt(sock, *words)


if "FAKED_WALL" in os.environ or "FAKED_ASLEEP" in os.environ:
    time.time = lambda: _time() + _wall()
    time.time_ns = lambda: _time_ns() + int(_wall() * 1e9)
    time.clock_gettime_ns = _clock
    socket.socket.setsockopt = _set  # type: ignore[method-assign, assignment]


def _plant(ahead_ns: int, ppm: float, since_ns: int) -> None:
    """Fake the monotonic clock and, since the kernel knows only the true one, the alarms that are set by it."""
    real_ns, rate = time.monotonic_ns, 1 + ppm / 1e6

    def monotonic_ns() -> int:
        return since_ns + ahead_ns + int((real_ns() - since_ns) * rate)

    time.monotonic_ns = monotonic_ns
    time.monotonic = lambda: monotonic_ns() / 1e9
    from fmbench_lib.load.sending.loop import Alarm

    set_real = Alarm.set

    def set_faked(alarm: Alarm, faked_ns: int) -> None:
        set_real(alarm, since_ns + int((faked_ns - ahead_ns - since_ns) / rate))

    Alarm.set = set_faked  # type: ignore[method-assign]


if "FAKED_MONOTONIC" in os.environ:
    _plant(*json.loads(os.environ["FAKED_MONOTONIC"]))
