"""How often a comparison of two levels says a difference where there is none, finds one that is there, and holds it.

    python benchmarks/coverage_comparison.py [RUNS]

prints a row for each queue, figure and difference: of RUNS pairs of levels (300 if not given), each of three repeats,
how many can be compared at all, in how many of these the difference is significant (where there is none, that is a
false alarm), and in how many the 95% interval holds the true one. `machine`: services take `1 + machine · normal` as
long in each repeat. `drift`: all services become longer by this share over the time of all repeats; `in turns` says
whether the two levels were measured in turns, in an order drawn for each repeat, or one after the other.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from output import print_table
from queues import SERVICES, Floats, Queue, Served, serve, settling_requests

from fmbench_lib.metrics.statistics.correlated import State, quantile_interval, rough_interval
from fmbench_lib.metrics.statistics.effects import Effect, Reading, effect
from fmbench_lib.metrics.statistics.rank_test import rank_effect

REPEATS = 3
QUANTILES = {"p50": 0.50, "p95": 0.95}
DIFFERENCES = (0.0, 0.05, 0.10)
_NORMAL_95 = 2 * 1.959964


@dataclass(frozen=True, slots=True)
class Setting:
    """A queue, its requests in a repeat, and what varies between repeats."""

    queue: Queue
    requests: int
    machine: float = 0.0
    drift: float = 0.0
    in_turns: bool = False


def pairs(setting: Setting, runs: int, seed: int = 1) -> tuple[Served, Floats]:
    """The levels of all pairs, `2 · REPEATS` rows a pair (base's repeats, then the new one's), and how much longer the
    services of each row took."""
    generator = np.random.default_rng([seed, setting.requests, round(1000 * setting.machine)])
    skipped = settling_requests(setting.queue)
    shape = (runs * 2 * REPEATS, skipped + setting.requests)
    speed = np.maximum(1 + setting.machine * generator.standard_normal((shape[0], 1)), 0.5)
    speed *= 1 + setting.drift * _moments(setting, runs, generator).reshape(-1, 1)
    arrived = np.cumsum(generator.exponential(1 / setting.queue.rate, shape), axis=1)
    service = SERVICES[setting.queue.service](generator, shape)
    served = serve(arrived, service, setting.queue.slots).columns(skipped)
    return served, speed


def _moments(setting: Setting, runs: int, generator: np.random.Generator) -> Floats:
    """When each level was measured, as a share of the whole time, one row per level of `pairs`."""
    moments = np.empty((runs, 2, REPEATS))
    count = 2 * REPEATS - 1
    for run in moments:
        if setting.in_turns:
            first = generator.integers(0, 2, REPEATS)
            run[0], run[1] = (2 * np.arange(REPEATS) + first) / count, (2 * np.arange(REPEATS) + 1 - first) / count
        else:
            run[0], run[1] = np.arange(REPEATS) / count, (REPEATS + np.arange(REPEATS)) / count
    return moments


def comparison_rows(setting: Setting, runs: int, seed: int = 1) -> Iterator[dict[str, Any]]:
    """A row for each figure and difference."""
    served, speed = pairs(setting, runs, seed)
    states = [State.of(row) for row in served.ahead]
    for name, q in QUANTILES.items():
        readings, enough = [], []
        for row, state, factor in zip(served.latency, states, speed[:, 0], strict=True):
            one = rough_interval(row, q, state)
            readings.append(_reading(one.value, one.low, one.high, float(factor)))
            enough.append(1 / quantile_interval(row, q, state).longer)
        for difference in DIFFERENCES:
            effects = list(_effects(setting, readings, enough, difference))
            yield {
                "service": setting.queue.service,
                "slots": setting.queue.slots,
                "load": setting.queue.load,
                "n": setting.requests,
                "machine": setting.machine,
                "drift": setting.drift,
                "in turns": setting.in_turns,
                "figure": name,
                "difference": difference,
                "compared": len(effects) / runs,
                "significant": _share([one.p < 0.05 for one in effects]),
                "held": _share([one.low <= difference <= one.high for one in effects]),
            }


def rank_rows(setting: Setting, runs: int, seed: int = 1) -> Iterator[dict[str, Any]]:
    """The same for the test of the whole distribution; what is true is known where there is no difference."""
    served, speed = pairs(setting, runs, seed)
    states = [State.of(row) for row in served.ahead]
    times = served.latency * speed
    for difference in DIFFERENCES:
        found = []
        for first in range(0, len(times), 2 * REPEATS):
            middle, end = first + REPEATS, first + 2 * REPEATS
            base = list(zip(times[first:middle], states[first:middle], strict=True))
            new = list(zip(times[middle:end] * (1 + difference), states[middle:end], strict=True))
            one = rank_effect(base, new, paired=setting.in_turns)
            found += [one] if one is not None and one.enough >= 1 else []
        yield {
            "service": setting.queue.service,
            "slots": setting.queue.slots,
            "load": setting.queue.load,
            "n": setting.requests,
            "machine": setting.machine,
            "drift": setting.drift,
            "in turns": setting.in_turns,
            "figure": "ranks",
            "difference": difference,
            "compared": len(found) / runs,
            "significant": _share([one.p < 0.05 for one in found]),
            "held": float("nan") if difference else _share([one.low <= 0.5 <= one.high for one in found]),
        }


def _reading(value: float | None, low: float | None, high: float | None, factor: float) -> Reading | None:
    if value is None or low is None or high is None:
        return None
    return Reading(value * factor, float(np.log(high / low)) / _NORMAL_95)


def _effects(
    setting: Setting, readings: Sequence[Reading | None], enough: Sequence[float], difference: float
) -> Iterator[Effect]:
    """The effects of those pairs that can be compared, the second level's times being longer by `difference`."""
    for first in range(0, len(readings), 2 * REPEATS):
        middle, end = first + REPEATS, first + 2 * REPEATS
        base = [one for one in readings[first:middle] if one is not None]
        new = [Reading(one.value * (1 + difference), one.error) for one in readings[middle:end] if one is not None]
        whole = len(base) == len(new) == REPEATS
        if whole and min(sum(enough[first:middle]), sum(enough[middle:end])) >= 1:
            found = effect(base, new, paired=setting.in_turns)
            if found is not None:
                yield found


def _share(answers: Sequence[bool]) -> float:
    return sum(answers) / len(answers) if answers else float("nan")


def settings() -> Iterator[Setting]:
    """Light and heavy tails, a quiet and a busy endpoint; then machines that differ, and an hour that drifts."""
    for service in ("lognormal", "exponential", "bimodal"):
        for slots, load in ((4, 0.5), (16, 0.5), (16, 0.8)):
            yield Setting(Queue(slots, load, service), 1000)
    for machine in (0.02, 0.05, 0.1):
        yield Setting(Queue(16, 0.5, "lognormal"), 1000, machine=machine)
    for in_turns in (True, False):
        yield Setting(Queue(16, 0.5, "lognormal"), 1000, drift=0.1, in_turns=in_turns)
    yield Setting(Queue(16, 0.5, "lognormal"), 200)


def main(argv: Sequence[str]) -> int:
    runs = int(argv[0]) if argv else 300
    rows = [row for setting in settings() for made in (comparison_rows, rank_rows) for row in made(setting, runs)]
    print_table([(key, key) for key in rows[0]], rows)
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
