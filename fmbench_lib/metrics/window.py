"""The measurement window of a level: which requests are counted in it, and how many were in flight meanwhile."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from fmbench_lib.metrics.missing import floats, number
from fmbench_lib.metrics.rows import Frame
from fmbench_lib.metrics.statistics.arrays import Flags, Floats


@dataclass(frozen=True, slots=True)
class Window:
    """From `start` to `end`, Unix seconds.

    `last`: the end belongs to the window. Of two adjacent windows only the later one holds the moment they share, so
    that nothing is counted twice.
    """

    start: float
    end: float
    last: bool = True

    @property
    def seconds(self) -> float:
        """The length of the window."""
        return self.end - self.start

    def holds(self, moments: Floats) -> Flags:
        """Which moments (Unix seconds) lie in the window; a missing one does not."""
        below = moments <= self.end if self.last else moments < self.end
        result: Flags = (moments >= self.start) & below
        return result

    def slices(self, count: int) -> tuple[Window, ...]:
        """The window cut into `count` equal parts, in order."""
        edges = np.linspace(self.start, self.end, count + 1)
        return tuple(Window(float(edges[i]), float(edges[i + 1]), i == count - 1) for i in range(count))


def window_of(facts: Mapping[str, Any]) -> Window | None:
    """The window in a level's facts; None where it has no length: nothing ran, or all requests were sent at once."""
    start, end = number(facts, "window_start"), number(facts, "window_end")
    if start is None or end is None or end <= start:
        return None
    return Window(start, end)


def moment_of_sending(requests: Frame) -> Floats:
    """When each request was sent; one that never got a connection counts at the moment it was due."""
    sent = floats(requests, "sent")
    never = np.isnan(sent)
    return np.where(never, floats(requests, "due"), sent) if never.any() else sent


def moment_of_ending(requests: Frame, timeout: float | None) -> Floats:
    """When each request ended or failed; one whose end is unknown after its timeout (s), NaN if there is none."""
    end = floats(requests, "end")
    unknown = np.isnan(end)
    if timeout is None or not unknown.any():
        return end
    return np.where(unknown, moment_of_sending(requests) + timeout, end)


def measured_in(requests: pd.DataFrame, window: Window | None) -> Flags:
    """Which measured requests were sent in the window, whenever they end; without a window, all measured ones."""
    measured: Flags = (requests["phase"] == "measured").to_numpy(dtype=bool)
    return measured if window is None else measured & window.holds(moment_of_sending(requests))


def completed_in(requests: pd.DataFrame, window: Window) -> Flags:
    """Which successes, of any phase, ended inside the window: the work that the endpoint completed in it."""
    success: Flags = requests["success"].to_numpy(dtype=bool)
    return success & window.holds(floats(requests, "end"))


def mean_in_flight(requests: pd.DataFrame, window: Window, timeout: float | None) -> float:
    """The time integral of the requests in flight over the window, divided by its length.

    A request is in flight from its first byte sent (from `due` if it never got that far) to its last byte or its
    failure. One whose end is unknown counts until its timeout (seconds), and not at all if there is none.
    """
    begin, end = moment_of_sending(requests), moment_of_ending(requests, timeout)
    inside = np.clip(end, window.start, window.end) - np.clip(begin, window.start, window.end)
    return float(np.nansum(np.maximum(inside, 0.0))) / window.seconds
