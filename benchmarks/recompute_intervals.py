"""Percentiles and their intervals, written from docs/metrics.md, "The interval, step by step", with numpy and scipy."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from recompute_reading import Floats
from scipy.signal import fftconvolve
from scipy.stats import binom


@dataclass(frozen=True, slots=True)
class Interval:
    """The ends of a 95% interval, NaN where there is none; the effective number, and how much longer to measure."""

    low: float = math.nan
    high: float = math.nan
    effective: float = 0.0
    longer: float = 1.0


@dataclass(frozen=True, slots=True)
class InFlight:
    """The requests in flight when each request of the sample was sent, and how many requests such a state lasts."""

    counts: Floats
    time: float


def in_flight_of(counts: Floats) -> InFlight:
    """Step 3."""
    if len(counts) < 2:
        return InFlight(counts, 1.0)
    steps = float(np.mean(np.diff(counts) ** 2))
    lasting = 4 * float(np.var(counts)) / steps if steps > 0 else 0.0
    time = max(geyer(counts), lasting, float(np.mean(counts)), 1.0)
    return InFlight(counts, _enlarged(time, time, len(counts)))


def percentile_interval(groups: Sequence[Floats], q: float, state: InFlight) -> Interval:
    """The interval of the `q`-quantile of the values of all groups: a group holds those of one request."""
    use = np.array([len(group) > 0 for group in groups], dtype=bool)
    if not use.any():
        return Interval()
    kept = [group for group in groups if len(group)]
    pooled = np.sort(np.concatenate(kept))
    value = np.quantile(pooled, q)
    sizes = np.array([len(group) for group in kept], dtype=np.float64)
    below = np.array([np.count_nonzero(group <= value) for group in kept], dtype=np.float64)
    n, share = sizes.sum(), below.sum() / sizes.sum()
    excess = below - share * sizes  # step 1
    squares = float(np.dot(excess, excess))
    simple = n if squares <= 0 or share >= 1 else min(n, share * (1 - share) * n**2 / squares)
    time, dependence = correlation(excess, state.counts[use], state.time)
    states = len(kept) / state.time
    return _published(pooled, q, simple / time, len(kept), states, dependence, float(np.var(state.counts)))


def correlation(series: Floats, counts: Floats, state_time: float) -> tuple[float, float]:
    """Steps 2 to 5: by what to divide the number of requests, and the share of it that is due to the state."""
    m = len(series)
    own = max(geyer(series), _batched(series, int(2 * counts.mean())), 1.0)
    fitted, explained = _binned(series, counts)
    linear = _linear(series, counts)
    fitted_time = geyer(fitted)
    by_state = max(
        min(1.0, max(explained, linear) + 2 / m) * (_enlarged(fitted_time, fitted_time, m) - 1),
        min(1.0, linear + 2 / m) * (state_time - 1),
        0.0,
    )
    return max(_enlarged(own, own - 1, m), 1 + by_state), by_state / (1 + by_state)


def geyer(series: Floats) -> float:
    """The integrated autocorrelation time by Geyer's initial monotone sequence."""
    m = len(series)
    off = series - series.mean()
    sums = fftconvolve(off, off[::-1])[m - 1 :] / m
    if np.dot(off, off) / m <= 1e-30:
        return 1.0
    variance = float(np.dot(off, off)) / m
    total, last = 0.0, math.inf
    for first in range(0, m - 1, 2):
        last = min(last, float(sums[first] + sums[first + 1]))
        if last <= 0:
            break
        total += last
    return max(1e-3, (2 * total - variance) / variance)


def _batched(series: Floats, length: int) -> float:
    """The same by overlapping batch means."""
    m = len(series)
    if length < 2 or length > m // 10:
        return 1.0
    off = series - series.mean()
    variance = float(np.dot(off, off)) / m
    if variance <= 0:
        return 1.0
    sums = np.lib.stride_tricks.sliding_window_view(off, length).sum(axis=1)
    return float(np.dot(sums, sums)) * m / ((m - length) * (m - length + 1) * length) / variance


def _binned(series: Floats, counts: Floats) -> tuple[Floats, float]:
    """Step 4: the series by eighths of the requests in flight, and the share of its variance that they explain."""
    edges = np.unique(np.quantile(counts, [k / 8 for k in range(1, 8)]))
    bins = np.searchsorted(edges, counts, side="right")
    fitted, held = np.empty(len(series)), np.unique(bins)
    for number in held:
        fitted[bins == number] = series[bins == number].mean()
    variance = float(np.var(series))
    if variance <= 0:
        return fitted, 0.0
    return fitted, max(0.0, float(np.var(fitted)) / variance - (len(held) - 1) / len(series))


def _linear(series: Floats, counts: Floats) -> float:
    first, second = series - series.mean(), counts - counts.mean()
    scale = float(np.dot(first, first) * np.dot(second, second))
    return float(np.dot(first, second)) ** 2 / scale if scale > 0 else 0.0


def _enlarged(time: float, excess: float, m: int) -> float:
    return time * (1 + 3 * math.sqrt(excess / m))


def _published(
    pooled: Floats, q: float, effective: float, requests: int, states: float, dependence: float, spread: float
) -> Interval:
    """Steps 6 to 8: whether there is an interval, and its ranks."""
    n, tail, part = len(pooled), min(q, 1 - q), min(1.0, dependence / 0.2)
    dependent = max(75.0, 1.75 / tail)
    alone = min(dependent, max(20.0 + 0.4 * spread * min(1.0, 0.05 / tail), 0.3 / tail))
    least, least_states = max(40.0, 12 / tail), alone + (dependent - alone) * part
    longer = max(1.0, least / max(effective, 1e-9), least_states / max(states, 1e-9))
    if requests < 20 or effective < least or states < least_states:
        return Interval(effective=effective, longer=longer)
    beyond = max(1.0, min(effective / least, states / least_states))
    upper = effective / (1 + (2.5 + 2.5 * part) * beyond**-1.5)
    low, high = _lower_rank(int(effective), q), _upper_rank(int(upper), q)
    if low is None or high is None:
        return Interval(effective=effective, longer=max(longer, _least_number(q) / upper))
    first = math.floor((low - 1) / int(effective) * n)
    last = min(n, math.ceil(high / int(upper) * n)) - 1
    return Interval(float(pooled[first]), float(pooled[last]), effective)


def _lower_rank(n: int, q: float) -> int | None:
    """The largest rank l with P(B ≤ l-1) ≤ 2.5%; None where there is none, or no upper rank either."""
    counts = np.arange(n + 1)
    fit = counts[binom.cdf(counts, n, q) <= 0.025]
    return int(fit.max()) + 1 if fit.size and q**n <= 0.025 else None


def _upper_rank(n: int, q: float) -> int | None:
    """The smallest rank u with P(B ≥ u) ≤ 2.5%; None where there is none, or no lower rank either."""
    counts = np.arange(n + 1)
    fit = counts[binom.sf(counts - 1, n, q) <= 0.025]
    return int(fit.min()) if fit.size and (1 - q) ** n <= 0.025 else None


def _least_number(q: float) -> int:
    return math.ceil(math.log(0.025) / math.log(max(q, 1 - q)))
