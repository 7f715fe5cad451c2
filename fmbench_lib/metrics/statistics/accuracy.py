"""How exact a measurement is: what the client measured of each request, compared with what the server really did.

Both are durations, so clocks of the two sides are never compared. An error is measured − true, in seconds; it includes
what lies between the two sides (sending, delivery), which no client can tell from the server's own time. Means keep the
sign, so that errors of both signs even out; percentiles drop it, so that they do not.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from fmbench_lib.metrics.statistics.arrays import Floats
from fmbench_lib.metrics.statistics.percentiles import percentile


@dataclass(frozen=True, slots=True)
class Timing:
    """A request as seen by one side: seconds to its first content event, and between consecutive content events."""

    ttft: float
    itl: Sequence[float] | Floats


@dataclass(frozen=True, slots=True)
class Errors:
    """Measured − true, seconds. `ttft`: one per matched request, in the order measured; `itl`: one per gap, pooled.

    `unmatched`: requests that were measured but are unknown to the server. `uneven`: matched requests for which the two
    sides count different numbers of events, so that their gaps cannot be compared.
    """

    ttft: Floats
    itl: Floats
    unmatched: int
    uneven: int

    @property
    def joined(self) -> int:
        """How many requests both sides know."""
        return len(self.ttft)


def compare(measured: Mapping[str, Timing], true: Mapping[str, Timing]) -> Errors:
    """The errors of the measured requests, matched with the true ones by request id."""
    both = [(timing, true[request_id]) for request_id, timing in measured.items() if request_id in true]
    even = [(ours, theirs) for ours, theirs in both if len(ours.itl) == len(theirs.itl)]
    gaps = [np.subtract(ours.itl, theirs.itl, dtype=np.float64) for ours, theirs in even]
    return Errors(
        ttft=np.array([ours.ttft - theirs.ttft for ours, theirs in both], dtype=np.float64),
        itl=np.concatenate(gaps) if gaps else np.empty(0),
        unmatched=len(measured) - len(both),
        uneven=len(both) - len(even),
    )


def magnitude(errors: Floats, q: float) -> float | None:
    """The `q`-quantile of the absolute errors, seconds; None without errors."""
    return percentile(np.abs(errors), q)


def bias(errors: Floats) -> float | None:
    """The mean error with its sign, seconds; None without errors."""
    return float(errors.mean()) if errors.size else None


def greatest_within(errors: Iterable[tuple[float, float | None]], limit: float) -> float | None:
    """The greatest load, of pairs (load, error), up to which no error exceeds the limit; None where the least does.

    An unknown error exceeds every limit. Loads beyond the first that exceeds it do not count, even if one of them
    happened to come out better.
    """
    greatest = None
    for load, error in sorted(errors, key=lambda pair: pair[0]):
        if error is None or error > limit:
            return greatest
        greatest = load
    return greatest
