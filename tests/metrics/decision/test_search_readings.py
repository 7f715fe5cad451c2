"""The figures that a search judges levels by, and that their intervals know of queues."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from fmbench_lib.metrics.decision.search_readings import overloaded, search_readings, wilson
from fmbench_lib.metrics.level_row import level_row
from fmbench_lib.metrics.objectives import Objectives


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
    for name in ("latency_p95", "latency_p90", "TTFT_p50", "latency_mean", "ITL_p95", "error_rate"):
        assert search_readings(records, facts(), row, [name])[name].value == row[name]


def test_requests_that_resemble_their_neighbours_widen_the_interval(swaying, facts) -> None:
    def width(block: int, name: str) -> float:
        records = swaying(block)
        found = search_readings(records, facts(), level_row(records, facts()), [name])[name]
        assert found.low is not None
        assert found.high is not None
        assert found.value is not None
        assert found.low <= found.value <= found.high
        return found.high - found.low

    assert width(50, "latency_mean") > 3 * width(1, "latency_mean")


def test_what_is_not_known_has_neither_value_nor_interval(request_row, facts) -> None:
    records = pd.DataFrame([request_row(n, error="timeout", status=None) for n in range(5)])
    found = search_readings(records, facts(), level_row(records, facts()), ["latency_p95"])["latency_p95"]
    assert (found.value, found.low, found.high) == (None, None, None)


@pytest.mark.parametrize(("share", "n", "low", "high"), [(0.0, 100, 0.0, 0.0370), (0.5, 100, 0.4038, 0.5962)])
def test_wilsons_interval(share: float, n: int, low: float, high: float) -> None:
    assert wilson(share, n) == pytest.approx((low, high), abs=1e-4)
    assert wilson(share, 0) == (None, None)


def test_every_kind_of_objective_has_an_interval_but_a_rate(swaying, facts) -> None:
    records, objectives = swaying(10), Objectives(latency=1.5)
    names = [
        "TTFT_mean",
        "ITL_mean",
        "ITL_p95",
        "latency_p90",
        "latency_p99",
        "slo_attainment",
        "error_rate",
        "goodput",
    ]
    readings = search_readings(records, facts(), level_row(records, facts(), objectives=objectives), names, objectives)
    for name, one in readings.items():
        assert one.value is not None
        assert (one.low is None) == (name == "goodput")
        assert one.low is None or one.low <= one.value + 1e-9
        assert one.high is None or one.high >= one.value - 1e-9


def test_a_share_counts_as_many_requests_as_are_independent(swaying, facts) -> None:
    """Half of the requests meet the objective, 50 in a row each time: that is some 20 draws, not 1,000."""
    objectives = Objectives(latency=1.5)

    def width(block: int) -> float:
        records = swaying(block)
        row = level_row(records, facts(), objectives=objectives)
        one = search_readings(records, facts(), row, ["slo_attainment"], objectives)["slo_attainment"]
        assert one.low is not None
        assert one.high is not None
        return one.high - one.low

    assert width(50) > 4 * width(1)


RATE = {"concurrency": None, "request_rate": 10.0}


class TestOverload:
    def open_level(self, request_row, served: float) -> pd.DataFrame:
        """1,000 requests, 10 a second, and an endpoint that ends `served` a second of them, one after the other."""
        ends = np.maximum(np.arange(1000) / 10 + 0.05, (np.arange(1000) + 1) / served)
        return pd.DataFrame([request_row(n / 10, ttft=0.01, latency=ends[n] - n / 10) for n in range(1000)])

    @pytest.mark.parametrize(("served", "expected"), [(8.0, True), (9.5, True), (20.0, False)])
    def test_requests_in_flight_that_grow_throughout(self, request_row, facts, served: float, expected: bool) -> None:
        records = self.open_level(request_row, served)
        for changes, overload in ((RATE, expected), ({}, False)):
            assert overloaded(level_row(records, facts(**changes))) is overload

    def test_a_level_that_ended_for_saturation(self, request_row, facts) -> None:
        records, changes = self.open_level(request_row, 20.0), {**RATE, "stop_reason": "saturation"}
        assert overloaded(level_row(records, facts(**changes)))

    def test_most_requests_failed(self, request_row, facts) -> None:
        records = pd.DataFrame([request_row(n, error="timeout" if n % 3 else None) for n in range(30)])
        assert overloaded(level_row(records, facts()))

    def test_it_is_the_row_that_says_what_can_be_sustained(self) -> None:
        kept_up = {"requests": 100, "successes": 100, "error_rate": 0.0, "stop_reason": "requests"}
        assert overloaded({**kept_up, "sustainable": "no"})
        for answer in ("yes", "unknown", None):
            assert not overloaded({**kept_up, "sustainable": answer})


def test_what_came_before_the_steady_state_is_none_of_an_interval(request_row, facts) -> None:
    """40 requests of 9 s find a cold endpoint; of the 260 others none takes more than 1.6 s."""
    rows = [request_row(n, latency=9.0 if n < 40 else 1.5 + n % 7 / 70) for n in range(300)]
    records, changes = pd.DataFrame(rows), {"seconds": 300, "concurrency": None, "request_rate": 1.0}
    row = level_row(records, facts(**changes))
    found = search_readings(records, facts(**changes), row, ["latency_p95"])["latency_p95"]
    assert found.value == row["latency_p95"]
    assert found.high is not None
    assert found.high < 1.61
