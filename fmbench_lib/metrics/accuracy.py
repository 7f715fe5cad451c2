"""How exact a measurement is: what the client measured of each request beside what the server really did.

Both are durations, so no clock of one side is ever compared with one of the other. An error is measured − true, in
seconds: what lies between the two sides (sending, delivery) is part of it, as no client can tell it from the server's
doing. Signs are kept in means, where errors of both signs even out, and dropped in percentiles, where they should not.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from fmbench_lib.metrics.percentiles import Floats, percentile


@dataclass(frozen=True, slots=True)
class Timing:
    """A request as one side saw it: seconds to its first content event, and between consecutive ones."""

    ttft: float
    itl: Sequence[float] | Floats


@dataclass(frozen=True, slots=True)
class Errors:
    """Measured − true, s. `ttft`: one per joined request, in the order measured; `itl`: one per gap of them, pooled.

    `unmatched` were measured, but the server knows nothing of them. `uneven` are joined, but the two sides count
    different numbers of events, so that their gaps cannot be compared.
    """

    ttft: Floats
    itl: Floats
    unmatched: int
    uneven: int

    @property
    def joined(self) -> int:
        """Requests that both sides know."""
        return len(self.ttft)


def compare(measured: Mapping[str, Timing], true: Mapping[str, Timing]) -> Errors:
    """The errors of the measured requests, joined with the true ones by request id."""
    both = [(one, true[request_id]) for request_id, one in measured.items() if request_id in true]
    even = [(one, other) for one, other in both if len(one.itl) == len(other.itl)]
    gaps = [np.subtract(one.itl, other.itl, dtype=np.float64) for one, other in even]
    return Errors(
        ttft=np.array([one.ttft - other.ttft for one, other in both], dtype=np.float64),
        itl=np.concatenate(gaps) if gaps else np.empty(0),
        unmatched=len(measured) - len(both),
        uneven=len(both) - len(even),
    )


def magnitude(errors: Floats, q: float) -> float | None:
    """The `q`-quantile of the errors without their signs; None of no errors."""
    return percentile(np.abs(errors), q)


def bias(errors: Floats) -> float | None:
    """The mean error with its sign; None of no errors."""
    return float(errors.mean()) if errors.size else None


def greatest_within(errors: Iterable[tuple[float, float | None]], limit: float) -> float | None:
    """The greatest load up to which no error exceeds the limit, of pairs (load, error); None where the least does.

    A load whose error is not known exceeds every limit. Loads beyond the first that does are not counted: that one of
    them came out better was luck.
    """
    found = None
    for load, error in sorted(errors, key=lambda pair: pair[0]):
        if error is None or error > limit:
            return found
        found = load
    return found
