"""Whether the fleets that `fmbench size` names keep the limit, and whether one copy fewer would.

    python benchmarks/sizing.py [SEEDS]

Copies are simulated exactly: slots that serve in order of arrival, each service longer by a share where more slots of
its copy are busy. One copy is measured in closed loops, as a run would, with requests and intervals; the sizing sees
nothing else. Then the fleet named for each rate, and one with a copy fewer, are simulated under Poisson arrivals of an
hour, each request sent to the copy with the fewest in flight, SEEDS times (20 if not given). `kept`: the share of hours
whose p95 was within the limit; `missed with one fewer`: those that were not, of the smaller fleet.

`sizing_served.py` does it with real requests.
"""

from __future__ import annotations

import heapq
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from output import print_table, write_result
from queues import SERVICES, Floats

from fmbench_lib.metrics.comparison.compared_level import ComparedLevel
from fmbench_lib.metrics.sizing.fleets import FleetSizer
from fmbench_lib.metrics.sizing.sized_copy import sized_copy
from fmbench_lib.metrics.sizing.sizing_question import SizingQuestion, TimeLimit
from fmbench_lib.metrics.statistics.correlated import State, quantile_interval

LOADS = (1, 2, 4, 8, 12, 16, 24, 32, 48)
REQUESTS = 3000
SERVICE_S = 10.0
"""Seconds that a service takes on average."""


@dataclass(frozen=True, slots=True)
class Copy:
    """A simulated copy. `slowdown`: by what share a service takes longer that begins with all slots busy."""

    slots: int
    service: str
    slowdown: float = 0.0

    def length(self, service: float, busy: int) -> float:
        """How long a service takes that begins with so many busy slots, itself included."""
        return SERVICE_S * service * (1 + self.slowdown * (busy - 1) / max(self.slots - 1, 1))


def closed_loop(copy: Copy, users: int, requests: int, seed: int) -> tuple[Floats, Floats, Floats]:
    """When requests of `users`, each of whom sends the next when the last has ended, were sent and ended, and how many
    others were in flight: always `users - 1`. In order of sending, the first 20 of each user left out."""
    generator = np.random.default_rng([seed, users, copy.slots])
    skipped = 20 * users
    services = SERVICES[copy.service](generator, (1, skipped + requests))[0]
    ends: list[float] = []
    queue: list[tuple[float, int]] = []
    sent, ended = np.empty(services.size), np.empty(services.size)
    started, arrived, now = 0, 0, 0.0
    for _ in range(users):
        sent[arrived] = 0.0
        queue.append((0.0, arrived))
        arrived += 1
    waiting = queue
    while started < services.size:
        while waiting and len(ends) < copy.slots:
            _, number = waiting.pop(0)
            end = now + copy.length(float(services[number]), len(ends) + 1)
            heapq.heappush(ends, end)
            ended[number] = end
            started += 1
        now = heapq.heappop(ends)
        if arrived < services.size:
            sent[arrived] = now
            waiting.append((now, arrived))
            arrived += 1
    return sent[skipped:], ended[skipped:], np.full(requests, users - 1.0)


def fleet_latencies(copy: Copy, copies: int, rate: float, requests: int, seed: int) -> Floats:
    """Latencies at a fleet under Poisson arrivals, each sent to the copy with the fewest in flight, the first of these
    drawn; the first tenth left out."""
    generator = np.random.default_rng([seed, copies, copy.slots, requests])
    arrived = np.cumsum(generator.exponential(1 / rate, requests))
    services = SERVICES[copy.service](generator, (1, requests))[0].tolist()
    ties = generator.random(requests).tolist()
    free = [[0.0] * copy.slots for _ in range(copies)]  # when each slot of a copy becomes free, a heap
    flying = [0] * copies
    leaving: list[tuple[float, int]] = []
    latency = np.empty(requests)
    for number, now in enumerate(arrived.tolist()):
        while leaving and leaving[0][0] <= now:
            flying[heapq.heappop(leaving)[1]] -= 1
        least = min(flying)
        fewest = [place for place, count in enumerate(flying) if count == least]
        chosen = fewest[int(ties[number] * len(fewest))]
        slots = free[chosen]
        begin = max(now, slots[0])
        busy = min(flying[chosen] + 1, copy.slots)
        end = begin + copy.length(services[number], busy)
        heapq.heapreplace(slots, end)
        flying[chosen] += 1
        heapq.heappush(leaving, (end, chosen))
        latency[number] = end - now
    return latency[requests // 10 :]


def measured(copy: Copy, loads: Sequence[int] = LOADS, requests: int = REQUESTS, seed: int = 1) -> list[ComparedLevel]:
    """The closed loops of a copy, as a run's rows have them."""
    return [_level(copy, users, requests, seed) for users in loads]


def _level(copy: Copy, users: int, requests: int, seed: int) -> ComparedLevel:
    sent, ended, ahead = closed_loop(copy, users, requests, seed)
    window, latency = (float(sent[0]), float(sent[-1])), ended - sent
    order = np.sort(ended)
    rate = float(np.count_nonzero((order > window[0]) & (order <= window[1])) / (window[1] - window[0]))
    parts = np.histogram(order, np.linspace(*window, 21))[0] / (window[1] - window[0]) * 20
    error = 2.09 * float(parts.std(ddof=1)) / len(parts) ** 0.5
    known = quantile_interval(latency, 0.95, State.of(ahead))
    row = {
        "experiment_name": copy.service,
        "payload_file": "all.jsonl",
        "load": f"concurrency-{users}",
        "concurrency": users,
        "mean_in_flight": float(users),
        "verdict": "valid",
        "error_rate": 0.0,
        "transactions_per_second": rate,
        "transactions_per_minute_low": 60 * (rate - error),
        "transactions_per_minute_high": 60 * (rate + error),
        "latency_p95": known.value,
        "latency_p95_low": known.low,
        "latency_p95_high": known.high,
    }
    return ComparedLevel("simulated", row, {}, 1, {}, {"latency": (latency,)})


def rows(copies: Sequence[Copy], seeds: int) -> Iterator[dict[str, Any]]:
    """A row for each copy, limit and rate."""
    for copy in copies:
        alone = float(np.quantile(SERVICES[copy.service](np.random.default_rng(1), (1, 100_000)), 0.95))
        for stretch in (1.5, 3.0):
            limit = SERVICE_S * alone * stretch * (1 + copy.slowdown)
            question = SizingQuestion((TimeLimit("latency", 0.95, limit),))
            sizer = FleetSizer.of(sized_copy(measured(copy), question), question)
            yield from (_row(copy, limit, sizer, load, seeds) for load in (0.6, 2.3, 7.4))


def _row(copy: Copy, limit: float, sizer: FleetSizer, load: float, seeds: int) -> dict[str, Any]:
    """`load`: the rate as a multiple of what one copy does at most."""
    rate = load * copy.slots / (1 + copy.slowdown) / SERVICE_S
    fleet = sizer.fleet(60 * rate)
    requests = round(3600 * rate * 10 / 9)  # an hour, after the first tenth
    p95 = {
        copies: [float(np.quantile(fleet_latencies(copy, copies, rate, requests, seed), 0.95)) for seed in range(seeds)]
        for copies in (fleet.copies, (fleet.copies or 0) - 1)
        if copies
    }
    fewer = p95.get((fleet.copies or 0) - 1)
    return {
        "service": copy.service,
        "slots": copy.slots,
        "slowdown": copy.slowdown,
        "limit": limit,
        "rate / copy": load,
        "copies": fleet.copies or 0,
        "possible": fleet.possible or 0,
        "expected p95": fleet.p95.get("latency") or float("nan"),
        "p95": float(np.median(p95.get(fleet.copies or 0, [float("nan")]))),
        "kept": float(np.mean([one <= limit for one in p95.get(fleet.copies or 0, [np.inf])])),
        "missed with one fewer": float("nan") if fewer is None else float(np.mean([one > limit for one in fewer])),
    }


COPIES = tuple(
    replace(Copy(slots, service), slowdown=slowdown)
    for service in ("constant", "lognormal", "exponential", "bimodal")
    for slots, slowdown in ((1, 0.0), (4, 0.0), (16, 0.0), (16, 1.0))
)


def main(argv: Sequence[str]) -> int:
    seeds = int(argv[0]) if argv else 20
    found = list(rows(COPIES, seeds))
    print_table([(key, key) for key in found[0]], found)
    write_result("sizing", {"rows": found, "seeds": seeds})
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
