"""How long a series remembers: its integrated autocorrelation time, by its lags and by batches."""

from __future__ import annotations

import math

import numpy as np

from fmbench_lib.metrics.statistics.arrays import Floats

_LAGS_ONE_BY_ONE = 64


def autocorrelation_time(series: Floats) -> float:
    """The integrated autocorrelation time of a series: by how much its mean varies more than one of as many draws.

    Geyer's initial monotone sequence estimator (1992): autocovariances are summed in pairs as long as these are
    positive, and none counts for more than the one before. 1 for a constant series, and never below a thousandth.
    """
    spread = series - series.mean()
    variance = float(spread @ spread) / series.size
    if variance <= 1e-30:
        return 1.0
    return max((2 * _initial_sum(spread) - variance) / variance, 1e-3)


def batched_time(series: Floats, length: int) -> float:
    """The autocorrelation time by overlapping batch means of `length` values (Meketon & Schmeiser 1984): it also sees
    what is slow and small. 1 where a tenth of the series is shorter than a batch."""
    n = series.size
    if length < 2 or length > n // 10:
        return 1.0
    spread = series - series.mean()
    sums = np.concatenate(([0.0], np.cumsum(spread)))
    batches = sums[length:] - sums[:-length]
    variance = float(spread @ spread) / n
    if variance <= 0:
        return 1.0
    return float(batches @ batches) * n / ((n - length) * (n - length + 1) * length) / variance


def _initial_sum(spread: Floats) -> float:
    """The sum of the autocovariances, in pairs, up to the first pair that is not positive.

    Most series forget within a few requests: the first lags are computed one by one, all of them only where those do
    not end the sum.
    """
    n, total, least = spread.size, 0.0, math.inf
    for lag in range(0, min(_LAGS_ONE_BY_ONE, n - n % 2), 2):
        pair = (float(spread[lag:] @ spread[: n - lag]) + float(spread[lag + 1 :] @ spread[: n - lag - 1])) / n
        least = min(least, pair)
        if least <= 0:
            return total
        total += least
    if n - n % 2 <= _LAGS_ONE_BY_ONE:
        return total
    length = _fast_length(2 * n)
    transform = np.fft.rfft(spread, length)
    covariances = np.fft.irfft(transform.real**2 + transform.imag**2, length)[: n - n % 2] / n
    pairs = np.minimum.accumulate(covariances.reshape(-1, 2).sum(axis=1))
    return float(pairs[pairs > 0].sum())


def _fast_length(n: int) -> int:
    """A length of at least `n` that a Fourier transform is fast at: a power of two, or three quarters of one."""
    power = 1 << (n - 1).bit_length()
    return power * 3 // 4 if power * 3 // 4 >= n and power > 4 else power
