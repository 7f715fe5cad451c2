"""When requests are wanted: the arrival processes of the open loop, computed before anything is sent.

One schedule is drawn for the whole level and then dealt out to the workers, so that what arrives at the endpoint is one
process however many workers send it.
"""

from __future__ import annotations

import random
from collections.abc import Iterator


def arrival_offsets(arrival: str, rate: float, seed: str) -> Iterator[float]:
    """Endless times of arrival in seconds after the start, at `rate` per second.

    `constant`: equal gaps, the first request at 0. `poisson`: exponential gaps (the gaps of a Poisson process), the
    first one included. Raises ValueError for another name or a rate that is not positive.
    """
    if rate <= 0:
        raise ValueError(f"a request rate must be positive, not {rate}")
    if arrival == "constant":
        return _constant(rate)
    if arrival == "poisson":
        return _poisson(rate, random.Random(seed))
    raise ValueError(f"unknown arrival process {arrival!r}: one of constant, poisson")


def _constant(rate: float) -> Iterator[float]:
    number = 0
    while True:
        yield number / rate  # not a running sum: that would drift
        number += 1


def _poisson(rate: float, generator: random.Random) -> Iterator[float]:
    time = 0.0
    while True:
        time += generator.expovariate(rate)
        yield time
