"""Intervals for percentiles and means of requests that are not independent of each other.

Requests that wait in one queue, or share a batch, resemble their neighbours: a thousand of them may tell as little as
five independent ones would. An interval from their number alone then holds the truth a few times in a hundred. Here
the number is replaced by the effective one, and where that is too small to be known there is no interval.

The method, for the share of values at or below the estimate (a quantile's interval is that of its share, inverted;
Woodruff 1952, and Korn & Graubard 1998 for effective numbers) or for the values themselves (a mean):

1. The integrated autocorrelation time of the series in order of sending, by Geyer's initial monotone sequence (1992).
2. What the series owes to the state of the endpoint, seen as the requests in flight when each was sent: the variance
   that the state explains counts with the state's own autocorrelation time, which noise does not hide.
3. The greater of both, enlarged by the error of its own estimate, divides the number of requests.
4. No interval unless the effective number and the number of independent states exceed what `_needs` says. A level in
   which the queue happened to stay short looks both fast and uncorrelated, so near these limits the upper end is taken
   from a smaller effective number, as levels just good enough to be published are the lucky ones.

Assumption: the level is stationary, its autocorrelations are summable, and the state of the endpoint is reflected in
the requests in flight. The constants were chosen by the measured coverage on simulated queues
(`benchmarks/coverage.py`), not by theory.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from fmbench_lib.metrics.statistics.arrays import Flags, Floats, Integers, in_order
from fmbench_lib.metrics.statistics.autocorrelation import autocorrelation_time, batched_time
from fmbench_lib.metrics.statistics.ordered_values import OrderedValues
from fmbench_lib.metrics.statistics.percentiles import order_ranks, smallest_n
from fmbench_lib.metrics.statistics.ragged import Ragged
from fmbench_lib.metrics.statistics.student import t_quantile

LEAST_REQUESTS = 20
_BINS = 8
_TIME_ERROR = 3.0
_EXPLAINED_FLOOR = 2.0
_DEPENDENT = 0.2
_EDGE_WIDENING, _DEPENDENT_EDGE_WIDENING, _EDGE_POWER = 2.5, 5.0, 1.5
_STATES_BY_SPREAD = 0.4
_UNSEEN_STATES, _LEAST_HALF = 2.0, 0.01
_MEAN_NEEDS, _DEPENDENT_MEAN_NEEDS, _SKEWNESS_NEEDS = 150.0, 1000.0, 60.0


@dataclass(frozen=True, slots=True)
class CorrelatedEstimate:
    """A percentile or mean with a 95% interval; None where a thing is not known.

    `n` is the number of values, `effective_n` that of independent values which would tell as much. `longer` is by what
    factor to lengthen the measurement for an interval, 1 where there is one.
    """

    n: int
    value: float | None
    low: float | None = None
    high: float | None = None
    effective_n: float = 0.0
    longer: float = 1.0


@dataclass(frozen=True, slots=True)
class State:
    """The requests in flight when each request was sent, in order of sending, and how long such a state lasts.

    `time` is their integrated autocorrelation time, in requests, at least the mean number in flight (a request that is
    in flight is part of the state of all that are sent meanwhile).
    """

    in_flight: Floats
    time: float
    _known: list[tuple[Flags, _States]] = field(default_factory=list, compare=False, repr=False)

    @classmethod
    def of(cls, in_flight: Floats) -> State:
        """The state from the numbers in flight; a closed loop's are all the same."""
        counts = np.asarray(in_flight, dtype=np.float64)
        if counts.size < 2:
            return cls(counts, 1.0)
        steps = float(np.mean(np.diff(counts) ** 2))
        persistence = 4 * float(counts.var()) / steps if steps > 0 else 0.0
        time = max(autocorrelation_time(counts), persistence, float(counts.mean()), 1.0)
        return cls(counts, _enlarged(time, time, counts.size))

    def when(self, known: Flags) -> _States:
        """The state when these requests were sent; most families of times are known of the same ones."""
        if not (self._known and np.array_equal(self._known[0][0], known)):
            self._known.clear()  # not beside the next ones in memory
            self._known.append((known, _States.of(self, known)))
        return self._known[0][1]


def in_flight_at(moments: Floats, start: Floats, end: Floats) -> Floats:
    """How many requests with these starts and ends (s) are in flight at each moment; one that starts then is not yet.

    An end that is not known (NaN) is taken never to have come.
    """
    begun = np.searchsorted(in_order(start), moments, side="left")
    ended = np.searchsorted(in_order(end), moments, side="right")
    result: Floats = np.maximum(begun - ended, 0).astype(np.float64)
    return result


def quantile_interval(values: Floats, q: float, state: State) -> CorrelatedEstimate:
    """The `q`-quantile of values in order of sending, one per request, NaN where a request has none."""
    return quantile_intervals(values, [q], state)[0]


def quantile_intervals(values: Floats, quantiles: Sequence[float], state: State) -> list[CorrelatedEstimate]:
    """Several quantiles of the same values, each as `quantile_interval` gives it."""
    known = ~np.isnan(values)
    series = values if known.all() else values[known]
    if not series.size:
        return [CorrelatedEstimate(0, None) for _ in quantiles]
    ordered, states = OrderedValues(series), state.when(known)
    return [
        _of_share(ordered, value, q, (series <= value).astype(np.float64), None, states)
        for q, value in zip(quantiles, ordered.quantiles(quantiles), strict=True)
    ]


def grouped_interval(groups: Ragged | Sequence[Floats], q: float, state: State) -> CorrelatedEstimate:
    """The `q`-quantile of all values of groups, one group per request in order of sending: the gaps of its events."""
    return grouped_intervals(groups, [q], state)[0]


def grouped_intervals(
    groups: Ragged | Sequence[Floats], quantiles: Sequence[float], state: State
) -> list[CorrelatedEstimate]:
    """Several quantiles of the same groups, each as `grouped_interval` gives it."""
    ragged = Ragged.of(groups)
    known = ragged.sizes > 0
    if not known.any():
        return [CorrelatedEstimate(0, None) for _ in quantiles]
    ordered, states = OrderedValues(ragged.values), state.when(known)
    sizes = ragged.sizes[known].astype(np.float64)
    found = zip(quantiles, ordered.quantiles(quantiles), strict=True)
    return [_of_share(ordered, value, q, _below(ragged, value)[known], sizes, states) for q, value in found]


def mean_interval(values: Floats, state: State) -> CorrelatedEstimate:
    """The mean of values in order of sending, one per request, NaN where a request has none.

    The interval is Student's with the effective number, whose upper half is widened as that of a quantile is. A mean
    that rests on few large values is not normal yet: the effective number must also exceed 60 times the squared
    skewness; Cochran (1977, section 2.15) asks for 25 times, of independent values. And as far as the values, or
    the greatest hundredth of them, depend on the state, the upper end allows for two more states like the worst one.
    No interval is narrower than 1% of the mean to each side.
    """
    known = ~np.isnan(values)
    series = values[known]
    n = int(series.size)
    if not n:
        return CorrelatedEstimate(0, None)
    value, spread = float(series.mean()), float(series.std())
    seen = state.when(known)
    effective, states = _effective(series, n, seen)
    tail = (series <= np.quantile(series, 0.99)).astype(np.float64)
    states = states[0], max(states[1], _effective(tail, n, seen)[1][1])
    skewness = float(np.mean((series - value) ** 3)) / spread**3 if spread > 0 else 0.0
    least = _MEAN_NEEDS + (_DEPENDENT_MEAN_NEEDS - _MEAN_NEEDS) * min(1.0, states[1] / _DEPENDENT)
    needs = max(least, _SKEWNESS_NEEDS * skewness**2), _needs(0.99, states[1], float(state.in_flight.var()))[1]
    if n < LEAST_REQUESTS or not (effective >= needs[0] and states[0] >= needs[1]):
        return CorrelatedEstimate(n, value, None, None, effective, _longer(effective, states[0], needs))
    upper = effective / _edge(effective, states, needs)
    low = value - t_quantile(0.975, effective - 1) * spread / math.sqrt(effective)
    high = value + t_quantile(0.975, upper - 1) * spread / math.sqrt(upper)
    high += _UNSEEN_STATES * states[1] / states[0] * (float(series.max()) - value)
    low, high = min(low, value - _LEAST_HALF * abs(value)), max(high, value + _LEAST_HALF * abs(value))
    return CorrelatedEstimate(n, value, low, high, effective)


def rough_interval(values: Floats, q: float, state: State) -> CorrelatedEstimate:
    """The `q`-quantile with the best interval there is, however small the effective number: not for publication.

    A search weighs every level, also those too short for an interval that holds what it claims. An end is None where
    even the least or greatest value is within what chance allows.
    """
    known = ~np.isnan(values)
    series = values[known]
    if not series.size:
        return CorrelatedEstimate(0, None)
    ordered = OrderedValues(series)
    [value] = ordered.quantiles([q])
    below = (series <= value).astype(np.float64)
    return _roughly(ordered, value, q, _effective(below, float(series.size), state.when(known))[0])


def rough_grouped_interval(groups: Ragged | Sequence[Floats], q: float, state: State) -> CorrelatedEstimate:
    """The rough interval of the `q`-quantile of groups of values, given as to `grouped_interval`."""
    ragged = Ragged.of(groups)
    known = ragged.sizes > 0
    if not known.any():
        return CorrelatedEstimate(0, None)
    ordered, sizes = OrderedValues(ragged.values), ragged.sizes[known].astype(np.float64)
    [value] = ordered.quantiles([q])
    excess = _excess(_below(ragged, value)[known], sizes)
    return _roughly(ordered, value, q, _effective(*excess, state.when(known))[0])


def rough_mean_interval(values: Floats, state: State) -> CorrelatedEstimate:
    """The mean with a normal interval from the effective number, however small: not for publication."""
    known = ~np.isnan(values)
    series = values[known]
    if not series.size:
        return CorrelatedEstimate(0, None)
    value, effective = float(series.mean()), _effective(series, float(series.size), state.when(known))[0]
    half = 1.96 * float(series.std()) / math.sqrt(effective)
    return CorrelatedEstimate(int(series.size), value, value - half, value + half, effective)


def _below(groups: Ragged, value: float) -> Floats:
    """Of each group how many values lie at or below one."""
    return groups.sums(groups.values <= value)


def _excess(below: Floats, sizes: Floats | None) -> tuple[Floats, float]:
    """By how much the values at or below the estimate exceed their share in each request, and the effective number of
    values were requests independent of each other."""
    n = float(below.size if sizes is None else sizes.sum())
    share = float(below.sum()) / n
    excess: Floats = below - (share if sizes is None else share * sizes)
    squares = float(excess @ excess)
    return excess, n if squares <= 0 or share >= 1 else min(share * (1 - share) * n**2 / squares, n)


def _roughly(ordered: OrderedValues, value: float, q: float, effective: float) -> CorrelatedEstimate:
    if ordered.size < 2:
        return CorrelatedEstimate(int(ordered.size), value, None, None, effective)
    spread = 1.96 * math.sqrt(q * (1 - q) / max(effective, 1e-9))
    low = ordered.quantiles([q - spread])[0] if q - spread > 0 else None
    high = ordered.quantiles([q + spread])[0] if q + spread < 1 else None
    return CorrelatedEstimate(int(ordered.size), value, low, high, effective)


def _of_share(
    ordered: OrderedValues, value: float, q: float, below: Floats, sizes: Floats | None, seen: _States
) -> CorrelatedEstimate:
    """The interval of a quantile from how many values of each request lie at or below the estimate; `sizes` are how
    many it has, None for one each."""
    n = ordered.size
    effective, states = _effective(*_excess(below, sizes), seen)
    needs = _needs(q, states[1], seen.spread)
    unknown = CorrelatedEstimate(n, value, None, None, effective, _longer(effective, states[0], needs))
    if below.size < LEAST_REQUESTS or not (effective >= needs[0] and states[0] >= needs[1]):
        return unknown
    upper = effective / _edge(effective, states, needs)
    low, high = order_ranks(int(effective), q), order_ranks(int(upper), q)
    if low is None or high is None:
        return replace(unknown, longer=max(unknown.longer, smallest_n(q) / upper))
    first = math.floor((low[0] - 1) / int(effective) * n)
    last = min(n, math.ceil(high[1] / int(upper) * n)) - 1
    low_end, high_end = ordered.at([first, last])
    return CorrelatedEstimate(n, value, low_end, high_end, effective)


@dataclass(frozen=True, slots=True)
class _States:
    """The state when those requests were sent that have a value: the requests in flight, their bins and the number of
    requests in each, their mean deviation, how long a state `time` lasts, and the variance over all requests."""

    in_flight: Floats
    deviation: Floats
    bins: Integers
    counts: Integers
    time: float
    spread: float

    @classmethod
    def of(cls, state: State, known: Flags) -> _States:
        in_flight = state.in_flight if known.all() else state.in_flight[known]
        edges = np.unique(np.quantile(in_flight, np.arange(1, _BINS) / _BINS))
        bins = np.searchsorted(edges, in_flight, side="right")
        deviation = in_flight - in_flight.mean()
        return cls(in_flight, deviation, bins, np.bincount(bins), state.time, float(state.in_flight.var()))


def _effective(series: Floats, simple: float, seen: _States) -> tuple[float, tuple[float, float]]:
    """The effective number of values, of which `simple` would be were requests independent; the number of
    independent states, and the share of the effect that is the state's."""
    n = series.size
    fitted, explained = _explained(series, seen)
    linear = _correlation(series, seen.deviation) ** 2
    floor = _EXPLAINED_FLOOR / n
    own = max(autocorrelation_time(series), batched_time(series, int(2 * seen.in_flight.mean())), 1.0)
    fitted_time = autocorrelation_time(fitted)
    by_state = max(
        min(1.0, max(explained, linear) + floor) * (_enlarged(fitted_time, fitted_time, n) - 1),
        min(1.0, linear + floor) * (seen.time - 1),
        0.0,
    )
    time = max(_enlarged(own, own - 1, n), 1 + by_state)
    return simple / time, (n / seen.time, by_state / (1 + by_state))


def _explained(series: Floats, seen: _States) -> tuple[Floats, float]:
    """The means of the series by bins of the requests in flight, as a series, and the share of the variance that they
    explain beyond what as many bins explain of noise."""
    means = np.bincount(seen.bins, series) / np.maximum(seen.counts, 1)
    fitted: Floats = means[seen.bins]
    variance = float(series.var())
    if variance <= 0:
        return fitted, 0.0
    return fitted, max(0.0, float(fitted.var()) / variance - (np.count_nonzero(seen.counts) - 1) / series.size)


def _correlation(first: Floats, b: Floats) -> float:
    """The correlation of a series with deviations from a mean."""
    a = first - first.mean()
    scale = math.sqrt(float(a @ a) * float(b @ b))
    return float(a @ b) / scale if scale > 0 else 0.0


def _needs(q: float, dependence: float, spread: float) -> tuple[float, float]:
    """The least effective number of values, and of independent states, for an interval of the `q`-quantile.

    Twelve values beyond the quantile; and of a series that owes a fifth of its correlation to the state 75 states, or
    more for tails that a rare state may make, while one that owes it nothing needs a third of them or less. Where many
    requests are in flight and vary by themselves (`spread` is their variance) it needs more: many slots are rarely all
    busy, and a level may not have seen the state in which they are.
    """
    tail = min(q, 1 - q)
    dependent = max(75.0, 1.75 / tail)
    unseen = _STATES_BY_SPREAD * spread * min(1.0, 0.05 / tail)
    alone = min(max(20.0 + unseen, 0.3 / tail), dependent)
    return max(40.0, 12 / tail), alone + (dependent - alone) * min(1.0, dependence / _DEPENDENT)


def _edge(effective: float, states: tuple[float, float], needs: tuple[float, float]) -> float:
    """What the effective number is divided by for the upper end: at the limits of publication 3.5, or 6 of a series
    that depends on the state, and 1 far beyond them."""
    beyond = min(effective / needs[0], states[0] / needs[1])
    dependent = min(1.0, states[1] / _DEPENDENT)
    widening = _EDGE_WIDENING + (_DEPENDENT_EDGE_WIDENING - _EDGE_WIDENING) * dependent
    return float(1 + widening * max(beyond, 1.0) ** -_EDGE_POWER)


def _longer(effective: float, states: float, needs: tuple[float, float]) -> float:
    return max(1.0, needs[0] / max(effective, 1e-9), needs[1] / max(states, 1e-9))


def _enlarged(time: float, excess: float, n: int) -> float:
    """An autocorrelation time enlarged by its own relative error: some multiple of the root of its share of `n`."""
    return time * (1 + _TIME_ERROR * math.sqrt(excess / n))
