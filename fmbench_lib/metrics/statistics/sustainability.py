"""Whether an endpoint keeps up with an open loop: the trend of the requests in flight.

Above its capacity an endpoint ends fewer requests than arrive, and the difference piles up: requests in flight grow by
the overload times the time, percentiles tell how long was measured, and the price per transaction is that of a load
nobody can run. Below its capacity they wander but come back.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from fmbench_lib.metrics.statistics.arrays import Floats

Answer: TypeAlias = Literal["yes", "no", "unknown"]

PARTS = 20
LEAST_ENDED = 20
SURE_SIGMAS = 1.9
DOUBTFUL_SIGMAS = 1.0
LEAST_SHARE = 0.02


@dataclass(frozen=True, slots=True)
class Sustainability:
    """Whether the load can be sustained, and what says so.

    `at_start` and `at_end` are the requests in flight at the edges of the window, `growth` the arrivals of the window
    that were not served in it as a share of them all, and `sigmas` that growth in standard errors.
    """

    answer: Answer
    at_start: int
    at_end: int
    growth: float
    sigmas: float

    @property
    def served(self) -> float:
        """The share of the offered load that was served."""
        return 1 - self.growth


def sustainability(due: Floats, end: Floats, window: tuple[float, float]) -> Sustainability:
    """Whether an open loop is sustainable, from when its requests were due and when they ended (or failed), in s.

    Requests of the warm-up belong to them; one that has not ended is NaN. `no`: what piled up over the window exceeds
    2% of the arrivals and 1.9 standard errors, and in its last third the requests in flight never came back to their
    median in the first third. `yes`: they came back, and what piled up is within 2% or one standard error. Else, and
    with fewer than 20 requests ended, `unknown`.

    Assumption: the schedule has exactly its mean, so that arrivals add no chance of their own; what piles up in an
    overload then varies as the ends of requests do, whose counts in 20 parts of the window are uncorrelated while
    every slot is busy (the renewal process of a saturated server; Asmussen 2003, V.6). Below the capacity
    the requests in flight return to where they were, a growth that is chance does not last (recurrence, ibid. X.1).
    """
    edges = np.linspace(window[0], window[1], PARTS + 1)
    ended = np.searchsorted(np.sort(end[~np.isnan(end)]), edges, side="right")
    arrived = np.searchsorted(np.sort(due), edges, side="right")
    in_flight = arrived - ended
    offered, grown = int(arrived[-1] - arrived[0]), int(in_flight[-1] - in_flight[0])
    error = max(float(np.diff(ended).std(ddof=1)) * math.sqrt(PARTS), 0.5)
    share = grown / offered if offered else 0.0
    third = PARTS // 3 + 1
    returned = bool(in_flight[-third:].min() <= np.median(in_flight[:third]))
    enough = int(ended[-1] - ended[0]) >= LEAST_ENDED
    answer = _answer(share, grown / error, returned) if enough else "unknown"
    return Sustainability(answer, int(in_flight[0]), int(in_flight[-1]), share, grown / error)


def _answer(share: float, sigmas: float, returned: bool) -> Answer:
    if not returned and share > LEAST_SHARE and sigmas > SURE_SIGMAS:
        return "no"
    if returned and (share <= LEAST_SHARE or sigmas <= DOUBTFUL_SIGMAS):
        return "yes"
    return "unknown"
