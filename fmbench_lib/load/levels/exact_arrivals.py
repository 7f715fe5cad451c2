"""Schedules whose mean rate over their span is exactly the one that was asked for.

A Poisson process of 2 requests/s has 120 arrivals in a minute give or take 11, so that a level of a minute easily
offers 10% more or less than its name says, and throughput and price follow. Here the number of arrivals is given and
only where they fall is left to chance, as the process has it.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import accumulate

PROCESSES = ("constant", "poisson", "gamma")


def count_in(rate: float, seconds: float) -> int:
    """How many arrivals a span of `seconds` has at `rate` per second: the nearest whole number, at least one."""
    return max(1, round(rate * seconds))


def exact_offsets(arrival: str, rate: float, count: int, seed: str, *, burstiness: float = 1.0) -> list[float]:
    """`count` times of arrival, ascending, in the span from 0 to `count / rate` seconds: the mean is exactly `rate`.

    `constant`: equal gaps, the first request at 0. `poisson`: a Poisson process given its number of arrivals, which
    are then as many uniform draws in order (Cox & Lewis 1966, section 2.1). `gamma`: gaps of a gamma distribution with
    shape `burstiness`, given that they fill the span, on a circle that is cut at a random point; gamma variables
    divided by their sum are distributed as those given their sum (Lukacs 1955). Burstiness 1 is Poisson.

    The gaps keep the process's distribution up to terms of `1 / count`. Raises ValueError for another process, or for
    a rate, count or burstiness that is not positive.
    """
    if rate <= 0:
        raise ValueError(f"a request rate must be positive, not {rate}")
    if count <= 0:
        raise ValueError(f"a schedule needs at least one request, not {count}")
    if burstiness <= 0:
        raise ValueError(f"a burstiness must be positive, not {burstiness}")
    span = count / rate
    if arrival == "constant":
        return [number / rate for number in range(count)]
    generator = random.Random(seed)
    if arrival == "poisson":
        return sorted(span * generator.random() for _ in range(count))
    if arrival == "gamma":
        return _gamma(generator, burstiness, count, span)
    raise ValueError(f"unknown arrival process {arrival!r}: one of {', '.join(PROCESSES)}")


def exact_blocks(arrival: str, rate: float, block: int, seed: str, *, burstiness: float = 1.0) -> Iterator[float]:
    """Endless times of arrival for a level whose length is not known beforehand: blocks of `block` requests.

    Each block has exactly the mean `rate` over its own span, so that a level that ends anywhere is off by less than
    the chance of one block. Raises ValueError as `exact_offsets` does.
    """
    number = 0
    while True:
        offsets = exact_offsets(arrival, rate, block, f"{seed}/{number}", burstiness=burstiness)
        yield from (number * block / rate + offset for offset in offsets)
        number += 1


def _gamma(generator: random.Random, shape: float, count: int, span: float) -> list[float]:
    gaps = [generator.gammavariate(shape, 1.0) for _ in range(count)]
    total = sum(gaps)
    if total <= 0:  # a shape so small that every gap is rounded to nothing: one burst
        return [span * generator.random()] * count
    cut = generator.random() * span
    return sorted((time * span / total + cut) % span for time in accumulate(gaps))
