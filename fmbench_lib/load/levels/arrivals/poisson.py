"""`arrival: poisson`: exponential gaps, those of a Poisson process, the first one included."""

from __future__ import annotations

import random
from collections.abc import Iterator

from fmbench_lib.config.schema.load_section import LoadSettings
from fmbench_lib.load.levels.arrivals.arrival_process import ArrivalProcess, times_of


def offsets(rate: float | None, generator: random.Random, _load: LoadSettings) -> Iterator[float]:
    """Times with exponential gaps of `1 / rate` seconds on average."""
    assert rate is not None
    return times_of(lambda: generator.expovariate(rate))


PROCESS = ArrivalProcess(offsets)
