"""Which change of p95 three repeats find, by calculation: for log-normal latencies of a spread, and requests a repeat.

    python benchmarks/found_by_spread.py [PAIRS]

The requests are independent, so that the logarithm of a repeat's p95 is normal, with the standard error that a
percentile of a log-normal distribution has. Of PAIRS (600 if not given) such pairs, in turns, a row has how many show
a change of 5 and of 10%, compared in this figure alone as `--fail-on latency_p95>+0%` does, and the change that four in
five show. Larger spreads need more requests, whatever the statistics.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator, Sequence
from statistics import NormalDist
from typing import Any

import numpy as np
from output import print_table

from fmbench_lib.metrics.statistics.effects import Reading, effect

Q, REPEATS = 0.95, 3
SPREADS = (0.1, 0.2, 0.26, 0.4, 0.6, 1.0)
REQUESTS = (1000, 5000)
CHANGES = (0.05, 0.10)


def standard_error(spread: float, requests: int) -> float:
    """Of the logarithm of p95: `√(q(1 - q)/n)` over the density there; `spread` is the coefficient of variation."""
    deviation = math.sqrt(math.log1p(spread**2))
    density = NormalDist().pdf(NormalDist().inv_cdf(Q)) / deviation
    return math.sqrt(Q * (1 - Q) / requests) / density


def found(error: float, change: float, pairs: int, generator: np.random.Generator) -> float:
    """The share of pairs whose difference is significant."""
    count = 0
    for base, new in generator.normal(0.0, error, (pairs, 2, REPEATS)):
        readings = [[Reading(math.exp(value), error) for value in side] for side in (base, new + math.log1p(change))]
        one = effect(readings[0], readings[1], paired=True)
        count += one is not None and one.p < 0.05
    return count / pairs


def rows(pairs: int) -> Iterator[dict[str, Any]]:
    """A row for each spread and number of requests."""
    for spread in SPREADS:
        for requests in REQUESTS:
            error = standard_error(spread, requests)
            generator = np.random.default_rng(1)
            same = [Reading(1.0, error)] * REPEATS
            usual = effect(same, same, paired=True)
            yield {
                "spread": spread,
                "requests a repeat": requests,
                "false": found(error, 0.0, pairs, generator),
                **{f"{change:.0%} found": found(error, change, pairs, generator) for change in CHANGES},
                "four in five find": usual.visible if usual else float("nan"),
            }


def main(argv: Sequence[str]) -> int:
    table = list(rows(int(argv[0]) if argv else 600))
    print_table([(key, key) for key in table[0]], table)
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
