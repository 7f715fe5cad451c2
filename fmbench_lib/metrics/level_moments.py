"""What every slice of a level asks of the whole level: computed once."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from fmbench_lib.metrics.missing import floats, number
from fmbench_lib.metrics.statistics.arrays import Floats, in_order
from fmbench_lib.metrics.statistics.correlated import in_flight_at
from fmbench_lib.metrics.window import Window, moment_of_ending, moment_of_sending


class LevelMoments:
    """When the requests of a level were due, in flight and ended, Unix seconds."""

    def __init__(self, requests: pd.DataFrame, facts: Mapping[str, Any]) -> None:
        self._requests, self._timeout = requests, number(facts, "timeout")

    @cached_property
    def in_flight(self) -> Floats:
        """How many requests of the level, of any phase, were in flight when each of them was sent."""
        sent = moment_of_sending(self._requests)
        return in_flight_at(sent, sent, moment_of_ending(self._requests, self._timeout))

    @cached_property
    def mean_time(self) -> float:
        """The mean time from sending to end of the successes, s; 0 where none is known."""
        success = self._requests["success"].to_numpy(dtype=bool)
        times = (floats(self._requests, "end") - moment_of_sending(self._requests))[success]
        return float(np.nanmean(times)) if not np.isnan(times).all() else 0.0

    @cached_property
    def dues(self) -> Floats:
        """When the requests were due, rising."""
        return in_order(floats(self._requests, "due"))

    def near(self, window: Window) -> slice:
        """The positions among which all requests are that were in flight at any time in a window."""
        sent, end = moment_of_sending(self._requests), moment_of_ending(self._requests, self._timeout)
        before, after = (sent < window.start) & (end < window.start), (sent > window.end) & (end > window.end)
        near = ~(before | after)  # a moment that is not known is neither
        if not near.any():
            return slice(0, 0)
        return slice(int(near.argmax()), near.size - int(near[::-1].argmax()))
