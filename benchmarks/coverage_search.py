"""How often a search's range holds the true capacity, and how often what it found is too high."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from queues import Floats, Queue, Served, closed_loop, open_loop

from fmbench_lib.load.levels.search import Search
from fmbench_lib.load.levels.search_terms import Objective, Outcome, Reading, Tried
from fmbench_lib.metrics.statistics.correlated import State, rough_interval
from fmbench_lib.metrics.statistics.sustainability import sustainability

WARM_UP = 64
PREFILL, PREFILL_SPREAD = 0.1, 0.1
TOO_HIGH = 1.05
SETTINGS = ((4, 0.75, 100), (4, 0.9, 300), (4, 0.9, 1000), (16, 0.75, 100), (16, 0.9, 300), (16, 0.9, 1000))
"""Slots, the load at which the p95 of TTFT is at its limit, and requests a level."""

CLOSED_SETTINGS = ((4, 4, 30), (4, 6, 100), (4, 6, 300), (16, 16, 30), (16, 20, 100), (16, 20, 300))
"""Slots, the greatest concurrency whose p95 of TTFT is within its limit, and requests a level."""


@dataclass(frozen=True, slots=True)
class Level:
    """One level of a search as it was measured: its requests, the TTFT of those in the window, and its length."""

    load: float
    served: Served
    ttft: Floats
    seconds: float


def searches(service: str, seeds: int) -> Iterator[dict[str, Any]]:
    """A row for each setting: `seeds` searches of up to twelve levels."""
    for slots, answer, requests in SETTINGS:
        queue = Queue(slots, answer, service, exact=True)
        outcomes = [search(queue, requests, seed) for seed in range(seeds)]
        labels = {"service": service, "slots": slots, "answer": f"{answer:.0%}", "n": requests}
        yield labels | _summary(outcomes, queue.rate)


def closed_searches(service: str, seeds: int) -> Iterator[dict[str, Any]]:
    """The same for closed loops: of the greatest concurrency that meets a limit between its own p95 and the next's."""
    for slots, answer, requests in CLOSED_SETTINGS:
        outcomes = [closed_search(slots, answer, service, requests, seed) for seed in range(seeds)]
        labels = {"service": service, "slots": slots, "answer": answer, "n": requests}
        yield labels | _summary(outcomes, float(answer))


def _summary(outcomes: Sequence[Outcome], true: float) -> dict[str, float]:
    """The shares of searches; the true answer is `true`."""
    ranges = [(one.low, one.high) for one in outcomes if one.low is not None and one.high is not None]
    found = [one.found for one in outcomes if one.found is not None]
    return {
        "confirmed": sum(one.confirmed for one in outcomes) / len(outcomes),
        "holds": sum(low <= true <= high for low, high in ranges) / len(outcomes),
        "too_high": sum(load > TOO_HIGH * true for load in found) / len(outcomes),
        "found": float(np.median(found)) / true if found else math.nan,
        "range": float(np.median([high / low for low, high in ranges])) if ranges else math.nan,
    }


def search(queue: Queue, requests: int, seed: int) -> Outcome:
    """What a search finds whose levels are of so many requests, against a queue at its answer."""
    objective = Objective("TTFT_p95", _limit(queue))
    asked = Search("max_request_rate", (objective,), start=0.15 * queue.slots)
    tried: list[Tried] = []
    while (load := asked.next_load(tried)) is not None:
        tried.append(_tried(_measure(queue, load, requests, 100 * seed + len(tried))))
    return asked.result(tried)


def closed_search(slots: int, answer: int, service: str, requests: int, seed: int) -> Outcome:
    """What a search for the greatest concurrency finds, against so many slots."""
    limit = math.sqrt(_closed_p95(answer, slots, service) * _closed_p95(answer + 1, slots, service))
    asked = Search("max_concurrency", (Objective("TTFT_p95", limit),))
    tried: list[Tried] = []
    while (load := asked.next_load(tried)) is not None:
        number = 100 * seed + len(tried)
        served = closed_loop(int(load), slots, service, 1, requests, number, warm_up=2 * int(load))
        ttft = served.wait[0] + _prefill(np.random.default_rng(number), served.wait[0].shape)
        figure = rough_interval(ttft, 0.95, State.of(served.ahead[0].astype(np.float64)))
        tried.append(Tried(load, {"TTFT_p95": Reading(figure.value, figure.low, figure.high)}))
    return asked.result(tried)


@lru_cache
def _closed_p95(users: int, slots: int, service: str) -> float:
    wait = closed_loop(users, slots, service, 100, 2000, 77).wait
    return float(np.quantile(wait + _prefill(np.random.default_rng(1), wait.shape), 0.95))


@lru_cache
def _limit(queue: Queue) -> float:
    served = open_loop(queue, 200, 8000, 77)
    return float(np.quantile(served.wait + _prefill(np.random.default_rng(1), served.wait.shape), 0.95))


def _measure(queue: Queue, load: float, requests: int, seed: int) -> Level:
    """A level as it is run: from an empty endpoint, 64 requests of warm-up, then the window."""
    at_load = Queue(queue.slots, load / queue.slots, queue.service, exact=True)
    served = open_loop(at_load, 1, requests, seed, warm_up=WARM_UP, kept=WARM_UP)
    wait = served.wait[0, -requests:]
    return Level(load, served, wait + _prefill(np.random.default_rng(seed), wait.shape), requests / load)


def _prefill(generator: np.random.Generator, shape: tuple[int, ...]) -> Floats:
    return generator.lognormal(np.log(PREFILL), PREFILL_SPREAD, shape)


def _tried(level: Level) -> Tried:
    state = State.of(level.served.ahead[0, -len(level.ttft) :])
    figure = rough_interval(level.ttft, 0.95, state)
    result = sustainability(level.served.arrived[0], level.served.ended[0], (0.0, level.seconds))
    reading = Reading(figure.value, figure.low, figure.high)
    return Tried(level.load, {"TTFT_p95": reading}, overloaded=result.answer == "no")
