"""The figures that a search judges levels by, and that their intervals know of queues."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from fmbench_lib.metrics.decision.search_readings import figure, wilson
from fmbench_lib.metrics.level_row import level_row


@pytest.fixture
def swaying(request_row):
    """1,000 requests in 100 s: `block` of them in a row are all slow or all fast, as in a queue that comes and goes."""

    def make(block: int) -> pd.DataFrame:
        slow = np.random.default_rng(1).random(1000 // block) < 0.5
        return pd.DataFrame(
            [request_row(n / 10, ttft=0.1, latency=(2.0 if slow[n // block] else 1.0) + n * 1e-5) for n in range(1000)]
        )

    return make


def test_the_value_is_that_of_the_row(swaying, facts) -> None:
    records = swaying(10)
    row = level_row(records, facts())
    for name in ("latency_p95", "TTFT_p50", "latency_mean", "ITL_p95", "error_rate"):
        assert figure(records, facts(), row, name).value == row[name]


def test_requests_that_resemble_their_neighbours_widen_the_interval(swaying, facts) -> None:
    def width(block: int, name: str) -> float:
        records = swaying(block)
        found = figure(records, facts(), level_row(records, facts()), name)
        assert found.low is not None
        assert found.high is not None
        assert found.value is not None
        assert found.low <= found.value <= found.high
        return found.high - found.low

    assert width(50, "latency_mean") > 3 * width(1, "latency_mean")


def test_what_is_not_known_has_neither_value_nor_interval(request_row, facts) -> None:
    records = pd.DataFrame([request_row(n, error="timeout", status=None) for n in range(5)])
    found = figure(records, facts(), level_row(records, facts()), "latency_p95")
    assert (found.value, found.low, found.high) == (None, None, None)


@pytest.mark.parametrize(("share", "n", "low", "high"), [(0.0, 100, 0.0, 0.0370), (0.5, 100, 0.4038, 0.5962)])
def test_wilsons_interval(share: float, n: int, low: float, high: float) -> None:
    assert wilson(share, n) == pytest.approx((low, high), abs=1e-4)
    assert wilson(share, 0) == (None, None)
