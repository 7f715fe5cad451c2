"""`arrival: constant`: equal gaps, the first request at 0."""

from __future__ import annotations

import random

from fmbench_lib.config.load_settings import LoadSettings
from fmbench_lib.load.levels.arrivals.arrival_process import ArrivalProcess


def gap(_generator: random.Random, _load: LoadSettings) -> float:
    """The one gap that there is."""
    return 1.0


PROCESS = ArrivalProcess(gap=gap)
