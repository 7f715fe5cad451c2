"""The throughput of a simulated level, by the formulas that a level's row uses."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from queues import Floats

from fmbench_lib.metrics.statistics.work_in_window import (
    LittlesLaw,
    Rate,
    batch_edges,
    littles_law,
    rate_of_batches,
    work_until,
)


@dataclass(frozen=True, slots=True)
class SimulatedRate:
    """Requests per second with their interval; `inside`: that of the work inside the window."""

    rate: Rate
    inside: float
    law: LittlesLaw


def rate_of_level(
    begun: Floats, ended: Floats, times: Floats, window: tuple[float, float], *, closed: bool
) -> SimulatedRate:
    """The throughput over a window. `begun` and `ended` are of all requests sent by its end, in order of sending,
    `times` those of the requests sent in it."""
    mean_time = float(times.mean()) if times.size else 1.0
    edges = batch_edges(window, mean_time)
    offered = None if closed else np.searchsorted(begun, edges).astype(np.float64)
    rate = rate_of_batches(work_until(edges, begun, ended), edges, offered)
    law = littles_law(begun, ended, window, rate.value, mean_time)
    return SimulatedRate(rate.at(law.in_flight / mean_time) if closed else rate, rate.value, law)
