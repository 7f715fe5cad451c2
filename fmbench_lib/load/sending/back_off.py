"""Which copies of a model are spared, as their requests fail one after the other.

A copy that refuses every request has always the fewest outstanding, and would draw nearly all of them. So after a few
failures in a row it gets none for a while, then a single one to see whether it is back; each time that fails too, the
while is twice as long, up to a cap. One success ends it.
"""

from __future__ import annotations

from collections.abc import Sequence

FAILURES_IN_A_ROW = 3
FIRST_PAUSE_NS = 100_000_000
LONGEST_PAUSE_NS = 5_000_000_000
_SPARED = 1 << 40  # more than can be outstanding


class BackOff:
    """The copies of one level, by number; times are monotonic nanoseconds. `active`: some copy is spared now."""

    __slots__ = ("_failures", "_until_ns", "active")

    def __init__(self, copies: int) -> None:
        self.active = False
        self._failures = [0] * copies  # in a row; while a copy is spared, only those of its trials
        self._until_ns = [0] * copies

    def ended(self, number: int, *, failed: bool, now: int) -> None:
        """A request to this copy has ended for good."""
        failures = self._failures[number]
        if not failed:
            if failures:
                self._failures[number] = 0
                self.active = max(self._failures) >= FAILURES_IN_A_ROW
            return
        if failures >= FAILURES_IN_A_ROW and now < self._until_ns[number]:
            return  # it was sent before the pause began
        self._failures[number] = failures = failures + 1
        if failures >= FAILURES_IN_A_ROW:
            doublings = min(failures - FAILURES_IN_A_ROW, 30)
            self._until_ns[number] = now + min(FIRST_PAUSE_NS << doublings, LONGEST_PAUSE_NS)
            self.active = True

    def weighed(self, outstanding: Sequence[int], now: int) -> list[int]:
        """What is outstanding at each copy, with a weight on those to spare: one is chosen only where all are spared.

        A copy whose pause is over is tried with one request at a time.
        """
        return [
            count + _SPARED if failures >= FAILURES_IN_A_ROW and (count or now < until) else count
            for count, failures, until in zip(outstanding, self._failures, self._until_ns, strict=True)
        ]
