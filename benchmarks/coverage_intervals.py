"""How often the intervals of a level hold the truth, on simulated queues: before (independent draws) and after."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from queues import Floats, Queue, Served, closed_loop, event_times, open_loop

from fmbench_lib.metrics.statistics.correlated import State, grouped_interval, mean_interval, quantile_interval
from fmbench_lib.metrics.statistics.percentiles import clustered_estimate, estimate

QUANTILES = {"p50": 0.50, "p95": 0.95, "p99": 0.99}
PREFILL, PREFILL_SPREAD = 0.1, 0.1
EVENTS, STALL = 12, 0.02
TRUTH_LEVELS, TRUTH_REQUESTS = 400, 8000


@dataclass(frozen=True, slots=True)
class Case:
    """A queue and the number of requests that a level of it measures; `users` makes it a closed loop."""

    queue: Queue
    requests: int
    users: int | None = None

    @property
    def labels(self) -> dict[str, Any]:
        """What tells the case from others, for a table."""
        loop = f"closed {self.users}" if self.users else f"open {self.queue.load:.0%}"
        return {"service": self.queue.service, "slots": self.queue.slots, "loop": loop, "n": self.requests}

    def served(self, levels: int, requests: int, seed: int) -> Served:
        """So many levels of so many requests."""
        if self.users:
            return closed_loop(self.users, self.queue.slots, self.queue.service, levels, requests, seed)
        return open_loop(self.queue, levels, requests, seed)


def times_of(served: Served, seed: int) -> dict[str, Floats]:
    """The times of every request: TTFT is the wait and a prefill that varies a little, TPOT the rest per token."""
    generator = np.random.default_rng(seed)
    prefill = generator.lognormal(np.log(PREFILL), PREFILL_SPREAD, served.wait.shape)
    decode = served.ended - served.began
    return {"latency": served.latency, "TTFT": served.wait + prefill, "TPOT": decode / 50}


def coverage(case: Case, levels: int, seed: int = 1, truth_levels: int = TRUTH_LEVELS) -> Iterator[dict[str, Any]]:
    """A row for each measure and figure: how many levels publish an interval, and how many of these hold the truth."""
    truth = case.served(truth_levels, TRUTH_REQUESTS, seed + 1000)
    true_times = times_of(truth, seed + 1)
    served = case.served(levels, case.requests, seed)
    states = [State.of(row) for row in served.ahead]
    for measure, values in times_of(served, seed).items():
        for name, q in QUANTILES.items():
            true = float(np.quantile(true_times[measure], q))
            before = [estimate(row, q) for row in values]
            after = [quantile_interval(row, q, state) for row, state in zip(values, states, strict=True)]
            yield {"measure": measure, "figure": name} | case.labels | _shares(true, before, after)
        true = float(true_times[measure].mean())
        after = [mean_interval(row, state) for row, state in zip(values, states, strict=True)]
        yield {"measure": measure, "figure": "mean"} | case.labels | _shares(true, [], after)


def gap_coverage(case: Case, levels: int, seed: int = 1) -> Iterator[dict[str, Any]]:
    """The same for the gaps between the events of each response, which stall for the prefill of others."""
    truth = case.served(40, TRUTH_REQUESTS, seed + 1000)
    true_gaps = np.concatenate([_gaps(truth, level).ravel() for level in range(40)])
    served = case.served(levels, case.requests, seed)
    groups = [list(_gaps(served, level)) for level in range(levels)]
    states = [State.of(row) for row in served.ahead]
    for name, q in QUANTILES.items():
        true = float(np.quantile(true_gaps, q))
        before = [clustered_estimate(group, q) for group in groups]
        after = [grouped_interval(group, q, state) for group, state in zip(groups, states, strict=True)]
        yield {"measure": "ITL", "figure": name} | case.labels | _shares(true, before, after)


def _gaps(served: Served, level: int) -> Floats:
    return np.diff(event_times(served, level, EVENTS, STALL), axis=1)


def _shares(true: float, before: Sequence[Any], after: Sequence[Any]) -> dict[str, Any]:
    """Shares of levels that publish, and of the published intervals that hold the truth, before and after."""
    result: dict[str, Any] = {}
    for name, estimates in (("before", before), ("after", after)):
        intervals = [(one.low, one.high) for one in estimates if one.low is not None]
        slack = 1e-9 * max(1.0, abs(true))
        held = [low - slack <= true <= high + slack for low, high in intervals]
        result[f"{name}_published"] = len(held) / len(estimates) if estimates else float("nan")
        result[f"{name}_held"] = sum(held) / len(held) if held else float("nan")
    return result
