"""When requests are wanted: the arrival processes of the open loop, computed before anything is sent.

One schedule is drawn for the whole level and then dealt out to the workers, so that what arrives at the endpoint is one
process however many workers send it.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence


def arrival_offsets(
    arrival: str, rate: float | None, seed: str, *, burstiness: float = 1.0, trace: Sequence[float] | None = None
) -> Iterator[float]:
    """Times of arrival in seconds after the start, at `rate` per second; endless, except those of a trace.

    `constant`: equal gaps, the first request at 0. `poisson`: exponential gaps (the gaps of a Poisson process), the
    first one included. `gamma`: gaps of a gamma distribution with shape `burstiness` and the mean `1 / rate`, whose
    coefficient of variation is `1 / sqrt(burstiness)`: 1 is Poisson, less comes in bursts, more is more regular.
    `trace`: the times of `trace`, with the first at 0; stretched or squeezed to the mean rate where one is given.

    Raises ValueError for another name, a rate or a burstiness that is not positive, or a trace without times.
    """
    if arrival == "trace":
        return _trace(trace or (), rate)
    if rate is None or rate <= 0:
        raise ValueError(f"a request rate must be positive, not {rate}")
    if arrival == "constant":
        return _constant(rate)
    if arrival == "poisson":
        return _gaps(lambda generator: generator.expovariate(rate), seed)
    if arrival == "gamma":
        if burstiness <= 0:
            raise ValueError(f"a burstiness must be positive, not {burstiness}")
        return _gaps(lambda generator: generator.gammavariate(burstiness, 1 / (rate * burstiness)), seed)
    raise ValueError(f"unknown arrival process {arrival!r}: one of constant, poisson, gamma, trace")


def _constant(rate: float) -> Iterator[float]:
    number = 0
    while True:
        yield number / rate  # not a running sum: that would drift
        number += 1


def _gaps(draw: Callable[[random.Random], float], seed: str) -> Iterator[float]:
    generator = random.Random(seed)
    time = 0.0
    while True:
        time += draw(generator)
        yield time


def trace_rate(times: Sequence[float]) -> float | None:
    """The mean rate of a trace, per second: `n` arrivals have `n - 1` gaps. None where they have no length."""
    length = times[-1] - times[0]
    return (len(times) - 1) / length if length > 0 else None


def _trace(times: Sequence[float], rate: float | None) -> Iterator[float]:
    if not times:
        raise ValueError("a trace needs at least one time")
    own = trace_rate(times)
    stretch = 1.0 if rate is None or own is None else own / rate
    return ((time - times[0]) * stretch for time in times)
