"""The longest times, long requests and silences, against values worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from fmbench_lib.metrics.level_row import level_row

START = 1_800_000_000.0


def row_of(facts, rows, **known):
    return level_row(pd.DataFrame(rows), facts(**known))


def closed(request_row, freeze_at: float | None = None, freeze: float = 8.0, seconds: float = 45.0):
    """Two slots, 0.5 s an answer; whatever would go on at `freeze_at` goes on `freeze` seconds later."""
    rows = []
    for slot in range(2):
        at = slot * 0.25
        while at < seconds:
            frozen = freeze_at is not None and at <= freeze_at < at + 0.5
            took = 0.5 + (freeze if frozen else 0.0)
            events = [START + at + 0.1, START + at + took] if not frozen else [START + at + took]
            rows.append(request_row(at, ttft=events[0] - START - at, latency=took, event_times=events))
            at += took
    return rows


def test_one_answer_of_30_s_in_400_is_found_where_p99_is_blind(request_row, facts):
    rows = [request_row(n * 0.1, ttft=0.05, latency=30.0 if n == 200 else 0.1) for n in range(400)]
    row = row_of(facts, rows, seconds=40.0, concurrency=None, request_rate=10.0, arrival="trace")
    assert row["latency_p99"] == pytest.approx(0.1)
    assert (row["latency_max"], row["TTFT_max"]) == pytest.approx((30.0, 0.05))
    assert row["long_requests"] == 1
    assert row["long_requests_share"] == pytest.approx(30 / (30 + 399 * 0.1))
    assert row["verdict"] == "degraded"
    assert (
        "1 of 400 requests took more than 5 times the p95 of all (latency: up to 30 s) and 43% of"
        in (row["verdict_reasons"])
    )


def test_a_request_that_is_given_up_held_its_slot_as_long(request_row, facts):
    rows = [request_row(n * 0.1, ttft=0.05, latency=0.1) for n in range(400)]
    rows.append(request_row(20.05, latency=30.0, error="timeout"))
    row = row_of(facts, rows, seconds=40.0, concurrency=None, request_rate=10.0, arrival="trace")
    assert row["long_requests"] == 1
    assert row["latency_max"] == pytest.approx(0.1)
    assert "and 43% of all time in flight" in row["verdict_reasons"]


def test_an_answer_that_is_longer_may_take_longer(request_row, facts):
    """5 of 200 have 100 times the tokens and take 50 times as long."""
    rows = [
        request_row(n, ttft=0.05, latency=5.0 if n % 40 == 0 else 0.1, completion_tokens=1000 if n % 40 == 0 else 10)
        for n in range(200)
    ]
    row = row_of(facts, rows, seconds=200.0, concurrency=None, request_rate=1.0, arrival="trace")
    assert (row["long_requests"], row["long_requests_share"]) == (0, 0.0)
    same = [{**each, "completion_tokens": 10} for each in rows]
    assert row_of(facts, same, seconds=200.0, concurrency=None, request_rate=1.0, arrival="trace")["long_requests"] == 5


def test_a_freeze_of_8_s_in_45_is_a_reason(request_row, facts):
    row = row_of(facts, closed(request_row, freeze_at=20.0), seconds=45.0, concurrency=2)
    # the last event before is the end of an answer at 20 s; what froze ends at 19.75 + 8.5 and 20 + 8.5
    assert row["silence_max"] == pytest.approx(8.25)
    assert row["silence_plausible"] < 1.0
    assert row["verdict"] == "degraded"
    assert (
        "the endpoint sent nothing for 8.25 s while requests were in flight, 18% of the window"
        in (row["verdict_reasons"])
    )


def test_without_a_freeze_there_is_no_reason(request_row, facts):
    row = row_of(facts, closed(request_row), seconds=45.0, concurrency=2)
    # the other slot begins a quarter of a second later; after that an event comes every 0.1 or 0.15 s
    assert row["silence_max"] == pytest.approx(0.25)
    # three times the usual 0.15 s, and not less than the usual wait for an answer after its first event
    assert row["silence_plausible"] == pytest.approx(0.45)
    assert "sent nothing" not in (row["verdict_reasons"] or "")


def test_slots_that_all_wait_for_a_first_token_are_no_silent_endpoint(request_row, facts):
    """Events 10 ms apart, but for the one time at which both slots wait: as long as each request waits anyway."""
    rows = []
    for n in range(40):
        begin = n * 0.5 + (0.25 if n % 2 and n < 30 else 0.0)
        events = START + begin + 0.2 + np.arange(31) * 0.01
        rows.append(request_row(begin, ttft=0.2, latency=0.5, event_times=events))
    row = row_of(facts, rows, seconds=20.0)
    assert row["silence_max"] == pytest.approx(0.2)
    assert row["silence_plausible"] >= 0.2


def test_a_time_without_requests_is_no_silence(request_row, facts):
    rows = [request_row(n * 0.5 + (60.0 if n >= 40 else 0.0), ttft=0.1, latency=0.4) for n in range(80)]
    row = row_of(facts, rows, seconds=100.0, think_time=0.1)
    assert row["silence_max"] == pytest.approx(0.1)


def test_a_client_that_gives_up_is_no_sign_of_life(request_row, facts):
    rows = [request_row(n * 0.5, ttft=0.1, latency=0.5) for n in range(60)]
    rows += [request_row(30 + 2 * n, latency=2.0, error="timeout", event_times=[]) for n in range(5)]
    rows = [{**each, "first": math.nan, "last": math.nan} if each["error"] else each for each in rows]
    row = row_of(facts, rows, seconds=40.0)
    assert row["silence_max"] == pytest.approx(10.0)
    refused = [{**each, "error": "http_5xx"} if each["error"] else each for each in rows]
    assert row_of(facts, refused, seconds=40.0)["silence_max"] == pytest.approx(2.0)


def test_what_is_not_known_is_empty(request_row, facts):
    few = row_of(facts, [request_row(n, event_times=[]) for n in range(5)], seconds=10.0)
    assert few["silence_max"] > 0
    assert math.isnan(few["silence_plausible"])
    without = row_of(facts, [request_row(n) for n in range(5)], seconds=0.0)
    assert math.isnan(without["silence_max"])
    nothing = row_of(facts, [request_row(0)][:0] or [request_row(-5, phase="warmup")], seconds=10.0)
    for name in ("latency_max", "long_requests", "long_requests_share"):
        assert math.isnan(nothing[name])
