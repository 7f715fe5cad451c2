"""What random arrivals meet at a fleet of copies, each of which is as fast as it was measured to be.

A copy with `k` requests in flight ends `X(k)` a second, as it does in a closed loop with `k` (the flow-equivalent
server of Chandy, Herzog & Woo 1975). Requests arrive as a Poisson process and go to the copy with the fewest in flight,
so of `n` at a fleet of `N` copies each has `⌊n/N⌋` or one more. The number in flight is then a birth and death process,
whose stationary distribution is a product of `arrivals / ends` (Kleinrock 1975, section 3.1), and by PASTA (Wolff 1982)
an arrival meets it as it is over time. A request that makes its copy have `k` takes as long as those measured with `k`.

What this leaves out: copies are never quite even, and a state changes while a request is served. Services that vary
more than exponential ones (coefficient of variation above 1) make longer queues: where the throughput no longer grows,
the logarithm of each factor is multiplied by `2 / (1 + c²)`, the decay of a queue in heavy traffic (Kingman 1962). Less
variable services make shorter ones where they are served one after the other, but not where all share the copy (the
number in flight is then the same for any service time; Kelly 1979, section 3.3), so they are credited only in saying
how few copies may do. `benchmarks/sizing.py` measures how often the fleets named keep the limit.
"""

from __future__ import annotations

import math
from typing import Any, TypeAlias

import numpy as np

from fmbench_lib.metrics.sizing.copy_curve import PROBABILITIES, CopyStates
from fmbench_lib.metrics.statistics.arrays import Floats

Counts: TypeAlias = "np.ndarray[Any, np.dtype[np.int64]]"
_STATES_AT_ONCE = 50_000
_NEGLIGIBLE = 40.0
"""A state whose probability is e to the minus so many of the likeliest one's, with only less likely ones after it."""


def met_by_arrivals(rate: Floats, copies: int, arrivals: float, variation: float = 1.0) -> Floats | None:
    """The shares of arrivals whose copy has 1, 2, …, K in flight with them, and last of those beyond K.

    `rate`: requests per second that a copy ends with 0, …, K in flight · `arrivals`: requests per second at the fleet ·
    `variation`: squared coefficient of variation of the services. None where the queue grows for ever.
    """
    most = len(rate) - 1
    even = _factors(rate, copies, arrivals, variation, np.arange(1, most + 1) * copies)
    if even[-1] >= -1e-12:
        return None
    shrinks_from = np.maximum.accumulate(even[::-1])[::-1] < 0  # from here on every state is less likely than the last
    logs = np.full(most + 1, -np.inf)
    here, step = 0.0, max(1, _STATES_AT_ONCE // copies)
    for first in range(0, most, step):
        last = min(first + step, most)
        factors = _factors(rate, copies, arrivals, variation, np.arange(first * copies + 1, last * copies + 1))
        states = here + np.concatenate(([0.0], np.cumsum(factors)))
        logs[first:last] = np.logaddexp.reduce(states[:-1].reshape(last - first, copies), axis=1)
        here = float(states[-1])
        if shrinks_from[last - 1] and here < logs.max() - _NEGLIGIBLE:
            break
    else:
        logs[most] = here - math.log1p(-math.exp(even[-1]))
    shares = np.exp(logs - logs.max())
    result: Floats = shares / shares.sum()
    return result


def _factors(rate: Floats, copies: int, arrivals: float, variation: float, numbers: Counts) -> Floats:
    """The logarithm of how much more likely each number in flight is than one less."""
    each, one_more = np.divmod(numbers, copies)
    ends = (copies - one_more) * rate[each] + one_more * rate[np.minimum(each + 1, len(rate) - 1)]
    factors: Floats = math.log(arrivals) - np.log(np.maximum(ends, 1e-300))
    if variation != 1:
        factors *= _slower_decay(rate, variation)[np.minimum(each + (one_more > 0), len(rate) - 1)]
    return factors


def share_within(states: CopyStates, met: Floats, family: str, limit: float) -> float:
    """The share of requests whose time is within a limit; those beyond the measured loads count as not."""
    rows = states.times[family][1:]
    within = (rows <= limit).mean(axis=1)
    return float(met[:-1] @ within)


def time_at(states: CopyStates, met: Floats, family: str, q: float) -> float | None:
    """A quantile of the times of all requests, s; None where it belongs to loads beyond the measured ones."""
    if met[-1] > 1 - q:
        return None
    values = states.times[family][1:].ravel()
    weights = np.repeat(met[:-1] / len(PROBABILITIES), len(PROBABILITIES))
    order = np.argsort(values, kind="stable")
    reached = np.searchsorted(np.cumsum(weights[order]), q - 1e-12)
    return float(values[order][min(int(reached), len(values) - 1)])


def _slower_decay(rate: Floats, variation: float) -> Floats:
    """What the factor of each state is multiplied by: 1 where the rate grows with the requests, `2 / (1 + c²)` where it
    has stopped growing."""
    numbers = np.arange(len(rate))
    grows = np.gradient(rate) * numbers / np.maximum(rate, 1e-300)
    result: Floats = 1 - (1 - np.clip(grows, 0.0, 1.0)) * (1 - 2 / (1 + variation))
    return result
