"""The measures of single requests, against values worked out by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from fmbench_lib.metrics.requests import MEASURES, request_metrics


def test_every_measure_by_hand(request_row):
    row = request_row(
        10.0,
        wait=0.05,
        ttft=0.25,
        latency=1.25,
        first_answer=1_800_000_010.75,
        completion_tokens=6.0,
        event_times=1_800_000_010.0 + np.array([0.25, 0.5, 0.75, 1.25]),
    )
    found = request_metrics(pd.DataFrame([row])).iloc[0]
    assert found["TTFT"] == pytest.approx(0.25)
    assert found["TTFT_answer"] == pytest.approx(0.75)
    assert found["latency"] == pytest.approx(1.25)
    assert found["TPOT"] == pytest.approx((1.25 - 0.25) / 5)
    assert found["ITL"] == pytest.approx([0.25, 0.25, 0.5])
    assert found["TTFT_from_sent"] == pytest.approx(0.20)
    assert found["latency_from_sent"] == pytest.approx(1.20)
    assert found["success"]


def test_the_clock_starts_when_due_so_a_late_client_cannot_hide_the_wait(request_row):
    frame = request_metrics(pd.DataFrame([request_row(0, wait=3.0, ttft=3.5, latency=4.0)]))
    assert frame["latency"][0] == pytest.approx(4.0)
    assert frame["latency_from_sent"][0] == pytest.approx(1.0)


@pytest.mark.parametrize(("tokens", "defined"), [(None, False), (0, False), (1, False), (2, True)])
def test_tpot_needs_two_tokens(request_row, tokens, defined):
    frame = request_metrics(pd.DataFrame([request_row(0, completion_tokens=tokens)]))
    assert frame["TPOT"].notna()[0] == defined
    assert frame["latency"].notna()[0]


def test_a_response_that_does_not_stream_has_a_latency_only(request_row):
    row = request_row(0, streamed=False)
    frame = request_metrics(pd.DataFrame([row]))
    assert frame["latency"][0] == pytest.approx(1.5)
    for name in ("TTFT", "TTFT_answer", "TPOT", "TTFT_from_sent"):
        assert np.isnan(frame[name][0])
    assert len(frame["ITL"][0]) == 0


def test_a_failure_after_tokens_is_no_success_and_has_no_measure(request_row):
    frame = request_metrics(pd.DataFrame([request_row(0, error="truncated")]))
    assert not frame["success"][0]
    assert frame[list(MEASURES)].isna().all(axis=None)
    assert len(frame["ITL"][0]) == 0


def test_what_is_missing_stays_missing(request_row):
    row = request_row(0, first=None, last=None, event_times=None, sent=None)
    frame = request_metrics(pd.DataFrame([row]))
    assert frame["success"][0]
    assert frame[list(MEASURES)].isna().all(axis=None)


def test_a_single_event_has_no_gap(request_row):
    frame = request_metrics(pd.DataFrame([request_row(0, event_times=[1_800_000_000.5])]))
    assert len(frame["ITL"][0]) == 0


def test_records_without_rows_give_a_frame_without_rows(request_row):
    frame = request_metrics(pd.DataFrame([request_row(0)]).iloc[:0])
    assert len(frame) == 0
    assert set(MEASURES) <= set(frame.columns)


def test_the_records_given_are_not_changed(request_row):
    records = pd.DataFrame([request_row(0)])
    before = list(records.columns)
    request_metrics(records)
    assert list(records.columns) == before
