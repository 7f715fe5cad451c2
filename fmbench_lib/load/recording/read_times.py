"""When the bytes of each read had arrived: the kernel's stamps on the monotonic clock, and Unix times from these."""

from __future__ import annotations

from bisect import bisect_right
from typing import NamedTuple

import numpy as np

from fmbench_lib.load.sending.clocks import STEP_NS, ClockPair
from fmbench_lib.load.sending.spool import Spooled
from fmbench_lib.metrics.statistics.arrays import Floats, Integers


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
    offsets = offsets_at(clocks, read) if stamped.all() else None
    if offsets is None:
        return Arrivals(_unix_times(read, clocks), "user", None)
    # The two clocks' samples are microseconds apart at best, and bytes of one connection come in order.
    arrived = np.maximum.accumulate(np.minimum(stamped - offsets, read))
    return Arrivals(_unix_times(arrived, clocks), "kernel", int((read - arrived).max()) / 1e9)


def offsets_at(clocks: ClockPair, read: Integers) -> Integers | None:
    """`wall - monotonic` at each of these monotonic times, which ascend, interpolated between the samples.

    None where one of them is between two samples with a step between them.
    """
    times, offsets = clocks.monotonic_ns, clocks.offset_ns
    interpolated = np.empty_like(read)
    done, count = 0, len(read)
    while done < count:
        after = bisect_right(times, int(read[done]))
        if after == len(times):
            interpolated[done:] = offsets[-1]
            break
        stop = count if read[-1] < times[after] else int(np.searchsorted(read, times[after]))
        if after == 0:
            interpolated[done:stop] = offsets[0]
        else:
            change, length = offsets[after] - offsets[after - 1], times[after] - times[after - 1]
            if abs(change) > STEP_NS:
                return None
            interpolated[done:stop] = offsets[after - 1] + change * (read[done:stop] - times[after - 1]) // length
        done = stop
    return interpolated


def _unix_times(monotonic_ns: Integers, clocks: ClockPair) -> Floats:
    """Unix times in seconds, each as `ClockPair.to_unix` gives it."""
    times: Floats = (monotonic_ns + clocks.unix_offset_ns) / 1e9
    return times
