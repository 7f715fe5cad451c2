"""How far the monotonic clock of a node is from the driver's, and how well that is known.

A message can only arrive after it was sent. So each one from the driver to the node bounds the difference of the
clocks from one side, and each one back from the other (Cristian 1989; Marzullo & Owicki 1983 intersect them): the best
of each direction count, whichever round trips they are of. The middle is the estimate, and half the distance its bound,
which is at most half of the least round trip.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

TRIPS = 40
"""Round trips for an estimate."""


class RoundTrip(NamedTuple):
    """A question and its answer, in ns: sent and answered on the driver's clock, received and left on the node's."""

    asked: int
    received: int
    left: int
    answered: int


@dataclass(frozen=True, slots=True)
class Offset:
    """What is to be added to a node's time to have the driver's, within `bound_ns`, when the node's is `node_ns`."""

    node_ns: int
    offset_ns: int
    bound_ns: int


def estimate(trips: Sequence[RoundTrip]) -> Offset:
    """The offset that these round trips allow (at least one)."""
    least = max(trip.asked - trip.received for trip in trips)
    most = min(trip.answered - trip.left for trip in trips)
    node_ns = (trips[0].received + trips[-1].left) // 2
    # A clock that drifts between the first trip and the last can make the two cross by as little.
    return Offset(node_ns, (least + most) // 2, abs(most - least + 1) // 2)


def measure(ask: Callable[[], tuple[int, int]], clock: Callable[[], int], trips: int = TRIPS) -> Offset:
    """Estimate the offset by asking the node, which answers with its time of the question and of the answer."""
    made = []
    for _ in range(trips):
        asked = clock()
        received, left = ask()
        made.append(RoundTrip(asked, received, left, clock()))
    return estimate(made)


@dataclass(frozen=True, slots=True)
class NodeClock:
    """A node's clock over a level: its offset before it and, unless the node was lost, after it."""

    before: Offset
    after: Offset | None = None

    @property
    def drift(self) -> float | None:
        """How much faster than the node's the driver's clock runs, as a share; None where it is not known."""
        if self.after is None or self.after.node_ns <= self.before.node_ns:
            return None
        return (self.after.offset_ns - self.before.offset_ns) / (self.after.node_ns - self.before.node_ns)

    @property
    def drift_ppm(self) -> float | None:
        """By how many millionths the node's clock runs faster than the driver's; None where it is not known."""
        return None if self.drift is None else -1e6 * self.drift

    @property
    def bound_ns(self) -> int:
        """How far a time of the node may be off on the driver's clock, for clocks that drift evenly."""
        return max(self.before.bound_ns, 0 if self.after is None else self.after.bound_ns)

    def offset_at(self, node_ns: int) -> int:
        """What is to be added to this time of the node's clock."""
        return self.before.offset_ns + round((self.drift or 0.0) * (node_ns - self.before.node_ns))

    def to_driver(self, node_ns: int) -> int:
        """A time of the node's clock on the driver's."""
        return node_ns + self.offset_at(node_ns)

    def to_node(self, driver_ns: int) -> int:
        """A time of the driver's clock on the node's."""
        since = driver_ns - self.before.offset_ns - self.before.node_ns
        return self.before.node_ns + round(since / (1 + (self.drift or 0.0)))
