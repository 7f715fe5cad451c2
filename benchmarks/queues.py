"""Exact simulation of first-come-first-served queues with `slots` servers, many levels at once.

What the statistics of a level conclude can only be judged where the truth is known. Here it is: a queue of known load,
simulated exactly (no time steps), with as many independent levels side by side as are asked for. Service takes 1 s on
average, so times are in units of the mean service. Every array has one row per level and one column per request, in
order of arrival.

- Open loop: Poisson, gamma or constant arrivals, random or with exactly the mean of their rate; started empty, in
  steady state, or with a burst of simultaneous requests.
- Closed loop: a number of users, each of whom sends its next request when the last one has ended.
- Streams: content events of each request, where the prefill of every other request that starts meanwhile stalls it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

Floats: TypeAlias = np.ndarray[Any, np.dtype[np.float64]]
Generator: TypeAlias = np.random.Generator

LOGNORMAL_SIGMA = 0.6
PARETO_SHAPE = 2.5
BATCH, BATCH_SIGMA, WITHIN_BATCH_SIGMA = 8, 0.5, 0.3
BIMODAL_SHORT, BIMODAL_LONG, BIMODAL_LONG_SHARE = 0.5, 3.0, 0.2


def _lognormal(generator: Generator, shape: tuple[int, int]) -> Floats:
    return generator.lognormal(-(LOGNORMAL_SIGMA**2) / 2, LOGNORMAL_SIGMA, shape)


def _bimodal(generator: Generator, shape: tuple[int, int]) -> Floats:
    return np.where(generator.random(shape) < BIMODAL_LONG_SHARE, BIMODAL_LONG, BIMODAL_SHORT)


def _batches(generator: Generator, shape: tuple[int, int]) -> Floats:
    """Neighbours in order of arrival share most of what makes a service long, as in a batch; cv 0.63."""
    batches = generator.lognormal(-(BATCH_SIGMA**2) / 2, BATCH_SIGMA, (shape[0], -(-shape[1] // BATCH)))
    shared = np.repeat(batches, BATCH, axis=1)[:, : shape[1]]
    return shared * generator.lognormal(-(WITHIN_BATCH_SIGMA**2) / 2, WITHIN_BATCH_SIGMA, shape)


SERVICES: dict[str, Callable[[Generator, tuple[int, int]], Floats]] = {
    "constant": lambda _, shape: np.ones(shape),
    "exponential": lambda generator, shape: generator.exponential(1.0, shape),
    "lognormal": _lognormal,
    "bimodal": _bimodal,
    "pareto": lambda generator, shape: (1 - 1 / PARETO_SHAPE) * (1 + generator.pareto(PARETO_SHAPE, shape)),
    "batches": _batches,
}
"""Distributions of the service time, each with mean 1: their coefficients of variation are 0, 1, 0.66, 1, 0.89 (with a
tail so heavy that no third moment exists) and 0.63."""


@dataclass(frozen=True, slots=True)
class Served:
    """Requests of many levels: when they arrived, when their service began and when it ended.

    `ahead`: how many others were in flight when each arrived, those of the warm-up included.
    """

    arrived: Floats
    began: Floats
    ended: Floats
    ahead: Floats

    @property
    def latency(self) -> Floats:
        """From arrival to the end of service."""
        return self.ended - self.arrived

    @property
    def wait(self) -> Floats:
        """From arrival to the beginning of service."""
        return self.began - self.arrived

    def columns(self, first: int, last: int | None = None) -> Served:
        """The requests from number `first` on, up to `last` (not included)."""
        part = slice(first, last)
        return Served(self.arrived[:, part], self.began[:, part], self.ended[:, part], self.ahead[:, part])


@dataclass(frozen=True, slots=True)
class Queue:
    """A queue and its arrivals. `load` is the share of its capacity that is offered: 1.1 is an overload of 10%.

    `burstiness` is the shape of gamma gaps (1: Poisson; `inf`: constant gaps). With `exact` the arrivals of a level
    have exactly the mean of their rate over its length. `slowdown`: how much longer a service takes that begins when
    all slots are busy, as a share, and in proportion when fewer are: what a batch does to each of its requests.
    """

    slots: int
    load: float
    service: str = "exponential"
    burstiness: float = 1.0
    exact: bool = False
    slowdown: float = 0.0

    @property
    def rate(self) -> float:
        """Arrivals per mean service time of a request that is alone."""
        return self.load * self.slots / (1 + self.slowdown)


def open_loop(
    queue: Queue, levels: int, requests: int, seed: int, warm_up: int | None = None, burst: int = 0, kept: int = 0
) -> Served:
    """`levels` open loops of `requests` requests each, after a warm-up of which only the last `kept` are returned.

    The queue starts empty; a warm-up that is not given is long enough for the steady state (which needs a load below
    1). With exact arrivals the measured ones lie in the span from 0 to `requests / rate`, the warm-up before 0. The
    first `burst` requests of a level all arrive at its beginning, before those of the process.
    """
    skipped = settling_requests(queue) if warm_up is None else warm_up
    generator = np.random.default_rng([seed, queue.slots, round(1000 * queue.load), requests])
    shape = (levels, skipped + requests)
    arrived = _arrivals(queue, generator, shape, skipped)
    if burst:
        arrived[:, :burst] = np.minimum(arrived[:, :1], 0.0)
    served = serve(arrived, SERVICES[queue.service](generator, shape), queue.slots, queue.slowdown)
    return served.columns(skipped - min(kept, skipped))


def settling_requests(queue: Queue) -> int:
    """Requests after which an empty queue has forgotten that it was: 8 relaxation times of the M/M/c queue."""
    if queue.load >= 1:
        raise ValueError("an overloaded queue has no steady state: give warm_up")
    relaxation = queue.load / (1 - queue.load**0.5) ** 2
    return int(8 * relaxation + 10 * queue.slots)


def _arrivals(queue: Queue, generator: Generator, shape: tuple[int, int], skipped: int) -> Floats:
    if np.isinf(queue.burstiness):
        return np.broadcast_to(np.arange(shape[1]) / queue.rate, shape).copy()
    gaps = generator.gamma(queue.burstiness, 1 / (queue.burstiness * queue.rate), shape)
    if not queue.exact:
        return np.cumsum(gaps, axis=1)
    warm_up, measured = gaps[:, :skipped], gaps[:, skipped:]
    span = measured.shape[1] / queue.rate
    phase = generator.random((len(gaps), 1)) * span
    offsets = np.sort((np.cumsum(measured, axis=1) * span / measured.sum(axis=1, keepdims=True) + phase) % span, axis=1)
    before = np.cumsum(warm_up, axis=1) - warm_up.sum(axis=1, keepdims=True)
    before -= generator.gamma(queue.burstiness, 1 / (queue.burstiness * queue.rate), (len(gaps), 1))
    return np.concatenate((before, offsets), axis=1)


def serve(arrived: Floats, service: Floats, slots: int, slowdown: float = 0.0) -> Served:
    """Serve requests in order of arrival: Lindley's recursion for one slot, Kiefer and Wolfowitz's for several."""
    if slots == 1:
        service = service * (1 + slowdown)
        done = np.cumsum(service, axis=1)
        idle = np.maximum.accumulate(arrived - (done - service), axis=1)
        return _served(arrived, idle + done - service, service)
    free = np.zeros((len(arrived), slots)) + arrived[:, :1]
    rows = np.arange(len(arrived))
    began, service = np.empty_like(arrived), service.copy()
    for number in range(arrived.shape[1]):
        slot = free.argmin(axis=1)
        began[:, number] = np.maximum(arrived[:, number], free[rows, slot])
        if slowdown:
            busy = (free > began[:, number, None]).sum(axis=1) + 1
            service[:, number] *= 1 + slowdown * busy / slots
        free[rows, slot] = began[:, number] + service[:, number]
    return _served(arrived, began, service)


def closed_loop(
    users: int, slots: int, service: str, levels: int, requests: int, seed: int, warm_up: int | None = None
) -> Served:
    """`levels` closed loops of `users` that always have one request each in flight; all start at 0.

    The first `warm_up` requests are not returned; 20 per user where it is not given.
    """
    skipped = 20 * users if warm_up is None else warm_up
    generator = np.random.default_rng([seed, users, slots, requests])
    shape = (levels, skipped + requests)
    took = SERVICES[service](generator, shape)
    ready, free, rows = np.zeros((levels, users)), np.zeros((levels, slots)), np.arange(levels)
    arrived, began = np.empty(shape), np.empty(shape)
    for number in range(shape[1]):
        user, slot = ready.argmin(axis=1), free.argmin(axis=1)
        arrived[:, number] = ready[rows, user]
        began[:, number] = np.maximum(arrived[:, number], free[rows, slot])
        free[rows, slot] = ready[rows, user] = began[:, number] + took[:, number]
    return _served(arrived, began, took).columns(skipped)


def _served(arrived: Floats, began: Floats, service: Floats) -> Served:
    ended = began + service
    gone = np.stack(
        [np.searchsorted(np.sort(row), moments, side="right") for row, moments in zip(ended, arrived, strict=True)]
    )
    return Served(arrived, began, ended, np.arange(arrived.shape[1]) - gone)


def event_times(served: Served, level: int, events: int, prefill: float) -> Floats:
    """When the content events of each request of one level arrive, one row per request.

    The service of a request is its prefill, which ends with the first event, and equal gaps up to its end; each other
    request that starts meanwhile stalls the gap in which it does by its own prefill. What the stalls take is taken
    evenly from all gaps, so that the service keeps its length; at most nine tenths of it are stalls.
    """
    began, ended = served.began[level], served.ended[level]
    first = began + np.minimum(prefill, 0.5 * (ended - began))
    share = np.linspace(0.0, 1.0, events)
    edges = first[:, None] + share[None, :] * (ended - first)[:, None]
    starts = np.sort(began)
    stalls = np.diff(np.searchsorted(starts, edges, side="right"), axis=1).astype(np.float64)
    total = stalls.sum(axis=1) * prefill
    allowed = np.minimum(total, 0.9 * (ended - first))
    stall = stalls * prefill * np.divide(allowed, total, out=np.ones_like(total), where=total > 0)[:, None]
    gaps = stall + ((ended - first - allowed) / (events - 1))[:, None]
    return first[:, None] + np.concatenate((np.zeros((len(first), 1)), np.cumsum(gaps, axis=1)), axis=1)
