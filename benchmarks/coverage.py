"""What the statistics of a level claim, against queues of known truth: coverage, bias and false alarms.

    python benchmarks/coverage.py [LEVELS] [SEEDS]

Each table but the search's compares the figures as they are published from single requests (`before`) with those of the
methods for correlated requests (`after`), over LEVELS simulated levels a row (300 if not given) and SEEDS searches a
row (40): throughput, intervals of percentiles, means, repeats, the warm-up, sustainability, schedules and the search.
A row is wrong where fewer than 90 in 100 published intervals hold the truth by more than chance (two standard errors),
and at least a tenth of the levels publish one. Prints the tables and writes `benchmarks/results/coverage.json`.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from itertools import accumulate
from typing import Any

import numpy as np
from coverage_intervals import Case, coverage, gap_coverage
from coverage_repeats import repeats_table
from coverage_search import closed_searches, searches
from output import print_table, write_result
from queues import Queue, Served, closed_loop, open_loop
from simulated_rates import rate_of_level

from fmbench_lib.load.levels.arrivals.exact_spans import Span, exact_times
from fmbench_lib.metrics.statistics.steady_state import warm_up
from fmbench_lib.metrics.statistics.sustainability import sustainability

SERVICES = ("constant", "exponential", "lognormal", "bimodal")
LEVEL_SECONDS = 60.0
FEW_LATENCIES = 10


def throughput(levels: int, service: str, latencies: float) -> Iterator[dict[str, Any]]:
    """Bias and coverage of throughput over windows of so many mean latencies, closed and open loops.

    A closed loop begins with all users at once, and its window with the first request after the first of each, as in a
    level. Short windows vary so much that their bias takes ten times the levels.
    """
    if latencies < FEW_LATENCIES:
        levels *= 10
    for users, slots in ((8, 16), (32, 16), (64, 16)):
        rate, latency = float(min(users, slots)), max(1.0, users / slots)
        true = rate if service == "constant" else _closed_rate(users, slots, service)
        requests = int(1.3 * (latencies + 3) * users) + 100
        served = closed_loop(users, slots, service, levels, requests, 5, warm_up=0)
        started = served.arrived[:, users]
        labels = {"service": service, "loop": f"closed {users} on {slots}", "latencies": latencies}
        yield labels | _throughput(served, started, latencies * latency, true, closed=True)
    for slots, load in ((1, 0.5), (16, 0.8), (16, 0.9)):
        queue = Queue(slots, load, service, exact=True)
        latency = 1.0 + float(open_loop(queue, 100, 2000, 3).wait.mean())
        requests = max(2, round(latencies * latency * queue.rate))
        served = open_loop(queue, levels, requests, 5, kept=40 * slots)
        labels = {"service": service, "loop": f"open {load:.0%} of {slots}", "latencies": latencies}
        yield labels | _throughput(served, np.zeros(levels), requests / queue.rate, queue.rate, closed=False)


@lru_cache
def _closed_rate(users: int, slots: int, service: str) -> float:
    served = closed_loop(users, slots, service, 200, 4000, 3)
    return float(np.mean((served.arrived.shape[1] - 1) / (served.arrived[:, -1] - served.arrived[:, 0])))


def _throughput(served: Served, started: np.ndarray, seconds: float, true: float, closed: bool) -> dict[str, Any]:
    before, inside, after, held, unlike = [], [], [], [], 0
    for level, start in enumerate(started):
        begun, ended, window = served.arrived[level], served.ended[level], (float(start), float(start) + seconds)
        sent = begun < window[1]
        begun, ended = begun[sent], ended[sent]
        times = (ended - begun)[begun >= window[0]]
        found = rate_of_level(begun, ended, times, window, closed=closed)
        inside.append(found.inside)
        after.append(found.rate.value)
        before.append(((ended >= window[0]) & (ended <= window[1])).sum() / seconds)
        if found.rate.low is not None and found.rate.high is not None:
            held.append(found.rate.low - 1e-9 * true <= true <= found.rate.high + 1e-9 * true)
        unlike += not found.law.holds
    return {
        "bias_before": float(np.mean(before)) / true - 1,
        "bias_inside": float(np.mean(inside)) / true - 1,
        "bias_after": float(np.mean(after)) / true - 1,
        "bias_error": float(np.std(after)) / true / len(after) ** 0.5,
        "published": len(held) / len(after),
        "held": float(np.mean(held)) if held else float("nan"),
        "little_off": unlike / len(after),
    }


def warm_ups(levels: int) -> Iterator[dict[str, Any]]:
    """The p95 of TTFT (wait + 0.1 s) of levels that start with a burst or empty: all of it, after 8, after the rule."""
    for slots, load, burst in ((16, 0.5, 64), (16, 0.8, 64), (64, 0.5, 128), (16, 0.5, 0), (16, 0.8, 0), (16, 1.1, 0)):
        queue = Queue(slots, load, exact=True)
        served = open_loop(queue, levels, 2000, 3, warm_up=0, burst=burst)
        true = 0.1 + float(np.quantile(open_loop(queue, 200, 5000, 9).wait, 0.95)) if load < 1 else float("nan")
        rules = [warm_up(*pair) for pair in zip(served.latency, served.arrived, strict=True)]
        ttft = served.wait + 0.1
        after = [np.quantile(row[rule.requests :], 0.95) for row, rule in zip(ttft, rules, strict=True) if rule.ends]
        yield {
            "slots": slots,
            "load": f"{load:.0%}",
            "burst": burst,
            "true": true,
            "before": float(np.mean(np.quantile(ttft[:, 8:], 0.95, axis=1))),
            "after": float(np.mean(after)) if after else float("nan"),
            "cut": float(np.median([rule.requests for rule in rules])),
            "ends": float(np.mean([rule.ends for rule in rules])),
        }


def sustainable(levels: int, service: str) -> Iterator[dict[str, Any]]:
    """How often a level of 60 s is called sustainable, at loads below and above the capacity."""
    for slots, loads in ((1, (0.8, 0.95, 1.25)), (16, (0.8, 0.95, 1.1))):
        for seconds in (0.25, 0.5, 1.0, 2.0):
            for load in loads:
                queue = Queue(slots, load, service, exact=True)
                requests = round(LEVEL_SECONDS / seconds * queue.rate)
                ahead = round(3 * queue.rate)  # a warm-up of three service times
                served = open_loop(queue, levels, requests, 1, warm_up=ahead, kept=ahead)
                window = (0.0, requests / queue.rate)
                answers = [
                    sustainability(due, end, window).answer
                    for due, end in zip(served.arrived, served.ended, strict=True)
                ]
                shares = {answer: answers.count(answer) / levels for answer in ("yes", "no", "unknown")}
                yield {"service": service, "slots": slots, "service_s": seconds, "load": f"{load:.0%}"} | shares


def schedules(levels: int) -> Iterator[dict[str, Any]]:
    """How far the mean rate of a minute of arrivals lies from the one asked for, at worst and in the mean square."""
    for arrival, burstiness in (("constant", 1.0), ("poisson", 1.0), ("gamma", 0.25)):
        for rate in (2.0, 36.0):
            count = round(LEVEL_SECONDS * rate)
            row: dict[str, Any] = {"arrival": arrival, "burstiness": burstiness, "rate": rate}
            for name in ("before", "after"):
                off = []
                for _ in range(levels):
                    seed = str(random.random())
                    gap = _gaps(arrival, burstiness, seed)
                    if name == "before":
                        first = 0.0 if arrival == "constant" else None
                        times = list(accumulate((gap() / rate for _ in range(2 * count + 99)), initial=first))
                    else:
                        times = exact_times(gap, Span(count, count / rate))
                    off.append(sum(time < LEVEL_SECONDS for time in times) / count - 1)
                row |= {
                    f"{name}_rms": float(np.sqrt(np.mean(np.square(off)))),
                    f"{name}_worst": float(np.abs(off).max()),
                }
            yield row


def _gaps(arrival: str, burstiness: float, seed: str) -> Callable[[], float]:
    """Draws gaps whose mean is 1."""
    generator = random.Random(seed)
    return lambda: 1.0 if arrival == "constant" else generator.gammavariate(burstiness, 1 / burstiness)


def intervals(levels: int, services: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Coverage of percentiles and means: open loops at 50, 80 and 90% load, closed loops, gaps of streams."""
    for service in services:
        for slots in (1, 4, 16, 64):
            for load in (0.5, 0.8, 0.9):
                for requests in (200, 1000, 5000):
                    yield from coverage(Case(Queue(slots, load, service, slowdown=0.5 * (slots > 1)), requests), levels)
        for users, slots in ((16, 16), (64, 16)):
            for requests in (1000, 5000):
                yield from coverage(Case(Queue(slots, 1.0, service), requests, users), levels)
        for slots, load in ((1, 0.5), (4, 0.8), (16, 0.5), (16, 0.8)):
            yield from gap_coverage(Case(Queue(slots, load, service), 2000), min(levels, 100))


def wrong(row: dict[str, Any], levels: int) -> bool:
    """Whether fewer of the intervals that a row of `intervals` or `repeats` publishes hold the truth than chance
    explains."""
    published = row["after_published"] * levels
    return bool(row["after_published"] >= 0.1 and row["after_held"] < 0.9 - 2 * np.sqrt(0.09 / published))


def main(argv: Sequence[str]) -> int:
    levels = int(argv[0]) if argv else 300
    seeds = int(argv[1]) if len(argv) > 1 else 40
    tables = {
        "throughput": [row for name in SERVICES for span in (3, 20, 60) for row in throughput(levels, name, span)],
        "warm_up": list(warm_ups(levels)),
        "sustainable": [row for name in SERVICES for row in sustainable(levels, name)],
        "schedules": list(schedules(levels)),
        "search": [row for name in ("exponential", "lognormal") for row in searches(name, seeds)],
        "search_closed": [row for name in ("exponential", "lognormal") for row in closed_searches(name, seeds)],
        "repeats": list(repeats_table(levels)),
        "intervals": list(intervals(levels, SERVICES)),
    }
    for name, rows in tables.items():
        print(f"\n{name}")
        print_table([(key, key) for key in rows[0]], rows)
    judged = [*tables["intervals"], *tables["repeats"]]
    bad = [row for row in judged if wrong(row, levels)]
    print(f"\nintervals that hold the truth too rarely: {len(bad)} of {len(judged)}")
    write_result("coverage", {"levels": levels, "seeds": seeds, **tables})
    return 1 if bad else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
