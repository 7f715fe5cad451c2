"""Whether an endpoint keeps up with an open loop: what is offered to it against the rate at which it ends requests.

Above its capacity an endpoint ends fewer requests than arrive, and the difference piles up: requests in flight grow by
the overload times the time, percentiles tell how long was measured, and the price per transaction is that of a load
nobody can run. Below its capacity they wander but come back.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from fmbench_lib.metrics.statistics.arrays import Floats, in_order
from fmbench_lib.metrics.statistics.service_capacity import PARTS, service_capacity

Answer: TypeAlias = Literal["yes", "no", "unknown"]

LEAST_ENDED = 20
LEAST_SHARE = 0.02
_NOT_ACCUSED, _SIGMAS = math.log(0.95), 1.85
_RULED_OUT, _RULED_OUT_SIGMAS = math.log(1.25), 1.645
_PILED_UP = 0.5
_FOUND_SIGMAS, _FOUND = _SIGMAS + 1.282, math.log(1.1 / 0.95)


@dataclass(frozen=True, slots=True)
class Sustainability:
    """Whether the load can be sustained, and what says so.

    `at_start` and `at_end` are the requests in flight at the edges of the window, `growth` the arrivals of the window
    that were not served in it as a share of them all. `excess` is the share of the offered load that is beyond the
    capacity, negative where some is left, and `error` the standard error of the logarithm of offered load over
    capacity. `longer`: how many times as long to measure where the answer is `unknown`, else 1.
    """

    answer: Answer
    at_start: int
    at_end: int
    growth: float
    excess: float
    error: float
    longer: float

    @property
    def served(self) -> float:
        """The share of the offered load that was served."""
        return 1 - self.growth


def sustainability(due: Floats, end: Floats, window: tuple[float, float], until: float = math.inf) -> Sustainability:
    """Whether an open loop is sustainable, from when its requests were due and when they ended (or failed), in s.

    Requests of the warm-up belong to them; one that has not ended is NaN. Of those due in the window also what ends
    after it, up to `until`, tells of the capacity. `no`: the offered rate exceeds the capacity by more than 2%, it is
    1.85 standard errors above 95% of the capacity, the requests in flight have a greater median in the last third of
    the window than in the first, and half of what is beyond the capacity piled up in it at least. `yes`: in the last
    third they came back to their median in the first, the offered rate exceeds the capacity by no more than 2%, is
    1.645 standard errors below 125% of it, and what piled up is within 2% of the arrivals, or one standard error. Else,
    and with fewer than 20 requests ended in the window, `unknown`.
    """
    edges = np.linspace(window[0], window[1], PARTS + 1)
    ended = np.searchsorted(in_order(end), edges, side="right")
    in_flight = np.searchsorted(in_order(due), edges, side="right") - ended
    grown, served = int(in_flight[-1] - in_flight[0]), int(ended[-1] - ended[0])
    offered = grown + served
    growth = grown / offered if offered else 0.0
    load, error = _load(due, end, window, until, offered)
    first, last = in_flight[: PARTS // 3 + 1], in_flight[-(PARTS // 3 + 1) :]
    answer: Answer = "unknown"
    if served >= LEAST_ENDED and np.median(last) > np.median(first) and _beyond(load, error, growth):
        answer = "no"
    elif served >= LEAST_ENDED and last.min() <= np.median(first) and _within(load, error, growth):
        answer = "yes"
    longer = _longer(served, error) if answer == "unknown" else 1.0
    return Sustainability(answer, int(in_flight[0]), int(in_flight[-1]), growth, 1 - math.exp(-load), error, longer)


def _load(due: Floats, end: Floats, window: tuple[float, float], until: float, offered: int) -> tuple[float, float]:
    """The logarithm of the offered rate over the capacity, and its standard error; the schedule gives the rate."""
    capacity = service_capacity(due, end, window, until) if offered > 0 else None
    if capacity is None:
        return 0.0, math.inf
    return math.log(offered / (window[1] - window[0]) / capacity.rate), capacity.error


def _beyond(load: float, error: float, growth: float) -> bool:
    """Whether the offered rate is beyond the capacity, above 95% of it as far as the error lets one tell, and what is
    beyond did pile up: some hanging requests hold their slots without being a queue."""
    return load > max(-math.log(1 - LEAST_SHARE), _NOT_ACCUSED + _SIGMAS * error) and (
        growth > _PILED_UP * (1 - math.exp(-load))
    )


def _within(load: float, error: float, growth: float) -> bool:
    """Whether the offered rate is within the capacity, below 125% of it as far as the error lets one tell, and no more
    piled up than that."""
    return load <= min(-math.log(1 - LEAST_SHARE), _RULED_OUT - _RULED_OUT_SIGMAS * error) and (
        growth <= max(LEAST_SHARE, error)
    )


def _longer(served: int, error: float) -> float:
    """How many times as long a level has to be measured for an answer.

    A level finds 110% of the capacity in 90 of 100 cases and does not accuse 95% if `log(1.1 / 0.95)` is 1.85 + 1.282
    standard errors. At least twice: near the capacity one that is long enough does not answer either. No error is
    relied on of fewer than 20 requests.
    """
    if served < LEAST_ENDED or not math.isfinite(error):
        return LEAST_ENDED / max(served, 1) * 2
    return max(2.0, (_FOUND_SIGMAS * error / _FOUND) ** 2)
