"""The rate at which an endpoint ends requests while there is work for all of its slots, from arrivals and ends alone.

How many requests piled up over a window also depends on where the queue stood at both of its edges. How fast requests
end while there is work does not. What was still in flight at the end of the window tells as much of it as what ended
inside, so the time until the last of them has ended counts too.
"""

from __future__ import annotations

import math
from bisect import bisect_right, insort
from dataclasses import dataclass
from heapq import heapreplace

import numpy as np

from fmbench_lib.metrics.statistics.arrays import Flags, Floats, Integers, in_order

PARTS = 20
_POSSIBLE = 1.0
_LAGS = 1
_MOST_COMPARED, _FEW, _BLOCK = 500, 16, 16_384
_AS_IF_EXPONENTIAL = 10
_MORE_THAN_SERVICES, _LESS_THAN_SERVICES = 3.0, 2.5


@dataclass(frozen=True, slots=True)
class Capacity:
    """Requests per second that `slots` of an endpoint end, and the standard error of the logarithm of that rate, from
    so many `ends`."""

    rate: float
    error: float
    slots: int
    ends: int


@dataclass(frozen=True, slots=True)
class _Steps:
    """The requests in flight as a step function: `counts[i]` from `moments[i]` to `moments[i + 1]` (s), when a request
    ends if `ends[i]`, and one arrives if not."""

    moments: Floats
    counts: np.ndarray[tuple[int], np.dtype[np.intp]]
    ends: Flags


def service_capacity(due: Floats, end: Floats, window: tuple[float, float], until: float = math.inf) -> Capacity | None:
    """The capacity by the requests due up to the end of the window, from when they were due and ended (s; NaN: never).

    What ended before the window only tells what was in flight at its start; what ends up to `until`, after it, counts.
    None where nothing ended or nothing was in flight.

    Requests are taken to end at the rate `n · min(in flight, slots)`. The slots are not known: of the numbers whose
    likelihood, were the ends a Poisson process of that rate, is within one unit of its logarithm of the greatest, it is
    the one nearest to the least that a queue served in order of arrival can have. The error is that of independent
    services (see `_variance`).

    Assumption: requests in flight beyond the slots do not slow the others down, and while all slots are busy the ends
    are a stationary process (the renewal process of a saturated server; Asmussen 2003, V.6).
    """
    order = np.argsort(due, kind="stable")
    order = order[due[order] <= window[1]]
    due, end = due[order], np.where(np.isnan(end[order]), np.inf, end[order])
    last = float(end[np.isfinite(end)].max(initial=window[1]))
    span = (window[0], max(window[1], min(last, until)))
    steps = _steps(due, end, span)
    total = int(steps.ends.sum())
    if not total or not steps.counts.any():
        return None
    counted = (end > span[0]) & (end <= span[1])
    slots = _slots(steps, int(_overtaken(due, end)[counted].max(initial=0)) + 1)
    work = np.concatenate(([0.0], np.cumsum(np.diff(steps.moments) * np.minimum(steps.counts, slots))))
    variance = _variance(_services(due, end, slots)[counted], steps, work, window)
    return Capacity(slots * total / float(work[-1]), math.sqrt(variance / total), slots, total)


def _steps(due: Floats, end: Floats, span: tuple[float, float]) -> _Steps:
    came, went = (times[(times > span[0]) & (times <= span[1])] for times in (due, end))
    moments = np.concatenate((came, went))
    ended = np.arange(moments.size) >= came.size
    order = np.lexsort((~ended, moments))
    at_start = np.count_nonzero(due <= span[0]) - np.count_nonzero(end <= span[0])
    counts = at_start + np.concatenate(([0], np.cumsum(np.where(ended[order], -1, 1))))
    edges = np.concatenate(([span[0]], moments[order], [span[1]]))
    return _Steps(edges, np.maximum(counts, 0).astype(np.intp), ended[order])


def _slots(steps: _Steps, least: int) -> int:
    """The number of slots nearest to `least` with which the ends are about as likely as they can be."""
    durations = np.bincount(steps.counts, np.diff(steps.moments), minlength=2)
    ends = np.bincount(np.maximum(steps.counts[:-1][steps.ends], 1), minlength=durations.size).astype(np.float64)
    slots = np.arange(1, durations.size, dtype=np.float64)
    beyond = durations[1:][::-1].cumsum()[::-1] - durations[1:]
    work = np.cumsum(durations[1:] * slots) + slots * beyond
    ends_beyond = ends[1:][::-1].cumsum()[::-1] - ends[1:]
    likelihood = np.cumsum(ends[1:] * np.log(slots)) + ends_beyond * np.log(slots)
    likelihood -= ends.sum() * np.log(np.where(work > 0, work, np.inf))
    likelihood[work <= 0] = -np.inf
    likely = np.flatnonzero(likelihood >= likelihood.max() - _POSSIBLE) + 1
    return int(np.clip(least, likely[0], likely[-1]))


def _overtaken(due: Floats, end: Floats) -> Floats:
    """How many requests that were due earlier were still in flight when each ended.

    Served in order of arrival, all of them had a slot then: there are at least so many slots, and one.
    """
    if not due.size:
        return np.empty(0)
    reach = np.arange(due.size) - _first_in_flight(due, end)
    if int(reach.sum()) > _MOST_COMPARED * due.size:
        return _overtaken_one_by_one(due, end)
    latest = np.maximum(due, end)
    together = int(np.sort(reach)[-1 - reach.size // _FEW])  # so far back most have some, and are compared in blocks
    parts = [_overtaken_in(slice(at, at + _BLOCK), together, end, latest) for at in range(0, due.size, _BLOCK)]
    overtaken = np.concatenate(parts)
    at, back = np.flatnonzero(reach > together), together
    while at.size:
        back += 1
        overtaken[at] += end[at - back] > latest[at]
        at = at[reach[at] > back]
    return overtaken.astype(np.float64)


def _overtaken_in(rows: slice, most: int, end: Floats, latest: Floats) -> Integers:
    """How many of up to `most` requests before each of these rows ended after it: a few passes over a part of the
    arrays, which stays in the processor's cache. One that had ended before a request came ended before that did."""
    mine = latest[rows]
    found = np.zeros(mine.size, dtype=np.int64)
    for back in range(1, min(most, rows.start + mine.size - 1) + 1):
        first = max(back - rows.start, 0)  # what has so many before it
        found[first:] += end[rows.start + first - back : rows.start + mine.size - back] > mine[first:]
    return found


def _first_in_flight(due: Floats, end: Floats) -> Integers:
    """The position of the first request that was still in flight when each was due: its own where none was."""
    first = np.searchsorted(np.maximum.accumulate(end), due, side="right")
    return np.minimum(first, np.arange(due.size))


def _overtaken_one_by_one(due: Floats, end: Floats) -> Floats:
    """The same, for requests of which many are in flight at a time."""
    in_flight: list[float] = []
    overtaken = np.empty(due.size)
    for number, (came, went) in enumerate(zip(due.tolist(), end.tolist(), strict=True)):
        del in_flight[: bisect_right(in_flight, came)]
        overtaken[number] = len(in_flight) - bisect_right(in_flight, went)
        insort(in_flight, went)
    return overtaken


def _services(due: Floats, end: Floats, slots: int) -> Floats:
    """How long each request had a slot, if so many serve in order of arrival: from when one was free to its end, s."""
    services = np.maximum(end - due, 0.0)
    waited = _waited(due, end, slots)
    begins = np.flatnonzero(waited & ~np.append(False, waited[:-1]))
    ends = np.flatnonzero(waited & ~np.append(waited[1:], False)) + 1
    first = _first_in_flight(due, end)[begins]
    if int((begins - first).sum()) > _MOST_COMPARED * due.size:
        begins, ends, first = np.array([0]), np.array([due.size]), np.array([0])
    for begin, until, earliest in zip(begins.tolist(), ends.tolist(), first.tolist(), strict=True):
        before = end[earliest:begin]
        busy = sorted(before[before > due[begin]].tolist())[-slots:]  # of all that came before, the last to end
        busy_until = [-math.inf] * (slots - len(busy)) + busy
        for number, (came, went) in enumerate(zip(due[begin:until].tolist(), end[begin:until].tolist(), strict=True)):
            free = heapreplace(busy_until, went) if went > busy_until[0] else busy_until[0]
            services[begin + number] = max(0.0, went - max(came, free))
    return services


def _waited(due: Floats, end: Floats, slots: int) -> Flags:
    """Which requests found all slots busy; all of them where one ends before it comes, as then none can be counted."""
    if bool((end <= due).any()):
        return np.ones(due.size, dtype=bool)
    ended = np.searchsorted(in_order(end), due, side="right")
    busy: Flags = np.arange(due.size) - ended >= slots
    return busy


def _variance(services: Floats, steps: _Steps, work: Floats, window: tuple[float, float]) -> float:
    """The variance of the logarithm of the capacity, times the number of ends.

    Of independent services it is the square of their coefficient of variation, estimated as if ten more had been seen
    that are exponential. It is that of the ends in 20 parts of the window beside what the rate would have given, with
    the covariances of neighbouring parts in Bartlett's weights, if that is more than three times as much (services
    that are not independent) or less than 1/2.5 of it (not served in order of arrival).
    """
    mean, count = float(services.mean()), services.size
    share = float(services.var()) / mean**2 if mean > 0 else 1.0
    independent = (share * count + _AS_IF_EXPONENTIAL) / (count + _AS_IF_EXPONENTIAL)
    edges, ends = np.linspace(window[0], window[1], PARTS + 1), steps.moments[1:-1][steps.ends]
    done = np.searchsorted(ends, edges, side="right")
    if not done[-1]:
        return independent
    off = np.diff(done - np.interp(edges, steps.moments, work) * ends.size / work[-1])
    squares = float(off @ off)
    covariances = (float(off[lag:] @ off[:-lag]) * (1 - lag / (_LAGS + 1)) for lag in range(1, _LAGS + 1))
    of_parts = max(squares + 2 * sum(covariances), squares / 4, 0.25) * PARTS / (PARTS - 1) / int(done[-1])
    credible = of_parts / _MORE_THAN_SERVICES <= independent <= of_parts * _LESS_THAN_SERVICES
    return independent if credible else of_parts
