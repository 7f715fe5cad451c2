"""Throughput as the work that was done inside the window, with an interval, and Little's law as a check of it.

Counting the requests that end inside a window gives a request that was half done at its beginning whole to it, and
nothing to one that is half done at its end. Over a window of a few latencies that is an error of many percent. Here a
request counts by the share of its time, from `start` to `end`, that lies inside, and a token by when its event came.

Assumption: the requests in flight at both edges are known, those of the warm-up included, and the level is stationary.
Then the expected work per second is the rate of requests, whatever the distribution of their times and however short
the window is (Campbell's formula for a stationary marked point process; Baccelli & Brémaud 2003, section 1.2).
`level_work` says what a closed loop does instead, whose window begins with a request.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fmbench_lib.metrics.statistics.arrays import Floats
from fmbench_lib.metrics.statistics.ragged import Ragged
from fmbench_lib.metrics.statistics.student import t_quantile

MOST_BATCHES = 20
LEAST_BATCHES = 6
LATENCIES_PER_BATCH = 3.0
LITTLE_TOLERANCE = 0.03

_GROUPS_AT_ONCE = 50_000
_ENTRIES_AT_ONCE = 2_000_000


@dataclass(frozen=True, slots=True)
class Rate:
    """Something per second with the ends of its 95% interval; None where there is no interval.

    `longer`: by what factor the window would have to be longer for an interval, 1 where there is one.
    """

    value: float
    low: float | None = None
    high: float | None = None
    longer: float = 1.0

    def at(self, value: float) -> Rate:
        """The same spread, as a share of the rate, around another value."""
        if self.low is None or self.high is None or self.value <= 0:
            return Rate(value, longer=self.longer)
        return Rate(value, self.low * value / self.value, self.high * value / self.value, self.longer)

    def cost_each(self, per_second: float) -> tuple[float, float | None, float | None]:
        """What one of them costs at `per_second` (USD) with its interval; infinite where nothing was done."""
        value, low, high = (_ratio(per_second, rate) for rate in (self.value, self.high, self.low))
        return math.inf if value is None else value, low, high


@dataclass(frozen=True, slots=True)
class LittlesLaw:
    """The mean number in flight as observed, and as rate × mean time; they are equal in a steady state."""

    in_flight: float
    expected: float

    @property
    def deviation(self) -> float:
        """By which share of the expected number the observed one is off, with its sign."""
        return self.in_flight / self.expected - 1 if self.expected > 0 else math.inf

    @property
    def holds(self) -> bool:
        """Whether they agree within 3%."""
        return abs(self.deviation) <= LITTLE_TOLERANCE


def work_until(moments: Floats, start: Floats, end: Floats, amounts: Floats | None = None) -> Floats:
    """The work done up to each moment: each request by the share of its time that has passed.

    It counts requests, or what `amounts` says each request is (tokens). A request that took no time is done at once.
    One whose times are not known (NaN) is left out.
    """
    known = ~(np.isnan(start) | np.isnan(end))
    begun, took = start[known], np.maximum(end[known] - start[known], 0.0)
    each = np.ones(len(begun)) if amounts is None else amounts[known]
    order = np.argsort(moments, kind="stable")
    ordered, done = moments[order], np.zeros(len(moments))
    after = np.searchsorted(ordered, begun + took, side="left")  # the first moment at which all of it is done
    done[order] = np.cumsum(np.bincount(after, each, len(moments) + 1)[:-1])
    across = np.searchsorted(ordered, begun, side="right") < after  # in progress at a moment
    begun, took, each = begun[across], took[across], each[across]
    end_of = begun + took
    rows = max(1, _ENTRIES_AT_ONCE // max(1, len(moments)))
    for first in range(0, len(begun), rows):
        part = slice(first, first + rows)
        share = (moments[None, :] - begun[part, None]) / took[part, None]
        done += each[part] @ np.where(moments < end_of[part, None], np.clip(share, 0.0, 1.0), 0.0)
    return done


def tokens_until(moments: Floats, event_times: Ragged | Sequence[Floats], tokens: Floats) -> Floats:
    """The tokens that had arrived up to each moment: those of a response spread evenly over its content events.

    A response without events, or of an unknown number of tokens, is left out.
    """
    events = Ragged.of(event_times)
    counted = np.flatnonzero((events.sizes > 0) & ~np.isnan(tokens))
    events, tokens = events.take(counted), tokens[counted]
    order = np.argsort(moments, kind="stable")
    ordered, done = moments[order], np.zeros(len(moments))
    for first in range(0, len(events), _GROUPS_AT_ONCE):
        part = slice(first, first + _GROUPS_AT_ONCE)
        offsets = events.offsets[first : first + _GROUPS_AT_ONCE + 1]
        place = np.searchsorted(ordered, events.values[offsets[0] : offsets[-1]], side="left")
        sizes = np.diff(offsets)
        each = np.repeat(tokens[part] / sizes, sizes)
        done[order] += np.cumsum(np.bincount(place, each, len(moments) + 1)[:-1])
    return done


def batch_edges(window: tuple[float, float], mean_time: float) -> Floats:
    """The edges of equal batches of a window (s): at most 20, each at least three mean times of a request long."""
    length = window[1] - window[0]
    most = MOST_BATCHES if mean_time <= 0 else int(length / (LATENCIES_PER_BATCH * mean_time))
    return np.linspace(window[0], window[1], max(1, min(MOST_BATCHES, most)) + 1)


def rate_of_batches(done: Floats, edges: Floats, offered: Floats | None = None) -> Rate:
    """Work per second over all batches, with an interval from the spread between them; none of fewer than six.

    `done` is the work up to each edge (`work_until`, `tokens_until`). `offered`, the arrivals up to each edge of an
    open loop whose schedule has exactly its mean, is a control variate: that part of the spread which follows the
    arrivals is known to cancel over the whole window (Lavenberg & Welch 1981), so it does not widen the interval.

    Assumption: beyond its neighbour a batch of three mean times is uncorrelated with the others, or negatively
    correlated as those of a closed loop are. The interval is Student's, of batch means (Schmeiser 1982), widened by
    the covariance of neighbours where that is positive.
    """
    length = float(edges[-1] - edges[0])
    batches = np.diff(done)
    value = float(done[-1] - done[0]) / length
    count, fitted = len(batches), 1
    if count < LEAST_BATCHES:
        return Rate(value, longer=LEAST_BATCHES / count)
    spread = batches - batches.mean()
    if offered is not None:
        control = np.diff(offered) - np.diff(offered).mean()
        if float(control @ control) > 0:
            spread, fitted = spread - control * float(control @ spread) / float(control @ control), 2
    freedom = count - fitted
    squares = float(spread @ spread) + 2 * max(0.0, float(spread[1:] @ spread[:-1]))
    half = t_quantile(0.975, freedom) * math.sqrt(squares / freedom * count) / length
    return Rate(value, max(0.0, value - half), value + half)


def littles_law(start: Floats, end: Floats, window: tuple[float, float], rate: float, mean_time: float) -> LittlesLaw:
    """Little's law over a window: the requests in flight (all of them, failed ones too) against rate × mean time.

    `rate` is per second, `mean_time` the mean from `start` to `end` (s) of what the rate counts. They differ where
    the level is not steady, requests are missing, or those measured are not those that did the work (Little 1961;
    Whitt 1991 on finite windows).
    """
    inside = np.minimum(end, window[1]) - np.maximum(start, window[0])
    in_flight = float(np.nansum(np.maximum(inside, 0.0))) / (window[1] - window[0])
    return LittlesLaw(in_flight, rate * mean_time)


def _ratio(above: float, below: float | None) -> float | None:
    if below is None:
        return None
    return above / below if below > 0 else math.inf
