"""`arrival: trace`: the recorded times of a trace, the first one at 0, stretched to the rate where one is given."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

from fmbench_lib.config.load_settings import LoadSettings
from fmbench_lib.load.levels.arrivals.arrival_process import ArrivalProcess


def trace_rate(times: Sequence[float]) -> float | None:
    """The mean rate of a trace, per second: `n` arrivals have `n - 1` gaps. None where all have the same time."""
    length = times[-1] - times[0]
    return (len(times) - 1) / length if length > 0 else None


def offsets(rate: float | None, _generator: random.Random, load: LoadSettings) -> Iterator[float]:
    """The times of the trace, in seconds after its first; raises ValueError for a trace without times."""
    times = _times(load)
    if not times:
        raise ValueError("a trace needs at least one time")
    recorded = trace_rate(times)
    stretch = 1.0 if rate is None or recorded is None else recorded / rate
    return ((time - times[0]) * stretch for time in times)


def own_rate(load: LoadSettings) -> float | None:
    """The trace's mean rate, in requests per second."""
    return trace_rate(_times(load))


def _times(load: LoadSettings) -> list[float]:
    return [entry.time for entry in load.trace or ()]


PROCESS = ArrivalProcess(offsets, own_rate)
