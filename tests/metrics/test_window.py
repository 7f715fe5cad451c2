"""Which requests a window counts, and how many were in flight."""

from __future__ import annotations

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fmbench_lib.metrics.requests import request_metrics
from fmbench_lib.metrics.window import Window, completed_in, mean_in_flight, measured_in, window_of

START = 1_800_000_000.0


def requests_of(*rows):
    return request_metrics(pd.DataFrame(list(rows)))


def test_latency_counts_what_was_sent_and_throughput_what_was_completed(request_row):
    requests = requests_of(
        request_row(-2, latency=3, phase="warmup"),  # ends inside: a completion, not a latency
        request_row(-2, latency=1, phase="warmup"),  # neither
        request_row(1, latency=2),  # both
        request_row(9, latency=5),  # sent inside, ends after: a latency, not a completion
        request_row(3, latency=1, error="http_5xx"),  # sent inside, but never a completion
    )
    window = Window(START, START + 10)
    assert list(measured_in(requests, window)) == [False, False, True, True, True]
    assert list(completed_in(requests, window)) == [True, False, True, False, False]


def test_a_request_that_found_no_connection_counts_when_it_was_due(request_row):
    requests = requests_of(request_row(5, sent=None, first=None, last=None, error="connect"))
    assert list(measured_in(requests, Window(START, START + 10))) == [True]
    assert list(measured_in(requests, Window(START + 6, START + 10))) == [False]


@given(st.lists(st.floats(0, 10), min_size=1, max_size=50), st.integers(1, 12))
def test_slices_count_every_moment_once(moments, count):
    window = Window(0.0, 10.0)
    values = pd.Series(moments).to_numpy()
    assert sum(part.holds(values).sum() for part in window.slices(count)) == len(moments)


def test_a_window_without_length_is_none(facts):
    assert window_of(facts(seconds=0)) is None
    assert window_of(facts(seconds=-1)) is None
    assert window_of(facts() | {"window_end": None}) is None
    assert window_of({}) is None
    assert window_of(facts(seconds=2.5)).seconds == pytest.approx(2.5)


def test_mean_in_flight_is_the_time_integral(request_row):
    requests = requests_of(
        request_row(-5, latency=10, phase="warmup"),  # 5 s of it inside
        request_row(2, latency=4),  # 4 s
        request_row(8, latency=100),  # 2 s
        request_row(20, latency=1),  # none
    )
    assert mean_in_flight(requests, Window(START, START + 10), None) == pytest.approx((5 + 4 + 2) / 10)


def test_a_request_whose_end_is_unknown_lasted_until_its_timeout(request_row):
    requests = requests_of(request_row(2, end=None, error="timeout"))
    assert mean_in_flight(requests, Window(START, START + 10), 3.0) == pytest.approx(0.3)
    assert mean_in_flight(requests, Window(START, START + 10), None) == 0


@pytest.mark.parametrize("held", [1, 3, 8])
def test_a_closed_loop_holds_what_it_was_asked(request_row, held):
    """Each slot sends its next request the moment the last one ended; Little's law gives the same number."""
    rows = [request_row(slot * 0.1 + turn * 1.0 - 1, latency=1.0) for slot in range(held) for turn in range(12)]
    requests = requests_of(*rows)
    window = Window(START + 1, START + 9)
    found = mean_in_flight(requests, window, None)
    assert found == pytest.approx(held)
    assert found == pytest.approx(completed_in(requests, window).sum() / window.seconds * 1.0, rel=0.15)
