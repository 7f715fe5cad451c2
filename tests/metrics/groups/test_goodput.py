"""Goodput of a level whose every request is known, against values worked out by hand."""

from __future__ import annotations

import math

import pandas as pd
import pytest

from fmbench_lib.metrics.columns import names
from fmbench_lib.metrics.groups.goodput import GOODPUT, attained
from fmbench_lib.metrics.level_row import level_row, slice_rows
from fmbench_lib.metrics.objectives import Objectives
from fmbench_lib.metrics.requests import request_metrics


@pytest.fixture
def mixed(request_row):
    """Five requests in a window of 10 s: TTFT 0.2, 0.4, 0.6, 0.2 and a failure; TPOT 0.08, 0.16, 0.24, none, none."""
    return pd.DataFrame(
        [
            request_row(0, ttft=0.2, latency=1.0, completion_tokens=11.0),
            request_row(2, ttft=0.4, latency=2.0, completion_tokens=11.0),
            request_row(4, ttft=0.6, latency=3.0, completion_tokens=11.0),
            request_row(9, ttft=0.2, latency=6.0, completion_tokens=1.0),
            request_row(9.5, error="http_5xx", status=500, completion_tokens=None),
        ]
    )


@pytest.mark.parametrize(
    ("objectives", "met"),
    [
        (Objectives(ttft=0.5), [1, 1, 0, 1, 0]),
        (Objectives(tpot=0.1), [1, 0, 0, 0, 0]),  # one token has no time per token after the first, so it meets none
        (Objectives(latency=3.5), [1, 1, 1, 0, 0]),
        (Objectives(ttft=0.5, tpot=0.2, latency=3.5), [1, 1, 0, 0, 0]),
    ],
)
def test_which_requests_are_within(mixed, objectives, met):
    assert attained(request_metrics(mixed), objectives)["all"].tolist() == [bool(one) for one in met]


def test_a_response_that_did_not_stream_is_within_no_time_to_a_token(mixed):
    requests = request_metrics(mixed.assign(streamed=[False, True, True, True, True]))
    assert attained(requests, Objectives(ttft=1.0))["all"].tolist() == [False, True, True, True, False]
    assert attained(requests, Objectives(tpot=1.0))["all"].tolist() == [False, True, True, False, False]


def test_the_columns_by_hand(mixed, facts):
    row = level_row(
        mixed,
        facts(seconds=10, concurrency=None, request_rate=0.5),
        objectives=Objectives(ttft=0.5, tpot=0.2, latency=6.5),
    )
    # within all: the requests at 0 and 2; that from 9 to 15, a sixth of which lies inside, has one token and no TPOT
    assert row["goodput"] == pytest.approx(2 / 10)
    assert row["transactions_per_second"] == pytest.approx((3 + 1 / 6) / 10)
    assert row["goodput_tokens"] == pytest.approx((11 + 11) / 10)
    assert row["slo_attainment"] == pytest.approx(2 / 5)
    assert row["slo_attainment_ttft"] == pytest.approx(3 / 5)
    assert row["slo_attainment_tpot"] == pytest.approx(2 / 5)
    assert row["slo_attainment_latency"] == pytest.approx(4 / 5)
    assert row["slo_token_attainment"] == pytest.approx((11 + 11) / (11 + 11 + 11 + 1))


def test_an_objective_that_is_not_set_has_no_share(mixed, facts):
    row = level_row(mixed, facts(seconds=10), objectives=Objectives(latency=2.5))
    assert row["slo_attainment_latency"] == row["slo_attainment"] == pytest.approx(2 / 5)
    assert math.isnan(row["slo_attainment_ttft"])
    assert math.isnan(row["slo_attainment_tpot"])


def test_nothing_within_is_known_to_be_nothing(mixed, facts):
    row = level_row(mixed, facts(seconds=10), objectives=Objectives(latency=0.1))
    assert (row["goodput"], row["goodput_tokens"], row["slo_attainment"], row["slo_token_attainment"]) == (0, 0, 0, 0)


@pytest.mark.parametrize("objectives", [None, Objectives()])
def test_without_objectives_the_columns_are_empty(mixed, facts, objectives):
    row = level_row(mixed, facts(seconds=10), objectives=objectives)
    assert all(math.isnan(row[name]) for name in names(GOODPUT))


def test_times_to_tokens_that_no_response_shows_leave_the_columns_empty(mixed, facts):
    whole = mixed.assign(streamed=False)
    assert math.isnan(level_row(whole, facts(seconds=10), objectives=Objectives(ttft=1.0))["slo_attainment"])
    assert level_row(whole, facts(seconds=10), objectives=Objectives(latency=6.5))["slo_attainment"] == 0.8


def test_unknown_tokens_are_not_few_tokens(mixed, facts):
    unknown = mixed.assign(completion_tokens=[11.0, None, 11.0, 1.0, None])
    row = level_row(unknown, facts(seconds=10), objectives=Objectives(latency=6.5))
    assert row["slo_attainment"] == pytest.approx(4 / 5)
    assert math.isnan(row["goodput_tokens"])
    assert math.isnan(row["slo_token_attainment"])


def test_slices_have_their_own(steady, facts):
    rows = slice_rows(steady(100), facts(), slices=10, objectives=Objectives(latency=1.0 + 1e-9))
    assert [row["slo_attainment"] for row in rows] == [1.0] * 10
    assert rows[3]["goodput"] == pytest.approx(1.0)
