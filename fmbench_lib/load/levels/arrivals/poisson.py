"""`arrival: poisson`: exponential gaps, those of a Poisson process."""

from __future__ import annotations

import random

from fmbench_lib.config.load_settings import LoadSettings
from fmbench_lib.load.levels.arrivals.arrival_process import ArrivalProcess


def gap(generator: random.Random, _load: LoadSettings) -> float:
    """An exponential gap."""
    return generator.expovariate(1.0)


PROCESS = ArrivalProcess(gap=gap)
