"""The slots of a closed loop, each of which carries one request at a time. Times are arguments, in monotonic ns."""

from __future__ import annotations

import heapq
from collections.abc import Iterable


def ramp_times(total: int, mine: Iterable[int], begin_ns: int, ramp_ns: int) -> list[int]:
    """When the slots with these numbers (of `total`, from 0) open: evenly over the ramp, the first at its start."""
    return [begin_ns + ramp_ns * number // total for number in mine]


class Slots:
    """Free slots by the time from which they may be used, which is `think_ns` after the last answer."""

    __slots__ = ("_free", "_think_ns")

    def __init__(self, opening_ns: Iterable[int], think_ns: int = 0) -> None:
        self._free = sorted(opening_ns)  # a sorted list is a heap
        self._think_ns = think_ns

    def take(self, now: int) -> bool:
        """Take a slot that may be used by now; False when there is none."""
        if not self._free or self._free[0] > now:
            return False
        heapq.heappop(self._free)
        return True

    def give_back(self, now: int) -> None:
        """A request has ended; its slot is free again after the think time."""
        heapq.heappush(self._free, now + self._think_ns)

    def next_ns(self) -> int | None:
        """When the next free slot may be used; None when all are taken."""
        return self._free[0] if self._free else None
