"""When the bytes of each read had arrived: the kernel's stamps on the monotonic clock, and Unix times from these."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fmbench_lib.load.sending.clocks import ClockPair
from fmbench_lib.load.sending.spool import Spooled
from fmbench_lib.metrics.statistics.arrays import Floats, Integers

_SECOND_NS = 1_000_000_000


class Arrivals(NamedTuple):
    """When the bytes of each read had arrived, by which clock (`kernel` or `user`), and how late the worst read was.

    `unix_times` and `lag` are in seconds; `lag` is None for stamps that were taken at the read.
    """

    unix_times: Floats
    source: str
    lag: float | None


def arrivals_of(exchange: Spooled, clocks: ClockPair) -> Arrivals | None:
    """The arrivals of an exchange's reads, None if it has none.

    One read without a usable kernel stamp makes all of them `user`: a record never mixes clocks.
    """
    if not len(exchange.user_ns):
        return None
    read, stamped = np.asarray(exchange.user_ns, np.int64), np.asarray(exchange.kernel_ns, np.int64)
    offsets = clocks.offsets_at(exchange.user_ns) if stamped.all() else None
    if offsets is None:
        return Arrivals(_unix_times(read, clocks), "user", None)
    # The two clocks' samples are microseconds apart at best, and bytes of one connection come in order.
    arrived = np.maximum.accumulate(np.minimum(stamped - offsets, read))
    return Arrivals(_unix_times(arrived, clocks), "kernel", int((read - arrived).max()) / _SECOND_NS)


def _unix_times(monotonic_ns: Integers, clocks: ClockPair) -> Floats:
    """Unix times in seconds, as `ClockPair.to_unix` gives them: nanoseconds since 1970 do not fit a float, so seconds
    and their fractions are converted apart."""
    seconds, fractions = np.divmod(monotonic_ns + clocks.unix_offset_ns, _SECOND_NS)
    times: Floats = seconds + fractions / _SECOND_NS
    return times
