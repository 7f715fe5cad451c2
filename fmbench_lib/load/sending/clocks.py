"""Two clocks: schedules and sends are on the monotonic clock, the kernel's receive stamps on the wall clock.

A worker samples both together while it runs. Afterwards every wall stamp is moved onto the monotonic clock by the
offset at the time of the stamp, so that neither slewing nor a step of the wall clock distorts a duration.
"""

from __future__ import annotations

import socket
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

# NTP slews by at most 0.5 ms/s; between samples half a second apart anything above is a step.
STEP_NS = 1_000_000

# Linux: software receive stamps, delivered with the data (see timestamping.txt of the kernel's documentation).
_SO_TIMESTAMPING = 37
_RX_SOFTWARE_STAMPS = (1 << 3) | (1 << 4)


def sample(attempts: int = 5) -> tuple[int, int]:
    """`(monotonic, wall)` in nanoseconds, read as close together as a few attempts allow."""
    best = None
    for _ in range(attempts):
        before = time.monotonic_ns()
        wall = time.time_ns()
        after = time.monotonic_ns()
        if best is None or after - before < best[0]:
            best = (after - before, (before + after) // 2, wall)
    assert best is not None
    return best[1], best[2]


def asleep_ns(attempts: int = 5) -> int | None:
    """For how long the machine has been suspended since its boot, in nanoseconds: the monotonic clock stands still
    meanwhile, that of the boot does not. None where the system has no such clock."""
    clock = getattr(time, "CLOCK_BOOTTIME", None)
    if clock is None:
        return None
    best = None
    for _ in range(attempts):
        before = time.monotonic_ns()
        booted = time.clock_gettime_ns(clock)
        after = time.monotonic_ns()
        if best is None or after - before < best[0]:
            best = (after - before, booted - (before + after) // 2)
    assert best is not None
    return best[1]


def longest_gap_ns(samples: Sequence[tuple[int, int]]) -> int:
    """The longest time between two of a worker's samples, the first of which it took before the level began."""
    times = sorted(mono for mono, _ in samples)[1:]
    return max((after - before for before, after in pairwise(times)), default=0)


@dataclass(frozen=True, slots=True)
class ClockPair:
    """The offset between the two clocks over a level, from samples in order of time (at least one).

    `unix_offset_ns` converts monotonic times to Unix times: one offset for all workers of a level.
    """

    monotonic_ns: tuple[int, ...]
    offset_ns: tuple[int, ...]  # wall - monotonic
    unix_offset_ns: int

    @classmethod
    def from_samples(cls, samples: Sequence[tuple[int, int]], unix_offset_ns: int | None = None) -> ClockPair:
        """The pair of one worker; `unix_offset_ns` is the offset of its first sample where none is given."""
        ordered = sorted(samples)
        offsets = tuple(wall - mono for mono, wall in ordered)
        return cls(
            tuple(mono for mono, _ in ordered), offsets, offsets[0] if unix_offset_ns is None else unix_offset_ns
        )

    @property
    def largest_step_ns(self) -> int:
        """The largest change of the offset from one sample to the next."""
        return self.largest_step_beside(())

    def largest_step_beside(self, suspensions: Sequence[tuple[int, int]]) -> int:
        """The same without what a suspended machine adds to it, as its wall clock goes on: `suspensions` are the times
        at which they were noticed and their lengths, in ns."""
        samples = zip(self.monotonic_ns, self.offset_ns, strict=True)
        return max((abs(b - a - _within(suspensions, t, u)) for (t, a), (u, b) in pairwise(samples)), default=0)

    def to_unix(self, monotonic_ns: int) -> float:
        """Unix time in seconds, always by the same offset: differences stay those of the monotonic clock."""
        return (monotonic_ns + self.unix_offset_ns) / 1e9


def _within(suspensions: Sequence[tuple[int, int]], after_ns: int, upto_ns: int) -> int:
    return sum(length for noticed, length in suspensions if after_ns < noticed <= upto_ns)


def ask_for_stamps(sock: socket.socket) -> bool:
    """Ask the kernel to stamp what arrives; False where it cannot, and the clock at the read must do."""
    if not sys.platform.startswith("linux"):
        return False
    try:
        sock.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPING, _RX_SOFTWARE_STAMPS)
    except OSError:
        return False
    return True
