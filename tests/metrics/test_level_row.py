"""The row of a level, every figure against a value worked out by hand."""

from __future__ import annotations

import json
import math

import numpy as np
import pandas as pd
import pytest

from fmbench_lib.metrics.level_row import level_row, slice_rows
from fmbench_lib.metrics.metric_groups import SLICE_COLUMNS, SUMMARY_COLUMNS
from fmbench_lib.pricing.price_list import PriceList

START = 1_800_000_000.0

PROMISED = """experiment_name, payload_file, instance_type, instance_count, concurrency, request_rate, requests,
successes, completions_in_window, errors, error_rate, prompt_token_count_mean, prompt_token_throughput,
completion_token_count_mean, completion_token_throughput, transactions_per_second, transactions_per_minute,
latency_mean, latency_p50, latency_p95, latency_p99, TTFT_mean, TTFT_p50, TTFT_p95, TTFT_p99, TPOT_mean, TPOT_p50,
TPOT_p95, TPOT_p99, ITL_mean, ITL_p50, ITL_p95, ITL_p99, price_per_txn, price_per_token, window_s, mean_in_flight,
client_lag_p99, schedule_lag_p99, client_limited, verdict"""


@pytest.fixture
def mixed(request_row):
    """Two warm-up requests, four successes and one failure around a window of 10 s."""
    return pd.DataFrame(
        [
            request_row(-3, latency=4.0, phase="warmup", prompt_tokens=50.0, completion_tokens=5.0),
            request_row(-3, latency=2.0, phase="warmup"),
            request_row(0, ttft=0.2, latency=2.0, prompt_tokens=100.0, completion_tokens=11.0, retried=1),
            request_row(2, ttft=0.4, latency=3.0, prompt_tokens=200.0, completion_tokens=21.0, reused=False),
            request_row(5, ttft=0.6, latency=4.0, prompt_tokens=300.0, completion_tokens=31.0),
            request_row(9, ttft=0.8, latency=6.0, prompt_tokens=400.0, completion_tokens=41.0, wait=0.1),
            request_row(9.5, error="http_5xx", status=500, prompt_tokens=None, completion_tokens=None, latency=0.5),
        ]
    )


def test_the_row_has_the_promised_columns_first(steady, facts):
    row = level_row(steady(), facts())
    assert tuple(row) == SUMMARY_COLUMNS
    assert list(row)[: len(PROMISED.split(","))] == [name.strip() for name in PROMISED.split(",")]
    assert len(set(SUMMARY_COLUMNS)) == len(SUMMARY_COLUMNS)
    assert len(set(SLICE_COLUMNS)) == len(SLICE_COLUMNS)


def test_counts_and_throughput_by_hand(mixed, facts):
    row = level_row(mixed, facts(seconds=10))
    assert (row["requests"], row["successes"], row["errors"]) == (5, 4, 1)
    assert row["error_rate"] == pytest.approx(0.2)
    assert json.loads(row["errors_by_class"]) == {"http_5xx": 1}
    # completed inside: the warm-up request that ends at 1, and those that end at 2, 5 and 9
    assert row["completions_in_window"] == 4
    assert row["transactions_per_second"] == pytest.approx(0.4)
    assert row["transactions_per_minute"] == pytest.approx(24.0)
    assert row["prompt_token_throughput"] == pytest.approx((50 + 100 + 200 + 300) / 10)
    assert row["completion_token_throughput"] == pytest.approx((5 + 11 + 21 + 31) / 10)
    assert row["prompt_token_count_mean"] == pytest.approx(250)  # of the four that were sent in the window
    assert row["completion_token_count_mean"] == pytest.approx(26)
    assert (row["billed_prompt_tokens"], row["billed_completion_tokens"]) == (1150 + 0, 120)
    assert row["window_s"] == pytest.approx(10)
    assert row["level_s"] == pytest.approx(25)
    # 1 s of the first warm-up, 2 + 3 + 4, then 1 s of the one that ends later (sent at 9.1: 0.9), 0.5 of the failure
    assert row["mean_in_flight"] == pytest.approx((1 + 2 + 3 + 4 + 0.9 + 0.5) / 10)


def test_latency_statistics_are_over_what_was_sent_in_the_window_pooled(mixed, facts):
    row = level_row(mixed, facts(seconds=10))
    assert row["latency_n"] == 4
    assert row["latency_mean"] == pytest.approx(3.75)
    assert row["latency_p50"] == pytest.approx(3.5)
    assert row["latency_p95"] == pytest.approx(4 + 0.85 * 2)  # rank 0.95 * 3 = 2.85 of 2, 3, 4, 6
    assert row["latency_p99"] == pytest.approx(4 + 0.97 * 2)
    assert row["TTFT_mean"] == pytest.approx(0.5)
    assert row["TTFT_p95"] == pytest.approx(0.6 + 0.85 * 0.2)
    assert row["latency_from_sent_p95"] == pytest.approx(4 + 0.85 * 1.9)
    assert row["TTFT_from_sent_p50"] == pytest.approx(0.5)
    tpot = np.array([1.8 / 10, 2.6 / 20, 3.4 / 30, 5.2 / 40])
    assert row["TPOT_mean"] == pytest.approx(tpot.mean())
    assert row["TPOT_p50"] == pytest.approx(np.median(tpot))
    gaps = np.repeat([0.18, 0.26, 0.34, 0.52], 10)
    assert row["ITL_n"] == 40
    assert row["ITL_mean"] == pytest.approx(gaps.mean())
    assert row["ITL_p95"] == pytest.approx(np.quantile(gaps, 0.95), rel=1e-5)
    assert math.isnan(row["TTFT_answer_p50"])
    assert math.isnan(row["latency_p95_low"])


def test_the_quality_of_the_measurement_is_in_the_row(mixed, facts):
    row = level_row(mixed, facts(seconds=10, client_cpu=[0.2, 0.6], clock_step_s=0.0004, requested=200))
    # lags of 0 0 0 0.1 0 over the five measured requests: rank 0.99 * 4 = 3.96
    assert row["schedule_lag_p99"] == pytest.approx(0.096)
    assert row["client_lag_p99"] == pytest.approx(0.0001)
    assert row["client_cpu_max"] == 0.6
    assert row["clock_step_s"] == 0.0004
    assert row["retried"] == 1
    assert row["reused_share"] == pytest.approx(0.8)
    assert row["requested"] == 200
    assert (row["token_source"], row["stamp_source"]) == ("server", "kernel")
    assert row["verdict"] in {"degraded", "invalid"}
    assert row["client_limited"] is True  # sent 96 ms late beside a TTFT p50 of 500 ms
    assert "96 ms late" in row["verdict_reasons"]


def test_a_level_of_errors_has_no_latency_and_an_error_rate_of_one(request_row, facts):
    failing = [request_row(i, error="http_429", prompt_tokens=None, completion_tokens=None) for i in range(5)]
    row = level_row(pd.DataFrame(failing), facts(seconds=10), PriceList.from_mapping({"trn1.32xlarge": 21.5}, "test"))
    assert row["error_rate"] == 1
    assert row["successes"] == 0
    assert row["transactions_per_minute"] == 0  # that nothing was completed is known, not missing
    unknown = [name for name in SUMMARY_COLUMNS if name.startswith(("latency_p", "latency_m", "TTFT_p", "TPOT_m"))]
    unknown += ["prompt_token_count_mean", "prompt_token_throughput", "completion_token_throughput"]
    unknown += ["price_per_txn", "price_per_token"]
    assert all(math.isnan(row[name]) for name in unknown)
    assert (row["billed_prompt_tokens"], row["billed_completion_tokens"]) == (0, 0)  # of no successes: known, too
    assert row["price_note"] == "nothing was completed in the window"
    assert row["token_source"] is None
    assert row["verdict"] == "invalid"


def test_who_is_silent_of_cached_tokens_beside_others_had_none(request_row, facts):
    """One of ten prompts of 1,000 tokens came from the cache, but for 100: 90 cached tokens per request."""
    prices = {"trn1.32xlarge": {"input-per-1k-tokens": 0.001, "output-per-1k-tokens": 0.002}}
    prices["trn1.32xlarge"]["cached-input-per-1k-tokens"] = 0.0001
    tokens = {"prompt_tokens": 1000, "completion_tokens": 10}
    rows = [request_row(i, **tokens, cached_tokens=900 if i == 0 else None) for i in range(10)]
    row = level_row(pd.DataFrame(rows), facts(seconds=20), PriceList.from_mapping(prices, "test"))
    assert row["cached_token_count_mean"] == pytest.approx(90)
    assert row["price_per_txn"] == pytest.approx(0.91 * 0.001 + 0.09 * 0.0001 + 0.01 * 0.002)
    silent = level_row(pd.DataFrame([request_row(i, **tokens) for i in range(10)]), facts(seconds=20))
    assert math.isnan(silent["cached_token_count_mean"])


def test_unknown_token_counts_leave_token_throughput_empty_not_low(request_row, facts):
    rows = [request_row(0), request_row(2, prompt_tokens=None, completion_tokens=None, token_source=None)]
    row = level_row(pd.DataFrame(rows), facts(seconds=10))
    assert row["completions_in_window"] == 2
    assert math.isnan(row["prompt_token_throughput"])
    assert math.isnan(row["billed_prompt_tokens"])
    assert row["prompt_token_count_mean"] == 100
    assert row["prompt_token_n"] == 1
    assert "token counts are known for 1 of 2" in row["verdict_reasons"]


@pytest.mark.parametrize("ends", [{"window_end": None}, {"window_end": START}, {"window_start": None}])
def test_without_a_window_there_is_latency_but_no_throughput(steady, facts, ends):
    row = level_row(steady(100), facts() | ends)
    assert row["latency_p50"] == pytest.approx(1.0)
    assert row["requests"] == 100
    for name in ("completions_in_window", "transactions_per_minute", "prompt_token_throughput", "mean_in_flight"):
        assert math.isnan(row[name])
    assert math.isnan(row["window_s"])
    assert row["verdict"] == "degraded"


def test_no_request_at_all(steady, facts):
    row = level_row(steady(1).iloc[:0], facts())
    assert row["requests"] == 0
    assert math.isnan(row["error_rate"])
    assert row["verdict"] == "invalid"


def test_warm_up_never_enters_latency_and_measured_requests_outside_are_told(request_row, facts):
    rows = [request_row(-1, latency=90, phase="warmup"), request_row(1, latency=1), request_row(60, latency=1)]
    row = level_row(pd.DataFrame(rows), facts(seconds=10))
    assert row["latency_p99"] == pytest.approx(1)
    assert row["requests_outside_window"] == 1
    assert "1 measured requests were sent outside" in row["verdict_reasons"]


def test_several_token_sources_are_named(request_row, facts):
    rows = [request_row(0, token_source="tokenizer"), request_row(1), request_row(2, stamp_source="user")]
    row = level_row(pd.DataFrame(rows), facts(seconds=10))
    assert row["token_source"] == "server+tokenizer"
    assert row["stamp_source"] == "kernel+user"


def test_intervals_stand_where_the_sample_gives_them(steady, facts):
    row = level_row(steady(100), facts())
    assert row["latency_p95_low"] <= row["latency_p95"] <= row["latency_p95_high"]
    assert row["TTFT_p50_low"] <= row["TTFT_p50"] <= row["TTFT_p50_high"]
    assert math.isnan(row["latency_p99_low"])
    assert row["ITL_n"] == 1000
    assert row["TTFT_answer_n"] == 0


def test_steady_load_is_valid(steady, facts):
    row = level_row(steady(100), facts(seconds=100))
    assert row["verdict"] == "valid"
    assert row["verdict_reasons"] is None
    assert row["client_limited"] is False
    assert row["mean_in_flight"] == pytest.approx(1.0)


def test_an_instance_price_by_hand(steady, facts):
    prices = PriceList.from_mapping({"trn1.32xlarge": 21.5}, "test")
    row = level_row(steady(100), facts(seconds=100, instance_count=2), prices)
    assert row["transactions_per_minute"] == pytest.approx(60)
    assert row["price_per_txn"] == pytest.approx(21.5 * 2 / 60 / 60)
    assert row["price_per_token"] == pytest.approx(21.5 * 2 / 60 / 60 / 111)
    assert row["price_per_10k_txn"] == pytest.approx(1e4 * 21.5 * 2 / 60 / 60)


def test_slices_add_up_to_the_level(steady, facts):
    records, known = steady(100), facts(seconds=99.5)
    level, slices = level_row(records, known), slice_rows(records, known)
    assert len(slices) == 10
    assert tuple(slices[0]) == SLICE_COLUMNS
    assert [row["slice"] for row in slices] == list(range(10))
    assert sum(row["requests"] for row in slices) == level["requests"]
    assert sum(row["completions_in_window"] for row in slices) == level["completions_in_window"]
    assert sum(row["window_s"] for row in slices) == pytest.approx(level["window_s"])
    assert np.mean([row["mean_in_flight"] for row in slices]) == pytest.approx(level["mean_in_flight"])
    assert slice_rows(records, facts(seconds=0)) == []


def test_a_queue_that_grows_shows_as_drift(request_row, facts):
    rows = [request_row(i, ttft=0.1, latency=0.5 + 0.05 * i) for i in range(100)]
    row = level_row(pd.DataFrame(rows), facts(seconds=100, concurrency=None, request_rate=1.0))
    # medians of the slices rise by 0.5 s from slice to slice, nine times, around a median of 2.975
    assert row["latency_drift"] == pytest.approx(9 * 0.5 / 2.975)
    assert row["latency_drift_p"] < 0.01
    assert "latency rose by 151%" in row["verdict_reasons"]


def test_records_as_parquet_gives_them_back(steady, facts, tmp_path):
    """Nulls, lists and dictionaries of strings change type on their way through a file; the figures must not."""
    steady(80, server_request_id=None).to_parquet(tmp_path / "level.parquet")
    back = pd.read_parquet(tmp_path / "level.parquet")
    direct, read = level_row(steady(80), facts(seconds=80)), level_row(back, facts(seconds=80))
    for name in SUMMARY_COLUMNS:
        assert read[name] == direct[name] or (math.isnan(read[name]) and math.isnan(direct[name])), name
