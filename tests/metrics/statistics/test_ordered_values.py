"""Order statistics are those of the sorted values, however they are found."""

from __future__ import annotations

import numpy as np
import pytest

from fmbench_lib.metrics.statistics import ordered_values
from fmbench_lib.metrics.statistics.arrays import Floats
from fmbench_lib.metrics.statistics.ordered_values import OrderedValues

SHARES = [0.0, 0.01, 0.25, 0.5, 0.9, 0.95, 0.99, 1.0]


def series(kind: str, count: int) -> Floats:
    random = np.random.default_rng(count)
    return {
        "any": random.normal(0, 1, count),
        "ties": random.integers(0, 5, count).astype(np.float64),
        "rising": np.arange(count, dtype=np.float64),
        "periodic": np.tile([0.0, 1.0, 2.0, 50.0], count)[:count],  # a sample of every fourth sees one of these
        "infinite": np.where(random.random(count) < 0.2, np.inf, random.random(count)),
    }[kind]


@pytest.mark.parametrize("most", [1_000_000, 10])
@pytest.mark.parametrize("kind", ["any", "ties", "rising", "periodic"])
@pytest.mark.parametrize("count", [1, 2, 11, 1000, 80_000])
def test_quantiles_are_numpys_and_positions_those_of_the_sorted_values(
    most: int, kind: str, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ordered_values, "MOST_COPIED", most)
    values = series(kind, count)
    before, found = values.copy(), OrderedValues(values)
    assert found.size == count
    assert found.quantiles(SHARES) == np.quantile(values, SHARES).tolist()
    places = [0, count - 1, count // 2, count // 3, count // 2]
    assert found.at(places) == np.sort(values)[places].tolist()
    assert found.quantiles([0.5]) == [float(np.median(values))] if count % 2 else True
    assert np.array_equal(values, before), "the values stay in their order"


@pytest.mark.parametrize("most", [1_000_000, 10])
def test_infinite_values_are_the_greatest(most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ordered_values, "MOST_COPIED", most)
    values = series("infinite", 5000)
    assert OrderedValues(values).at([0, 2500, 4999]) == np.sort(values)[[0, 2500, 4999]].tolist()


def test_own_values_are_put_in_order_without_a_copy() -> None:
    values = np.array([3.0, 1.0, 2.0])
    assert OrderedValues(values, own=True).at([2, 0]) == [3.0, 1.0]
    assert sorted(values.tolist()) == [1.0, 2.0, 3.0]
    assert values[2] == 3.0
