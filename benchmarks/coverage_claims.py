"""What a whole comparison claims of simulated levels, by the code of `compare`: false alarms, finds, and coverage.

    python benchmarks/coverage_claims.py [PAIRS]

2,000 pairs of equal levels of three repeats (PAIRS, divided among the settings) with heavy tails, batches and bursts,
in closed and open loops, on machines that are the same or differ, in turns. A row for each setting and difference: how
many pairs have an alarm, any figure or rank test called different after Holm's correction for all of them; for each
figure how many pairs can be compared, how many are called different, after the correction and by the figure alone, and
in how many the interval of the difference holds; and how many levels have an interval of their own that holds.

A difference of `d` makes all times of the second level longer by the factor `1 + d`, those between arrivals too,
so that the truth is exact for every figure: its throughput is that of the first over `1 + d`, its price `1 + d` times
as high. Those of 5 and 10% are looked for in the first 40 pairs of a setting.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd
from output import print_table, write_result
from queues import Floats, Queue, Served, closed_loop, open_loop
from simulated_rates import rate_of_level

from fmbench_lib.metrics.comparison.claims import LevelComparison, compare_levels
from fmbench_lib.metrics.comparison.compared_level import ComparedLevel, figure_of
from fmbench_lib.metrics.comparison.measures import MEASURES
from fmbench_lib.metrics.groups.level_times import OrderedTimes
from fmbench_lib.metrics.statistics.correlated import State
from fmbench_lib.metrics.statistics.hierarchical import RepeatFigure, repeated_interval
from fmbench_lib.metrics.statistics.ragged import Ragged

REPEATS = 3
DIFFERENCES = (0.0, 0.05, 0.10)
PLANTED_PAIRS, OWN_LEVELS = 40, 200
PREFILL, PREFILL_SPREAD = 0.1, 0.25
TIMES = {
    "latency_p50": ("latency", 0.5),
    "latency_p95": ("latency", 0.95),
    "TTFT_p50": ("TTFT", 0.5),
    "TTFT_p95": ("TTFT", 0.95),
}
RATE, PRICE = "transactions_per_minute", "price_per_10k_txn"
FIGURES = (*TIMES, RATE, PRICE)
USD_PER_HOUR = 1.0
TRUTH_LEVELS, TRUTH_REQUESTS = 200, 6000


@dataclass(frozen=True, slots=True)
class Setting:
    """What is measured: an open loop on a queue, or with `users` a closed one, with so many requests a repeat.

    `machine`: services take `1 + machine · normal` as long in each repeat, and everything becomes slower by `drift`
    over all levels, in turns, or with `in_turns` false the second level after the first.
    """

    queue: Queue
    users: int | None = None
    requests: int = 1000
    machine: float = 0.0
    drift: float = 0.0
    in_turns: bool = True

    @property
    def labels(self) -> dict[str, Any]:
        """What tells the setting from others, for a table."""
        loop = (
            f"closed {self.users} on {self.queue.slots}"
            if self.users
            else f"open {self.queue.load:.0%} of {self.queue.slots}"
        )
        bursts = "" if self.queue.burstiness == 1 else f", bursts {self.queue.burstiness:g}"
        return {
            "service": self.queue.service,
            "loop": f"{loop}{bursts}",
            "n": self.requests,
            "machine": self.machine,
            "drift": self.drift,
            "in turns": self.in_turns,
        }

    def served(self, levels: int, requests: int, seed: int) -> Served:
        """So many levels, with the requests before the measured ones."""
        if self.users:
            count = self.users + requests
            return closed_loop(self.users, self.queue.slots, self.queue.service, levels, count, seed, warm_up=0)
        return open_loop(self.queue, levels, requests, seed, kept=40 * self.queue.slots)


@dataclass(frozen=True, slots=True)
class Repeat:
    """A repeat as a level's statistics see it: its times, and its rate with the ends of its interval (1/s)."""

    times: OrderedTimes
    rate: tuple[float, float | None, float | None]
    window_s: float


def repeats_of(setting: Setting, levels: int, requests: int, seed: int) -> list[Repeat]:
    """So many repeats, all of them at the same speed."""
    served = setting.served(levels, requests, seed)
    generator = np.random.default_rng([seed, 77])
    prefill = generator.lognormal(np.log(PREFILL), PREFILL_SPREAD, served.wait.shape)
    return [_repeat(setting, served, prefill, level, requests) for level in range(levels)]


def _repeat(setting: Setting, served: Served, prefill: Floats, level: int, requests: int) -> Repeat:
    arrived, ended = served.arrived[level], served.ended[level]
    first = arrived.size - requests
    window = (float(arrived[first]), float(arrived[-1])) if setting.users else (0.0, requests / setting.queue.rate)
    columns = {"latency": served.latency[level, first:], "TTFT": (served.wait[level] + prefill[level])[first:]}
    found = rate_of_level(arrived, ended, columns["latency"], window, closed=setting.users is not None).rate
    times = OrderedTimes(pd.DataFrame(columns), Ragged.empty(requests), State.of(served.ahead[level, first:]))
    return Repeat(times, (found.value, found.low, found.high), window[1] - window[0])


def scaled(repeat: Repeat, factor: float) -> Repeat:
    """The repeat with all times longer by a factor."""
    value, low, high = (None if one is None else one / factor for one in repeat.rate)
    assert value is not None
    times = OrderedTimes(repeat.times.requests * factor, repeat.times.gaps, repeat.times.state)
    return Repeat(times, (value, low, high), repeat.window_s * factor)


def level_of(repeats: Sequence[Repeat]) -> ComparedLevel:
    """The level of these repeats, as `compare` reads it from a run."""
    rows = [_row(*repeat.rate) for repeat in repeats]
    pooled = {
        name: float(np.quantile(np.concatenate([repeat.times.values(family) for repeat in repeats]), q))
        for name, (family, q) in TIMES.items()
    }
    rate = float(np.average([repeat.rate[0] for repeat in repeats], weights=[repeat.window_s for repeat in repeats]))
    row = {**_row(rate, None, None), **pooled}
    times = [repeat.times for repeat in repeats]
    figures = {name: figure_of(MEASURES[name], row, rows, times) for name in FIGURES}
    series = {family: tuple(one.requests[family].to_numpy() for one in times) for family in ("latency", "TTFT")}
    return ComparedLevel("simulated", row, figures, len(repeats), {}, series, tuple(one.state for one in times))


def _row(rate: float, low: float | None, high: float | None) -> dict[str, Any]:
    per_minute = {RATE: 60 * rate}
    if low is not None and high is not None:
        per_minute |= {f"{RATE}_low": 60 * low, f"{RATE}_high": 60 * high}
    return {**per_minute, PRICE: _price(60 * rate), "price_kind": "instance", "verdict": "valid"}


def _price(per_minute: float) -> float:
    return 10_000 * USD_PER_HOUR / 60 / per_minute


def rows(setting: Setting, pairs: int, seed: int = 1) -> Iterator[dict[str, Any]]:
    """A row for each difference."""
    speeds = _speeds(setting, pairs, seed)
    count = 2 * REPEATS
    repeats = [
        scaled(repeat, float(speed))
        for repeat, speed in zip(
            repeats_of(setting, pairs * count, setting.requests, seed), speeds.ravel(), strict=True
        )
    ]
    sides = [
        (repeats[first : first + REPEATS], repeats[first + REPEATS : first + count])
        for first in range(0, len(repeats), count)
    ]
    own = _own_intervals(setting, [side for pair in sides for side in pair][:OWN_LEVELS])
    bases = [level_of(base) for base, _ in sides]
    for difference in DIFFERENCES:
        found = [
            compare_levels(
                [(base, level_of([scaled(one, 1 + difference) for one in new]))], FIGURES, paired=setting.in_turns
            )[0]
            for base, (_, new) in list(zip(bases, sides, strict=True))[: PLANTED_PAIRS if difference else pairs]
        ]
        alarms = _share(
            [bool({one.outcome for one in (*level.claims, *level.ranks)} & {"better", "worse"}) for level in found]
        )
        figures = [_of_figure(name, found, difference) for name in FIGURES]
        yield setting.labels | {
            "difference": difference,
            "pairs": len(found),
            "alarms": alarms,
            "figures": figures,
            "levels": own,
        }


def _speeds(setting: Setting, pairs: int, seed: int) -> Floats:
    """How much longer everything takes, for each pair the repeats of the base and then those of the other level."""
    generator = np.random.default_rng([seed, 78])
    moments, last = np.empty((pairs, 2, REPEATS)), 2 * REPEATS - 1
    for pair in moments:
        first = generator.integers(0, 2, REPEATS) if setting.in_turns else np.zeros(REPEATS)
        step, begin = (2, 1) if setting.in_turns else (1, REPEATS)
        pair[0] = (step * np.arange(REPEATS) + first) / last
        pair[1] = (step * np.arange(REPEATS) + begin - first) / last
    machine = np.maximum(1 + setting.machine * generator.standard_normal(moments.shape), 0.5)
    speeds: Floats = machine * (1 + setting.drift * moments)
    return speeds


def _of_figure(name: str, found: Sequence[LevelComparison], difference: float) -> dict[str, Any]:
    claims = [claim for level in found if (claim := level.claim(name)) is not None and claim.effect is not None]
    effects = [claim.effect for claim in claims if claim.effect is not None]
    true = 1 / (1 + difference) - 1 if name == RATE else difference
    return {
        "figure": name,
        "compared": len(claims) / len(found),
        "different": _share([claim.outcome in ("better", "worse") for claim in claims]),
        "alone": _share([effect.low > 0 or effect.high < 0 for effect in effects]),
        "held": _share([effect.low <= true <= effect.high for effect in effects]),
    }


def _own_intervals(setting: Setting, levels: Sequence[Sequence[Repeat]]) -> list[dict[str, Any]]:
    """For each figure of a level of repeats, how many levels have an interval, and how many of these hold the figure
    that a repeat typically gives."""
    if setting.drift:
        return []  # there is no one truth
    truth, table = _truth(replace(setting, machine=0.0, in_turns=True)), []
    for name in FIGURES:
        ends = [_interval(name, repeats) for repeats in levels]
        known = [one for one in ends if one is not None]
        held = _share([low <= truth[name] <= high for low, high in known])
        table.append({"figure": name, "published": len(known) / len(ends), "held": held})
    return table


def _interval(name: str, repeats: Sequence[Repeat]) -> tuple[float, float] | None:
    if name in TIMES:
        family, q = TIMES[name]
        known = [repeat.times.estimates(family, [q])[0] for repeat in repeats]
        figures = [RepeatFigure(one.value or 0.0, one.low, one.high, one.n, 1 / one.longer) for one in known]
        pooled = float(np.quantile(np.concatenate([repeat.times.values(family) for repeat in repeats]), q))
        return repeated_interval(pooled, figures, of_times=True)
    figures = [RepeatFigure(*repeat.rate, weight=repeat.window_s) for repeat in repeats]
    ends = repeated_interval(
        float(np.average([one.value for one in figures], weights=[one.weight for one in figures])), figures
    )
    if ends is None:
        return None
    low, high = 60 * ends[0], 60 * ends[1]
    return (low, high) if name == RATE else (_price(high), _price(low) if low > 0 else float("inf"))


@lru_cache
def _truth(setting: Setting) -> dict[str, float]:
    served = setting.served(TRUTH_LEVELS, TRUTH_REQUESTS, 1001)
    first = 20 * (setting.users or 0)  # the beginning of a closed loop is not its steady state
    prefill = np.random.default_rng(1002).lognormal(np.log(PREFILL), PREFILL_SPREAD, served.wait.shape)
    times = {"latency": served.latency[:, first:], "TTFT": (served.wait + prefill)[:, first:]}
    rate = setting.queue.rate
    if setting.users:
        span = served.arrived[:, -1] - served.arrived[:, first]
        rate = float(np.mean((served.arrived.shape[1] - 1 - first) / span))
    quantiles = {name: float(np.quantile(times[family], q)) for name, (family, q) in TIMES.items()}
    return {**quantiles, RATE: 60 * rate, PRICE: _price(60 * rate)}


def _share(answers: Sequence[bool]) -> float:
    return sum(answers) / len(answers) if answers else float("nan")


def settings() -> list[Setting]:
    """Heavy tails, batches and bursts; then machines that differ between repeats, and an hour that drifts."""
    tails, batches = Queue(16, 0.5, "pareto", exact=True), Queue(16, 0.5, "batches", exact=True, slowdown=0.5)
    return [
        Setting(tails),
        Setting(tails, users=12),
        Setting(batches),
        Setting(batches, users=24),
        Setting(Queue(16, 0.5, "lognormal", burstiness=0.25, exact=True)),
        Setting(tails, machine=0.05),
        Setting(batches, users=12, machine=0.05),
        Setting(tails, users=12, drift=0.1),
    ]


def main(argv: Sequence[str]) -> int:
    chosen = settings()
    each = -(-(int(argv[0]) if argv else 2000) // len(chosen))
    apart = Setting(Queue(16, 0.5, "pareto", exact=True), users=12, drift=0.1, in_turns=False)
    found = []
    for setting in (*chosen, apart):
        for row in rows(setting, each):
            found.append(row)
            print(
                f"\n{', '.join(f'{key} {value}' for key, value in row.items() if key not in ('figures', 'levels'))}",
                flush=True,
            )
            print_table([(key, key) for key in row["figures"][0]], row["figures"])
        if row["levels"]:
            print("levels of three repeats")
            print_table([(key, key) for key in row["levels"][0]], row["levels"])
    equal = [row["alarms"] for row in found if row["difference"] == 0 and row["in turns"]]
    print(f"\n{each * len(equal)} pairs of equal levels, in turns: {float(np.mean(equal)):.1%} have an alarm")
    write_result("coverage_claims", {"pairs": each, "rows": found})
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
