"""How often a search's range holds the true capacity, and how often what it found is too high: before and after."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from queues import Floats, Queue, Served, open_loop

from fmbench_lib.load.levels.monotone_search import MonotoneSearch
from fmbench_lib.load.levels.search import Objective, Outcome, Reading, Search, Tried
from fmbench_lib.metrics.decision.search_readings import percentile_interval
from fmbench_lib.metrics.groups.drift import drift
from fmbench_lib.metrics.statistics.correlated import State, rough_interval
from fmbench_lib.metrics.statistics.sustainability import sustainability

WARM_UP = 64
PREFILL, PREFILL_SPREAD = 0.1, 0.1
TOO_HIGH = 1.05
SETTINGS = ((4, 0.75, 100), (4, 0.9, 300), (4, 0.9, 1000), (16, 0.75, 100), (16, 0.9, 300), (16, 0.9, 1000))
"""Slots, the load at which the p95 of TTFT is at its limit, and requests a level."""


@dataclass(frozen=True, slots=True)
class Level:
    """One level of a search as it was measured: its requests, the TTFT of those in the window, and its length."""

    load: float
    served: Served
    ttft: Floats
    seconds: float

    @property
    def due(self) -> Floats:
        """When the measured requests were due, from the start of the window."""
        return self.served.arrived[0, -len(self.ttft) :]


def searches(service: str, seeds: int) -> Iterator[dict[str, Any]]:
    """A row for each setting: today's search and the new one, each with `seeds` searches of up to twelve levels."""
    for slots, answer, requests in SETTINGS:
        row: dict[str, Any] = {"service": service, "slots": slots, "answer": f"{answer:.0%}", "n": requests}
        for name, search, reading in (("before", Search, _tried_before), ("after", MonotoneSearch, _tried_after)):
            queue = Queue(slots, answer, service, exact=True)
            outcomes = [_search(search, reading, queue, requests, seed) for seed in range(seeds)]
            row |= {f"{name}_{key}": value for key, value in _summary(outcomes, queue.rate).items()}
        yield row


def _summary(outcomes: Sequence[Outcome], true: float) -> dict[str, float]:
    ranges = [(one.low, one.high) for one in outcomes if one.low is not None and one.high is not None]
    found = [one.found for one in outcomes if one.found is not None]
    return {
        "holds": sum(low <= true <= high for low, high in ranges) / len(outcomes),
        "too_high": sum(load > TOO_HIGH * true for load in found) / len(outcomes),
        "found": float(np.median(found)) / true if found else math.nan,
        "range": float(np.median([high / low for low, high in ranges])) if ranges else math.nan,
    }


def _search(
    kind: type[Search] | type[MonotoneSearch],
    tried_as: Callable[[Level], Tried],
    queue: Queue,
    requests: int,
    seed: int,
) -> Outcome:
    objective = Objective("TTFT_p95", _limit(queue))
    search = kind("max_request_rate", (objective,), start=0.15 * queue.slots)
    tried: list[Tried] = []
    while (load := search.next_load(tried)) is not None:
        tried.append(tried_as(_measure(queue, load, requests, 100 * seed + len(tried))))
    return search.result(tried)


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


def _tried_before(level: Level) -> Tried:
    edges = np.linspace(0.0, level.seconds, 21)
    slices = [part for part in _parts(level, edges) if part.size]
    low, high = percentile_interval(slices, 0.95)
    medians = [float(np.median(part)) if part.size else math.nan for part in _parts(level, edges[::2])]
    trend = drift(medians)
    grows = trend is not None and trend.p_value < 0.01 and trend.change > 0.2
    value = float(np.quantile(level.ttft, 0.95))
    return Tried(level.load, {"TTFT_p95": Reading(value, low, high)}, overloaded=grows)


def _tried_after(level: Level) -> Tried:
    state = State.of(level.served.ahead[0, -len(level.ttft) :])
    figure = rough_interval(level.ttft, 0.95, state)
    result = sustainability(level.served.arrived[0], level.served.ended[0], (0.0, level.seconds))
    reading = Reading(figure.value, figure.low, figure.high)
    return Tried(level.load, {"TTFT_p95": reading}, overloaded=result.answer == "no")


def _parts(level: Level, edges: Floats) -> list[Floats]:
    cuts = np.searchsorted(level.due, edges[1:-1])
    return np.split(level.ttft, cuts)
