"""`arrival: gamma`: gaps of a gamma distribution, burstier or more regular than those of a Poisson process.

With the shape `burstiness` their coefficient of variation is `1 / sqrt(burstiness)`: 1 is Poisson, less comes in
bursts, more is more regular.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

from fmbench_lib.config.schema.load_section import LoadSettings
from fmbench_lib.load.levels.arrivals.arrival_process import ArrivalProcess, times_of


def offsets(rate: float | None, generator: random.Random, load: LoadSettings) -> Iterator[float]:
    """Times with gamma gaps of `1 / rate` seconds on average; raises ValueError unless the burstiness is positive."""
    assert rate is not None
    shape = load.burstiness
    if shape <= 0:
        raise ValueError(f"a burstiness must be positive, not {shape}")
    scale = 1 / (rate * shape)
    return times_of(lambda: generator.gammavariate(shape, scale))


PROCESS = ArrivalProcess(offsets)
