"""What was offered, sent and completed, and what was in flight at the edges of the window."""

from __future__ import annotations

import math

import pandas as pd

from fmbench_lib.metrics.groups.arrival_rates import ARRIVAL_RATES, arrival_rates
from fmbench_lib.metrics.level_sample import Steadiness, sample_of
from fmbench_lib.metrics.requests import request_metrics
from fmbench_lib.metrics.window import window_of


def rates(facts, *rows):
    return arrival_rates(sample_of(request_metrics(pd.DataFrame(list(rows))), Steadiness(window_of(facts)), facts))


def test_rates_and_edges(request_row, facts):
    row = rates(
        facts(seconds=10, concurrency=None) | {"scheduled_rate": 0.6},
        request_row(-2, latency=3, phase="warmup"),  # in flight at the start, ends inside
        request_row(-2, latency=1, phase="warmup"),  # ends before
        request_row(-1, latency=20, phase="warmup"),  # in flight at both edges
        request_row(0, latency=2),  # sent at the start: inside
        request_row(3, latency=1, error="http_5xx"),  # sent, not completed
        request_row(4, latency=6),  # ends at the end: inside
        request_row(9, latency=5),  # in flight at the end
    )
    assert row == {
        "offered_rate": 0.6,
        "sent_rate": 0.4,
        "completed_rate": 0.3,
    }


def test_what_was_completed_is_what_ended_in_the_window(request_row, facts):
    offered = [request_row(0.25 * n - 3, latency=1 + 0.1 * n) for n in range(60)]
    row = rates(facts(seconds=10, concurrency=None), *offered)
    ended = sum(0 <= 0.25 * n - 3 + 1 + 0.1 * n <= 10 for n in range(60))
    assert row["completed_rate"] == ended / 10


def test_a_closed_loop_offers_nothing_and_no_window_has_no_rates(request_row, facts):
    assert math.isnan(rates(facts(seconds=10), request_row(1, latency=1))["offered_rate"])
    without = rates(facts(seconds=0), request_row(1, latency=1))
    assert [math.isnan(without[column.name]) for column in ARRIVAL_RATES] == [True] * 3
