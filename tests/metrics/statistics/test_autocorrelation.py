"""Autocovariances by blocks are those of the definition, however long the series remembers."""

from __future__ import annotations

import numpy as np
import pytest

from fmbench_lib.metrics.statistics import autocorrelation as module
from fmbench_lib.metrics.statistics.arrays import Floats


def by_definition(spread: Floats, lags: int) -> list[float]:
    return [float(spread[lag:] @ spread[: spread.size - lag]) / spread.size for lag in range(lags)]


@pytest.mark.parametrize(("count", "lags"), [(2, 2), (50, 10), (1000, 1000), (1001, 64), (4000, 300)])
def test_covariances(count: int, lags: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_LEAST_BLOCK", 100)
    spread = np.random.default_rng(count).normal(0, 1, count)
    assert module._covariances(spread, lags) == pytest.approx(by_definition(spread, lags), abs=1e-12)


@pytest.mark.parametrize("forgets_after", [5, 100, 700, 5000])
def test_the_initial_sum_is_that_of_all_lags(forgets_after: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a series that remembers a few requests, hundreds, or longer than it is."""
    monkeypatch.setattr(module, "_LAGS_IN_BLOCKS", 128)
    monkeypatch.setattr(module, "_LEAST_BLOCK", 512)
    noise = np.random.default_rng(forgets_after).normal(0, 1, 4001)
    series = np.convolve(noise, np.exp(-np.arange(4001) / forgets_after))[:4001]
    spread = series - series.mean()
    pairs = np.array(by_definition(spread, 4000)).reshape(-1, 2).sum(axis=1)
    kept = np.minimum.accumulate(pairs)
    assert module._initial_sum(spread) == pytest.approx(float(kept[kept > 0].sum()), rel=1e-9)
