"""`arrival: gamma`: gaps of a gamma distribution, burstier or more regular than those of a Poisson process.

With the shape `burstiness` their coefficient of variation is `1 / sqrt(burstiness)`: 1 is Poisson, less comes in
bursts, more is more regular.
"""

from __future__ import annotations

import random

from fmbench_lib.config.load_settings import LoadSettings
from fmbench_lib.load.levels.arrivals.arrival_process import ArrivalProcess


def gap(generator: random.Random, load: LoadSettings) -> float:
    """A gap whose shape is the burstiness; raises ValueError unless that is positive."""
    if load.burstiness <= 0:
        raise ValueError(f"a burstiness must be positive, not {load.burstiness}")
    return generator.gammavariate(load.burstiness, 1.0)


PROCESS = ArrivalProcess(gap=gap)
