"""How often the interval of a repeated level holds the truth, where the machine is differently fast each time.

    python benchmarks/coverage_repeats.py [RUNS]

prints the table alone, of RUNS levels a row (200 if not given); `coverage.py` has it beside the others.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from output import print_table
from queues import SERVICES, Floats, Queue, Served, serve, settling_requests

from fmbench_lib.metrics.statistics.correlated import State, quantile_interval
from fmbench_lib.metrics.statistics.hierarchical import RepeatFigure, repeated_interval

QUANTILES = {"p50": 0.50, "p95": 0.95}
TRUTH_LEVELS, TRUTH_REQUESTS = 300, 6000


@dataclass(frozen=True, slots=True)
class Machine:
    """A queue on a machine whose services take `1 + effect · normal` as long in each repeat (at least half)."""

    queue: Queue
    effect: float

    def served(self, levels: int, requests: int, seed: int) -> Served:
        """So many levels of so many requests, each on the machine of its repeat."""
        generator = np.random.default_rng([seed, round(1000 * self.effect), requests])
        skipped = settling_requests(self.queue)
        shape = (levels, skipped + requests)
        speed = np.maximum(1 + self.effect * generator.standard_normal((levels, 1)), 0.5)
        arrived = np.cumsum(generator.exponential(1 / self.queue.rate, shape), axis=1)
        service = SERVICES[self.queue.service](generator, shape) * speed
        return serve(arrived, service, self.queue.slots).columns(skipped)


def repeat_coverage(
    machine: Machine, requests: int, runs: int, seed: int = 1, truth_levels: int = TRUTH_LEVELS
) -> Iterator[dict[str, Any]]:
    """A row for each number of repeats and figure: how many of `runs` levels publish an interval, and how many of these
    hold the truth, from one measurement (`before`) and from the repeats (`after`).

    The truth is the figure that a repeat typically gives, the geometric mean over many machines; of machines that are
    the same it is the percentile of the requests of all of them, which holds no bias of short levels. `pooled_held` is
    how many hold the percentile of the requests of all these machines together.
    """
    truth = machine.served(truth_levels, TRUTH_REQUESTS, seed + 1000).latency
    for repeats in (3, 5):
        served = machine.served(runs * repeats, requests, seed)
        states = [State.of(row) for row in served.ahead]
        for name, q in QUANTILES.items():
            pooled = float(np.quantile(truth, q))
            typical = float(np.exp(np.log(np.quantile(truth, q, axis=1)).mean())) if machine.effect else pooled
            single = [quantile_interval(row, q, state) for row, state in zip(served.latency, states, strict=True)]
            before = [(one.low, one.high) for one in single[::repeats] if one.low is not None]
            after = list(_pooled(served.latency, single, repeats, q))
            yield {
                "figure": name,
                "service": machine.queue.service,
                "slots": machine.queue.slots,
                "load": machine.queue.load,
                "machine": machine.effect,
                "repeats": repeats,
                "n": requests,
                "before_published": len(before) / runs,
                "before_held": _held(before, typical),
                "after_published": len(after) / runs,
                "after_held": _held(after, typical),
                "pooled_held": _held(after, pooled),
            }


def _pooled(latency: Floats, single: list[Any], repeats: int, q: float) -> Iterator[tuple[float, float]]:
    """The intervals of levels of so many repeats, of those that have one."""
    for first in range(0, len(single), repeats):
        part = slice(first, first + repeats)
        figures = [RepeatFigure(one.value, one.low, one.high, one.n, 1 / one.longer) for one in single[part]]
        interval = repeated_interval(float(np.quantile(latency[part], q)), figures, of_times=True)
        if interval is not None:
            yield interval


def _held(intervals: list[tuple[float, float]], true: float) -> float:
    slack = 1e-9 * true  # a service of few values has percentiles that are equal but for rounding
    held = [low - slack <= true <= high + slack for low, high in intervals]
    return sum(held) / len(held) if held else float("nan")


def repeats_table(runs: int) -> Iterator[dict[str, Any]]:
    """Levels at half and at high load, on machines that are the same, or differ by 3, 5 and 10%, each time."""
    for service in ("exponential", "lognormal", "bimodal"):
        for slots, load, requests in ((4, 0.5, 1000), (16, 0.5, 1000), (4, 0.8, 3000), (16, 0.8, 3000)):
            for effect in (0.0, 0.03, 0.05, 0.1):
                yield from repeat_coverage(Machine(Queue(slots, load, service), effect), requests, runs)


def main(argv: Sequence[str]) -> int:
    rows = list(repeats_table(int(argv[0]) if argv else 200))
    print_table([(key, key) for key in rows[0]], rows)
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
