"""When a level may end before its requests or its time are used up: precise enough, failing, or saturated.

Pure: twice a second the engine reports its counts, and learns whether to stop.
"""

from __future__ import annotations

import math
from array import array
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from fmbench_lib.config.precision import Precision
from fmbench_lib.load.sending.level import Level
from fmbench_lib.metrics.statistics.correlated import State, quantile_interval

_LEAST_ENDED = 20  # requests, for a share of failures to mean something
_NARROW_LOOKS = 3  # in a row: one of many looks finds an interval narrow by chance
_NEWS = 1.01  # values beside those of the last look, for another look to be worth its time
_WATCHED_S = 10.0  # for which the requests in flight must grow steadily
_LEAST_SAMPLES = 10
_RISING_SHARE = 0.8  # of all pairs of samples in which the later is above the earlier
_UNSERVED_SHARE = 0.1  # of the arrivals in that time, at least so many more in flight
_SIGMAS = 4.0  # and more than so many standard deviations of a Poisson process


class Seen(Protocol):
    """How far a level is: the requests that have ended, those of them that failed, and those in flight."""

    done: int
    errors: int
    in_flight: int


INTERRUPTED = "interrupted"
"""Why a level ended: somebody wanted it to."""


@dataclass(frozen=True, slots=True)
class Stop:
    """Why a level ended early: a name, and a sentence with the figures."""

    reason: str
    note: str


class Watch:
    """Watches one level; `stop` is why it should end, None as long as it should not."""

    def __init__(self, level: Level) -> None:
        self.stop: Stop | None = None
        self._until = level.load.until
        self._error_rate = level.load.stop_on_error_rate
        self._rate = level.mean_rate if level.load.stop_on_saturation else None
        self._recent = max(_LEAST_ENDED, 2 * (level.concurrency or 0))
        self._held = level.concurrency  # what a closed loop keeps in flight, whatever a look finds between two sends
        self._values = array("d")
        self._states = array("d")  # for each value, the requests in flight at about that time
        self._width: float | None = None
        self._looked = 0  # values at the last look at the interval
        self._narrow = 0  # looks in a row with a narrow enough interval
        self._ended: deque[tuple[int, int]] = deque([(0, 0)])
        self._in_flight: deque[tuple[float, int]] = deque()

    def asked(self, stop: Stop | None) -> None:
        """End the level for a reason that is not in its figures, unless it has been ended already."""
        self.stop = self.stop or stop

    def learn(self, values: Iterable[float]) -> None:
        """Add times (s) of measured successes, of the kind that `until` is about."""
        self._values.extend(values)

    def look(self, elapsed: float, seen: Seen) -> Stop | None:
        """Why the level should end now, `elapsed` seconds after its beginning; None where it should go on."""
        state = seen.in_flight if self._held is None else self._held
        self._states.extend([state] * (len(self._values) - len(self._states)))
        self.stop = self.stop or self._failing(seen) or self._saturated(elapsed, seen) or self._precise()
        return self.stop

    def _failing(self, seen: Seen) -> Stop | None:
        if self._error_rate is None:
            return None
        ended = self._ended
        ended.append((seen.done, seen.errors))
        while len(ended) > 2 and ended[1][0] <= seen.done - self._recent:
            ended.popleft()
        count, failed = seen.done - ended[0][0], seen.errors - ended[0][1]
        if count < self._recent or failed < self._error_rate * count:
            return None
        return Stop("error_rate", f"{failed} of the last {count} requests failed, {self._error_rate:.0%} end the level")

    def _saturated(self, elapsed: float, seen: Seen) -> Stop | None:
        if self._rate is None:
            return None
        samples = self._in_flight
        samples.append((elapsed, seen.in_flight))
        while samples[-1][0] - samples[0][0] > _WATCHED_S:
            samples.popleft()
        seconds = samples[-1][0] - samples[0][0]
        if len(samples) < _LEAST_SAMPLES or seconds < 0.9 * _WATCHED_S:
            return None
        arrivals = self._rate * seconds
        growth = samples[-1][1] - samples[0][1]
        if growth < max(_UNSERVED_SHARE * arrivals, _SIGMAS * math.sqrt(arrivals)) or not _steadily(samples):
            return None
        grown = f"requests in flight grew from {samples[0][1]} to {samples[-1][1]} within {seconds:.0f} s"
        return Stop("saturation", f"{grown}, while {arrivals:.0f} arrived")

    def _precise(self) -> Stop | None:
        until = self._until
        if until is None:
            return None
        if len(self._values) > _NEWS * self._looked:
            self._width, self._looked = half_width(self._values, self._states, until), len(self._values)
        width = self._width
        self._narrow = 0 if width is None or width >= until.share else self._narrow + 1
        if width is None or self._narrow < _NARROW_LOOKS:
            return None
        known = f"half the 95% interval of {until.name} is {width:.1%} of it after {len(self._values)} successes"
        return Stop("precision", f"{known} ({until.share:.1%} was requested)")


def half_width(values: Sequence[float], in_flight: Sequence[float], until: Precision) -> float | None:
    """Half the width of the percentile's confidence interval as a share of the estimate; None where there is none.

    The values are in order of their ends, and the requests in flight those that were seen when they became known. The
    interval allows for requests that resemble each other, and this order resembles that of sending closely enough.
    """
    series = np.asarray(values, dtype=np.float64)
    percentile = quantile_interval(series, until.quantile, State.of(np.asarray(in_flight, dtype=np.float64)))
    if percentile.low is None or percentile.high is None or not percentile.value:
        return None
    return (percentile.high - percentile.low) / 2 / percentile.value


def _steadily(samples: deque[tuple[float, int]]) -> bool:
    values = [count for _, count in samples]
    pairs = [(early, late) for index, early in enumerate(values) for late in values[index + 1 :]]
    return sum(late > early for early, late in pairs) >= _RISING_SHARE * len(pairs)
