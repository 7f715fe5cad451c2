"""The bound of the client's error in each percentile, against values worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from fmbench_lib.metrics.columns import names
from fmbench_lib.metrics.groups.client_error import CLIENT_ERROR
from fmbench_lib.metrics.level_row import level_row

START = 1_800_000_000.0


def streamed(request_row, due: float, offsets: list[float], **other):
    """A request whose content events arrived at these times after `due`, and whose last byte 0.1 s after the last."""
    events = START + due + np.array(offsets)
    times = {"first": events[0], "last": events[-1], "end": events[-1] + 0.1}
    return request_row(due, **({**times, "event_times": events} | other))


def row_of(facts, *rows):
    return level_row(pd.DataFrame(list(rows)), facts(seconds=100))


def test_reading_late_shifts_no_stamp_while_each_event_is_read_alone(request_row, facts):
    """The kernel stamps an event when it arrives, however late it is read: 5 ms late, and nothing is wrong."""
    rows = [streamed(request_row, n, [0.1, 0.2, 0.3], client_lag=0.005) for n in range(10)]
    row = row_of(facts, *rows)
    assert row["client_lag_p99"] == 0.005
    assert {row[name] for name in names(CLIENT_ERROR)} == {0.0}
    assert "own delays" not in row["verdict_reasons"]


def test_events_read_together_may_have_come_up_to_the_clients_lag_before_their_stamp(request_row, facts):
    rows = [streamed(request_row, n, [0.1, 0.1, 0.3], client_lag=0.03) for n in range(4)]
    row = row_of(facts, *rows)
    for quantile in ("p50", "p95", "p99"):
        assert row[f"TTFT_{quantile}_client_error"] == pytest.approx(0.03)
        assert row[f"latency_{quantile}_client_error"] == 0
    # the gap of 0.2 is from the second event to the third, and both have stamps of their own
    assert (row["ITL_n"], row["ITL_p50_client_error"]) == (4, 0)
    assert "TTFT p50 of 100 ms up to 30 ms (30.0%) too long" in row["verdict_reasons"]


def test_no_event_is_earlier_than_the_read_before_it_or_than_the_request(request_row, facts):
    """Two events 0.01 s after the one before, read together 2 s late: the first may have come 0 to 0.01 s after it."""
    row = row_of(facts, *[streamed(request_row, n, [0.1, 0.11, 0.11], client_lag=2.0) for n in range(4)])
    assert row["ITL_p50"] == pytest.approx(0.01)
    assert row["ITL_p50_client_error"] == pytest.approx(0.01)
    first = row_of(facts, *[streamed(request_row, n, [0.1, 0.1], client_lag=2.0) for n in range(4)])
    assert first["TTFT_p50_client_error"] == pytest.approx(0.1)


def test_a_response_without_itl_counts_in_no_bound_of_itl(request_row, facts):
    """Interleaved answers, and content that was held back, come in several reads and have no ITL."""
    plain = [streamed(request_row, n, [0.1, 0.2, 0.2, 0.4], client_lag=0.03) for n in range(2)]
    for other in ({"choices": 2}, {"remarks": "echo+buffered"}):
        rows = [*plain, streamed(request_row, 5, [0.1, 0.1, 0.2, 0.3], client_lag=0.03, **other)]
        row = row_of(facts, *rows)
        assert row["ITL_n"] == 4
        assert row["ITL_p50_client_error"] == pytest.approx(0.15 - 0.135)  # 0.1, 0.1, 0.2, 0.2 less 0.03, 0.03, 0, 0


def test_an_end_read_with_the_last_event_makes_latency_uncertain(request_row, facts):
    rows = [streamed(request_row, n, [0.1, 0.2], client_lag=0.01, end=START + n + 0.2) for n in range(4)]
    row = row_of(facts, *rows)
    assert row["latency_p50_client_error"] == pytest.approx(0.01)
    assert row["TTFT_p50_client_error"] == 0


def test_a_response_read_once_is_taken_to_have_been_read_as_late_as_half_of_the_others(request_row, facts):
    """That single read may have happened to be prompt for its last packet alone."""
    prompt = streamed(request_row, 0, [0.1, 0.1], client_lag=0.0)
    late = [streamed(request_row, n, [0.1, 0.2], client_lag=0.02) for n in (1, 2)]
    assert row_of(facts, prompt, *late)["TTFT_p99_client_error"] == 0  # the other two have the same TTFT, exact
    alone = streamed(request_row, 0, [0.5, 0.5], client_lag=0.0)
    assert row_of(facts, alone, *late)["TTFT_p99_client_error"] == pytest.approx(0.02 * 0.98)


def test_what_is_sent_late_is_in_ttft_and_latency_of_that_request(request_row, facts):
    rows = [streamed(request_row, n, [0.1 * (n + 1), 2.0], wait=0.02 if n == 4 else 0.0) for n in range(5)]
    row = row_of(facts, *rows)
    assert row["TTFT_p50_client_error"] == 0
    assert row["TTFT_p95_client_error"] == pytest.approx(0.8 * 0.02)  # rank 0.95 * 4 = 3.8
    assert row["latency_p99_client_error"] == pytest.approx(0)  # 1.98 of 2, 2, 2, 2: their greatest are as before
    assert row["ITL_p50_client_error"] == 0


def test_what_was_sent_again_was_not_late_by_the_client(request_row, facts):
    again = [streamed(request_row, n, [0.1, 0.2], wait=0.03, retried=1, schedule_lag=None) for n in range(3)]
    others = [streamed(request_row, n, [0.1, 0.2]) for n in range(3, 100)]
    row = row_of(facts, *again, *others)
    assert (row["schedule_lag_p99"], row["TTFT_p99_client_error"]) == (0.0, 0.0)
    assert row["resend_wait_max"] == pytest.approx(0.03)
    assert "own delays" not in row["verdict_reasons"]
    assert "3 of 100 requests were sent again" in row["verdict_reasons"]
    assert math.isnan(row_of(facts, *others)["resend_wait_max"])


def test_a_delay_that_nobody_knows_is_not_none(request_row, facts):
    unknown = streamed(request_row, 0, [0.1, 0.2], client_lag=np.nan, stamp_source="user")
    row = row_of(facts, unknown, streamed(request_row, 1, [0.1, 0.2]))
    assert all(math.isnan(row[name]) for name in names(CLIENT_ERROR))
    assert all(math.isnan(row_of(facts, request_row(0, error="timeout"))[name]) for name in names(CLIENT_ERROR))


def test_a_response_whose_events_are_not_all_known_is_read_late_throughout(request_row, facts):
    row = row_of(facts, *[streamed(request_row, n, [0.1, 0.2], client_lag=0.01, event_times=[]) for n in range(4)])
    assert row["TTFT_p50_client_error"] == pytest.approx(0.01)
    assert math.isnan(row["ITL_p50_client_error"])


def test_a_whole_response_is_stamped_by_its_last_byte(request_row, facts):
    rows = [streamed(request_row, n, [0.2], client_lag=0.05, streamed=False) for n in range(4)]
    row = row_of(facts, *rows)
    assert row["latency_p50_client_error"] == 0
    assert math.isnan(row["TTFT_p50_client_error"])
