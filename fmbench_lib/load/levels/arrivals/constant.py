"""`arrival: constant`: equal gaps, the first request at 0."""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import count

from fmbench_lib.config.schema.load_section import LoadSettings
from fmbench_lib.load.levels.arrivals.arrival_process import ArrivalProcess


def offsets(rate: float | None, _generator: random.Random, _load: LoadSettings) -> Iterator[float]:
    """Times at equal gaps of `1 / rate` seconds, computed each by itself: a running sum would drift."""
    assert rate is not None
    return (number / rate for number in count())


PROCESS = ArrivalProcess(offsets)
