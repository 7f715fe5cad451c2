"""The clock of a boot, which no one can set: lengths of time that processes after one another measure together."""

from __future__ import annotations

import time
from dataclasses import dataclass

from fmbench_lib.host.process_identity import boot_id


@dataclass(frozen=True, slots=True)
class BootTime:
    """A moment as this machine's boot knows it: which boot, and the seconds since, suspended ones included."""

    boot: str
    seconds: float


def boot_time() -> BootTime | None:
    """Now; None where the system has no clock that goes on while it is suspended."""
    clock = getattr(time, "CLOCK_BOOTTIME", None)
    return None if clock is None else BootTime(boot_id(), time.clock_gettime_ns(clock) / 1e9)


def seconds_between(begin: BootTime | None, end: BootTime | None) -> float | None:
    """The seconds from one moment to another; None where one is unknown, or they are of different boots."""
    if begin is None or end is None or begin.boot != end.boot:
        return None
    return end.seconds - begin.seconds
