"""The universal scalability law: how the throughput of one copy grows with the requests in flight (Gunther 2007).

`X(n) = a·n / (1 + σ·(n−1) + κ·n·(n−1))`: `a` is the rate of one request alone, `σ` the share that is done one after the
other, `κ` what requests cost each other. `n / X(n)` is linear in `1`, `n−1` and `n·(n−1)`, so the law is fitted by
least squares of its relative deviations with `σ, κ ≥ 0`, by trying which of them are 0 (three unknowns: four cases).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from fmbench_lib.metrics.statistics.arrays import Floats

LEAST_POINTS = 3


@dataclass(frozen=True, slots=True)
class ScalabilityLaw:
    """A fitted law. `alone`: requests/s of one request in flight · `contention`: σ · `coherency`: κ · `misfit`: its
    greatest deviation from a measured throughput, as a share of that."""

    alone: float
    contention: float
    coherency: float
    misfit: float

    def rate(self, in_flight: Floats) -> Floats:
        """Requests per second with so many in flight."""
        result: Floats = self.alone * in_flight / self._slowing(in_flight)
        return result

    @property
    def peak(self) -> float | None:
        """The requests in flight with the greatest throughput; None where it only levels off."""
        if self.coherency <= 0:
            return None
        return math.sqrt(max(1 - self.contention, 0.0) / self.coherency)

    def _slowing(self, in_flight: Floats) -> Floats:
        others = in_flight - 1
        result: Floats = 1 + self.contention * others + self.coherency * in_flight * others
        return result


def fit_law(in_flight: Sequence[float], rates: Sequence[float]) -> ScalabilityLaw | None:
    """The law of measured throughputs (requests/s, above 0); None of fewer than three different loads."""
    if len(set(in_flight)) < LEAST_POINTS:
        return None
    loads, wanted = np.asarray(in_flight, dtype=np.float64), np.asarray(rates, dtype=np.float64)
    basis = np.stack((np.ones_like(loads), loads - 1, loads * (loads - 1)), axis=1)
    relative = basis * (wanted / loads)[:, None]
    fits = [
        found
        for size in (0, 1, 2)
        for used in combinations((1, 2), size)
        if (found := _least_squares(relative, [0, *used])) is not None
    ]
    if not fits:
        return None
    _, (first, second, third) = min(fits, key=lambda fit: fit[0])
    law = ScalabilityLaw(1 / first, second / first, third / first, 0.0)
    misfit = float(np.abs(law.rate(loads) / wanted - 1).max())
    return ScalabilityLaw(law.alone, law.contention, law.coherency, misfit)


def _least_squares(relative: Floats, used: list[int]) -> tuple[float, tuple[float, float, float]] | None:
    """The sum of squares and the coefficients with these terms; None where one of them would be negative."""
    found, *_ = np.linalg.lstsq(relative[:, used], np.ones(len(relative)), rcond=None)
    if found[0] <= 0 or (found < 0).any():
        return None
    whole = np.zeros(3)
    whole[used] = found
    squares = float(((relative @ whole - 1) ** 2).sum())
    return squares, (float(whole[0]), float(whole[1]), float(whole[2]))
