"""How long a series remembers: its integrated autocorrelation time, by its lags and by batches."""

from __future__ import annotations

import math

import numpy as np

from fmbench_lib.metrics.statistics.arrays import Floats

_LAGS_ONE_BY_ONE, _LAGS_IN_BLOCKS = 64, 1024
_BLOCKS_OF_LAGS, _LEAST_BLOCK = 3, 15_360


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
    lags = min(_LAGS_IN_BLOCKS, n - n % 2)
    while True:
        pairs = np.minimum.accumulate(_covariances(spread, lags).reshape(-1, 2).sum(axis=1))
        if pairs[-1] <= 0 or lags == n - n % 2:
            return float(pairs[pairs > 0].sum())
        lags = min(16 * lags, n - n % 2)


def _covariances(spread: Floats, lags: int) -> Floats:
    """The autocovariances at so many lags from 0 on, of blocks of the series with what follows each, by Fourier
    transforms: those of all of a long series at once would take several times its memory."""
    n, block = spread.size, max(_BLOCKS_OF_LAGS * lags, _LEAST_BLOCK)
    length = _fast_length(min(block, n) + lags)
    total = np.zeros(length // 2 + 1, dtype=np.complex128)
    for begin in range(0, n, block):
        own = np.fft.rfft(spread[begin : begin + block], length)
        total += own.conj() * np.fft.rfft(spread[begin : begin + block + lags - 1], length)
    covariances: Floats = np.fft.irfft(total, length)[:lags] / n
    return covariances


def _fast_length(n: int) -> int:
    """A length of at least `n` that a Fourier transform is fast at: a power of two, or three quarters of one."""
    power = 1 << (n - 1).bit_length()
    return power * 3 // 4 if power * 3 // 4 >= n and power > 4 else power
