from __future__ import annotations

import numpy as np
import pandas as pd

from fmbench_lib.metrics.drawn_requests import (
    LEAST_DRAWN,
    MOST_DRAWN,
    distributions_of,
    drawn_of_each,
    drawn_places,
    thinned,
)
from fmbench_lib.metrics.level_row import whole_level


def test_all_are_drawn_of_a_run_of_few() -> None:
    assert drawn_of_each([MOST_DRAWN // 2, MOST_DRAWN // 2]) is None
    assert drawn_of_each([MOST_DRAWN, 1]) == MOST_DRAWN // 2
    assert drawn_of_each([MOST_DRAWN] * 1000) == LEAST_DRAWN


def test_a_sample_is_even_by_latency_with_the_fastest_and_the_slowest(request_row, facts):
    latencies = np.random.default_rng(3).permutation(np.arange(1, 1001)) / 1000
    rows = [request_row(place, latency=float(each), ttft=0.001) for place, each in enumerate(latencies)]
    rows += [request_row(1000, error="timeout")]
    sample = whole_level(pd.DataFrame(rows), facts(seconds=1001))
    places = drawn_places(sample, 11)
    assert places is not None
    assert (np.diff(places) > 0).all()
    drawn = np.sort(latencies[places])
    assert drawn[[0, -1]].tolist() == [0.001, 1.0]
    assert np.abs(drawn - np.linspace(0.001, 1, 11)).max() < 0.001
    assert drawn_places(sample, 1001) is None
    assert drawn_places(sample, None) is None


def test_the_distribution_of_a_sampled_level_is_of_all_its_requests(request_row, facts):
    rows = [request_row(place, latency=1 + place / 1000) for place in range(500)]
    sample = whole_level(pd.DataFrame(rows), facts(seconds=500))
    kept = distributions_of([sample, sample])["latency"]
    assert kept.n == 1000
    assert kept.ranks[0] == 1
    expected = np.sort(np.tile(1 + np.arange(500) / 1000, 2))[kept.ranks - 1]
    assert np.abs(kept.values - expected).max() < 1e-6, "times are Unix seconds"


def test_what_is_not_finite_has_no_rank() -> None:
    assert thinned(np.array([2.0, np.nan, 1.0, np.inf])).values.tolist() == [1.0, 2.0]
