"""Whether an endpoint keeps up with an open loop: what is offered to it against the rate at which it ends requests.

Above its capacity an endpoint ends fewer requests than arrive, and the difference piles up: requests in flight grow by
the overload times the time, percentiles tell how long was measured, and the price per transaction is that of a load
nobody can run. Below its capacity they wander but come back.

How many requests piled up also depends on where the queue stood at both edges of the window. How fast requests end
while there is work does not, and is what the capacity is.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from fmbench_lib.metrics.statistics.arrays import Flags, Floats

Answer: TypeAlias = Literal["yes", "no", "unknown"]

PARTS = 20
LEAST_ENDED = 20
SIGMAS = 2.0
NOT_ACCUSED = 0.05
LEAST_SHARE = 0.02
_RULED_OUT, _RULED_OUT_SIGMAS = 0.2, 1.28
_LIKELY, _POSSIBLE = 0.5, 1.0
_FEW_SLOTS, _SIGMAS_IF_MORE = 4, 1.5
_LAGS = 1
_FOUND_SIGMAS, _FOUND = 2.93, math.log(1.1 / 0.95)


@dataclass(frozen=True, slots=True)
class Sustainability:
    """Whether the load can be sustained, and what says so.

    `at_start` and `at_end` are the requests in flight at the edges of the window, `growth` the arrivals of the window
    that were not served in it as a share of them all. `excess` is the share of the offered load that is beyond the
    capacity, negative where some is left, and `error` the standard error of that share. `longer`: how many times as
    long to measure where the answer is `unknown`, else 1.
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


@dataclass(frozen=True, slots=True)
class _Steps:
    """The requests in flight as a step function: `counts[i]` from `moments[i]` to `moments[i + 1]` (s), when a request
    ends if `ends[i]`, and one arrives if not."""

    moments: Floats
    counts: np.ndarray[tuple[int], np.dtype[np.intp]]
    ends: Flags


def sustainability(due: Floats, end: Floats, window: tuple[float, float]) -> Sustainability:
    """Whether an open loop is sustainable, from when its requests were due and when they ended (or failed), in s.

    Requests of the warm-up belong to them; one that has not ended is NaN. `no`: the offered rate exceeds the capacity
    by more than 2%, it is two standard errors above 95% of the capacity, it is one and a half above with as many slots
    as may be where more than four are needed, and the requests in flight have a greater median in the last third of the
    window than in the first. `yes`: in the last third they came back to their median in the first, the offered rate
    exceeds the capacity by no more than 2%, is 1.28 standard errors below 125% of it, and what piled up is within 2% of
    the arrivals, or one standard error. Else, and with fewer than 20 requests ended, `unknown`.
    """
    edges = np.linspace(window[0], window[1], PARTS + 1)
    arrivals, ends = np.sort(due), np.sort(end[~np.isnan(end)])
    ended = np.searchsorted(ends, edges, side="right")
    in_flight = np.searchsorted(arrivals, edges, side="right") - ended
    grown = int(in_flight[-1] - in_flight[0])
    offered = grown + int(ended[-1] - ended[0])
    growth = grown / offered if offered else 0.0
    excess, with_more_slots, error = _excess(_steps(arrivals, ends, window), edges, offered)
    first, last = in_flight[: PARTS // 3 + 1], in_flight[-(PARTS // 3 + 1) :]
    served = int(ended[-1] - ended[0])
    enough, beyond = served >= LEAST_ENDED, excess > max(LEAST_SHARE, SIGMAS * error - NOT_ACCUSED)
    beyond = beyond and with_more_slots > _SIGMAS_IF_MORE * error - NOT_ACCUSED
    answer: Answer = "unknown"
    if enough and np.median(last) > np.median(first) and beyond:
        answer = "no"
    elif enough and last.min() <= np.median(first) and _within(excess, error) and growth <= max(LEAST_SHARE, error):
        answer = "yes"
    longer = _longer(served, error) if answer == "unknown" else 1.0
    return Sustainability(answer, int(in_flight[0]), int(in_flight[-1]), growth, excess, error, longer)


def _within(excess: float, error: float) -> bool:
    """Whether the offered rate is within the capacity, as far as the error lets one tell."""
    return excess <= min(LEAST_SHARE, _RULED_OUT - _RULED_OUT_SIGMAS * error)


def _longer(served: int, error: float) -> float:
    """How many times as long a level has to be measured for an answer.

    A level finds 110% of the capacity in 90 of 100 cases and accuses 95% in 5 if `log(1.1 / 0.95)` is 1.645 + 1.282
    standard errors. At least twice: near the capacity one that is long enough does not answer either. No error is
    relied on of fewer than 20 requests.
    """
    if served < LEAST_ENDED or not math.isfinite(error):
        return LEAST_ENDED / max(served, 1) * 2
    return max(2.0, (_FOUND_SIGMAS * error / _FOUND) ** 2)


def _excess(steps: _Steps, edges: Floats, offered: int) -> tuple[float, float, float]:
    """The share of the offered load that is beyond the capacity, the same with as many slots as may be, and its
    standard error.

    Requests are taken to end at the rate `n · min(in flight, slots)`. The slots are not known: the fewest are taken
    whose likelihood, were the ends a Poisson process of that rate, is within half a unit of its logarithm of the
    greatest. The capacity is `n · slots`. With all slots busy throughout, that is the number of ends by the time,
    however many slots there are. Where more than four are needed their number is uncertain, and the second share is
    that of the most whose likelihood is within one unit. The error is that of the ends beside what this rate would have
    given, in 20 parts of the window, with the covariances of neighbouring parts in Bartlett's weights.

    Assumption: while all slots are busy the ends are a stationary process (the renewal process of a saturated server;
    Asmussen 2003, V.6), and requests in flight beyond the slots do not slow the others down.
    """
    total = int(steps.ends.sum())
    if not total or not offered:
        return 0.0, 0.0, math.inf
    slots, most = _slots(steps)
    busy = np.minimum(steps.counts, slots)
    spans = np.diff(steps.moments)
    work = np.concatenate(([0.0], np.cumsum(spans * busy)))
    done = np.searchsorted(steps.moments[1:-1][steps.ends], edges, side="right")
    expected = np.interp(edges, steps.moments, work) * total / work[-1]
    off = np.diff(done - expected)
    squares = float(off @ off)
    covariances = (float(off[lag:] @ off[:-lag]) * (1 - lag / (_LAGS + 1)) for lag in range(1, _LAGS + 1))
    variance = max(squares + 2 * sum(covariances), squares / 4, 0.25) * PARTS / (PARTS - 1)
    seconds = float(edges[-1] - edges[0])
    capacity = slots * total / float(work[-1]) * seconds / offered
    greatest = most * total / float(spans @ np.minimum(steps.counts, most)) * seconds / offered
    return 1 - capacity, 1 - greatest, capacity * math.sqrt(variance) / total


def _slots(steps: _Steps) -> tuple[int, int]:
    """The fewest slots with which the ends are about as likely as they can be, and the most; the same if few."""
    durations = np.bincount(steps.counts, np.diff(steps.moments), minlength=2)
    ends = np.bincount(np.maximum(steps.counts[:-1][steps.ends], 1), minlength=durations.size).astype(np.float64)
    slots = np.arange(1, durations.size, dtype=np.float64)
    beyond = durations[1:][::-1].cumsum()[::-1] - durations[1:]
    work = np.cumsum(durations[1:] * slots) + slots * beyond
    ends_beyond = ends[1:][::-1].cumsum()[::-1] - ends[1:]
    likelihood = np.cumsum(ends[1:] * np.log(slots)) + ends_beyond * np.log(slots)
    likelihood -= ends.sum() * np.log(np.where(work > 0, work, np.inf))
    likelihood[work <= 0] = -np.inf
    fewest = int(np.argmax(likelihood >= likelihood.max() - _LIKELY)) + 1
    most = int(np.flatnonzero(likelihood >= likelihood.max() - _POSSIBLE)[-1]) + 1
    return fewest, most if fewest > _FEW_SLOTS else fewest


def _steps(arrivals: Floats, ends: Floats, window: tuple[float, float]) -> _Steps:
    came, went = (times[(times > window[0]) & (times <= window[1])] for times in (arrivals, ends))
    moments = np.concatenate((came, went))
    ended = np.arange(moments.size) >= came.size
    order = np.lexsort((~ended, moments))
    at_start = int(np.searchsorted(arrivals, window[0], side="right") - np.searchsorted(ends, window[0], side="right"))
    change = np.where(ended[order], -1, 1)
    counts = at_start + np.concatenate(([0], np.cumsum(change)))
    edges = np.concatenate(([window[0]], moments[order], [window[1]]))
    return _Steps(edges, np.maximum(counts, 0).astype(np.intp), ended[order])
