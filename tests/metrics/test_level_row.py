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
    row = level_row(mixed, facts(seconds=10, concurrency=None, request_rate=0.5))
    assert (row["requests"], row["successes"], row["errors"]) == (5, 4, 1)
    assert row["error_rate"] == pytest.approx(0.2)
    assert json.loads(row["errors_by_class"]) == {"http_5xx": 1}
    # completed inside: the warm-up request that ends at 1, and those that end at 2, 5 and 9
    assert row["completions_in_window"] == 4
    # a quarter of the warm-up request (-3 to 1) lies inside, three whole ones, and 0.9 s of the one from 9.1 to 15
    work = 1 / 4 + 3 + 0.9 / 5.9
    assert row["transactions_per_second"] == pytest.approx(work / 10)
    assert row["transactions_per_minute"] == pytest.approx(6 * work)
    assert row["prompt_token_throughput"] == pytest.approx((50 / 4 + 100 + 200 + 300 + 400 * 0.9 / 5.9) / 10)
    # of 11 events each: the last 3 of the warm-up request come after 0, the first of the last one (9.8) before 10
    assert row["completion_token_throughput"] == pytest.approx((5 * 3 / 11 + 11 + 21 + 31 + 41 / 11) / 10)
    assert math.isnan(row["transactions_per_minute_low"])  # two latencies long
    assert row["prompt_token_count_mean"] == pytest.approx(250)  # of the four that were sent in the window
    assert row["completion_token_count_mean"] == pytest.approx(26)
    assert (row["billed_prompt_tokens"], row["billed_completion_tokens"]) == (1150 + 0, 120)
    assert row["window_s"] == pytest.approx(10)
    assert row["level_s"] == pytest.approx(25)
    # 1 s of the first warm-up, 2 + 3 + 4, then 1 s of the one that ends later (sent at 9.1: 0.9), 0.5 of the failure
    assert row["mean_in_flight"] == pytest.approx((1 + 2 + 3 + 4 + 0.9 + 0.5) / 10)


def test_a_closed_loop_is_as_fast_as_its_slots_were_with_the_requests_of_the_window(mixed, facts):
    row = level_row(mixed, facts(seconds=10))
    in_flight = (1 + 2 + 3 + 4 + 0.9 + 0.5) / 10
    slot_seconds = 2 + 3 + 4 + 5.9 + 0.5  # of those sent in the window to their ends, the failure's half second too
    assert row["transactions_per_second"] == pytest.approx(in_flight * 4 / slot_seconds)
    assert row["prompt_token_throughput"] == pytest.approx(in_flight * 1000 / slot_seconds)
    assert row["completion_token_throughput"] == pytest.approx(in_flight * 104 / slot_seconds)


def test_a_closed_loop_that_begins_with_all_slots_at_once_is_not_faster_for_it(request_row, facts):
    """Two slots whose first requests (the warm-up) take 1 and 9 s, and all others 2 s: 1 request/s in the long run.

    The work inside the window is 4 of the 9 s and both requests of 2 s: 0.61 requests/s.
    """
    first = [request_row(-1, latency=1.0, phase="warmup"), request_row(-1, latency=9.0, phase="warmup")]
    later = [request_row(start, latency=2.0) for start in (0, 2)]
    row = level_row(pd.DataFrame([*first, *later]), facts(seconds=4, concurrency=2))
    assert row["transactions_per_second"] == pytest.approx(2 * 2 / 4)


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
    # lags of 0 0.1 0 0 over the measured requests but the one that was sent again: rank 0.99 * 3 = 2.97
    assert row["schedule_lag_p99"] == pytest.approx(0.097)
    assert row["resend_wait_max"] == 0
    assert row["client_lag_p99"] == pytest.approx(0.0001)
    assert row["client_cpu_max"] == 0.6
    assert row["clock_step_s"] == 0.0004
    assert row["retried"] == 1
    assert row["reused_share"] == pytest.approx(0.8)
    assert row["requested"] == 200
    assert (row["token_source"], row["stamp_source"]) == ("server", "kernel")
    assert row["verdict"] in {"degraded", "invalid"}
    # of TTFT 0.2 0.4 0.6 0.8 the last may be 0.7: at p99, that is 0.97 * 0.1 of 0.6 + 0.97 * 0.2
    assert row["TTFT_p99_client_error"] == pytest.approx(0.097)
    assert row["client_limited"] is True
    assert "TTFT p99 of 794 ms up to 97 ms (12.2%) too long (at p99 it sent 97 ms late" in row["verdict_reasons"]


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
    row = level_row(steady(300), facts(seconds=300))
    assert row["latency_p95_low"] <= row["latency_p95"] <= row["latency_p95_high"]
    assert row["TTFT_p50_low"] <= row["TTFT_p50"] <= row["TTFT_p50_high"]
    assert math.isnan(row["latency_p99_low"])
    assert row["latency_effective_n"] > 240
    assert row["latency_longer"] == 1
    assert row["ITL_n"] == 3000
    assert row["TTFT_answer_n"] == 0
    # 20 batches of 15 requests, all alike
    for end in ("low", "high"):
        assert row[f"transactions_per_minute_{end}"] == pytest.approx(60)
        assert row[f"completion_token_throughput_{end}"] == pytest.approx(11)


def test_too_few_for_an_interval_of_p95_say_how_much_longer_to_measure(steady, facts):
    row = level_row(steady(100), facts())
    assert math.isnan(row["latency_p95_low"])
    assert row["latency_longer"] == pytest.approx(240 / row["latency_effective_n"])
    assert row["verdict"] == "valid"
    assert "p95 has no interval" in row["verdict_reasons"]
    assert "measure 2.5 times as long" in row["verdict_reasons"]


def test_steady_load_is_valid(steady, facts):
    row = level_row(steady(300), facts(seconds=300))
    assert row["verdict"] == "valid"
    assert row["verdict_reasons"] is None
    assert row["littles_law"] == pytest.approx(0, abs=1e-9)
    assert row["sustainable"] is None  # a closed loop offers no more than is served
    assert row["steady"] is None
    assert row["client_limited"] is False
    assert row["mean_in_flight"] == pytest.approx(1.0)


def test_an_instance_price_by_hand(steady, facts):
    prices = PriceList.from_mapping({"trn1.32xlarge": 21.5}, "test")
    row = level_row(steady(100), facts(seconds=100, instance_count=2), prices)
    assert row["transactions_per_minute"] == pytest.approx(60)
    assert row["price_per_txn"] == pytest.approx(21.5 * 2 / 60 / 60)
    assert row["price_per_token"] == pytest.approx(21.5 * 2 / 60 / 60 / 111)
    assert row["price_per_10k_txn"] == pytest.approx(1e4 * 21.5 * 2 / 60 / 60)
    assert row["price_per_10k_txn_low"] == pytest.approx(1e4 * 21.5 * 2 / 60 / 60)


def test_a_price_has_the_interval_of_its_throughput_turned_round(request_row, facts):
    """Blocks of 15 s with 10 and with 20 requests in turn: of 1 s each, none reaches over an edge."""
    rows = [
        request_row(15 * block + place * 0.7, latency=1.0)
        for block in range(20)
        for place in range(10 + 10 * (block % 2))
    ]
    prices = PriceList.from_mapping({"trn1.32xlarge": 21.5}, "test")
    row = level_row(pd.DataFrame(rows), facts(seconds=300), prices)
    assert row["transactions_per_second"] == pytest.approx(1.0)
    # Student's t of 19 degrees of freedom, batches of 10 and 20: squares 20 * 25
    half = 2.093024 * math.sqrt(20 * 25 / 19 * 20) / 300
    assert row["transactions_per_minute_low"] == pytest.approx(60 * (1 - half))
    assert row["price_per_10k_txn_low"] == pytest.approx(1e4 * 21.5 / 3600 / (1 + half))
    assert row["price_per_10k_txn_high"] == pytest.approx(1e4 * 21.5 / 3600 / (1 - half))


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


def test_what_becomes_slower_shows_as_drift(request_row, facts):
    rows = [request_row(i, ttft=0.1, latency=0.5 + 0.05 * i) for i in range(100)]
    row = level_row(pd.DataFrame(rows), facts(seconds=100))
    # medians of the slices rise by 0.5 s from slice to slice, nine times, around a median of 2.975
    assert row["latency_drift"] == pytest.approx(9 * 0.5 / 2.975)
    assert row["latency_drift_p"] < 0.01
    assert "latency rose by 151%" in row["verdict_reasons"]


OPEN = {"concurrency": None, "request_rate": 1.0, "load": "rate-1"}


def test_a_queue_that_grows_is_said_once_and_leaves_no_interval(request_row, facts):
    rows = [request_row(i, ttft=0.1, latency=0.5 + 0.05 * i) for i in range(600)]
    row = level_row(pd.DataFrame(rows), facts(seconds=600, **OPEN))
    assert row["sustainable"] == "no"
    # at 600 those are in flight that were due after (600 - 0.5) / 1.05 = 570.95
    assert (row["in_flight_start"], row["in_flight_end"]) == (1, 29)
    assert row["transactions_per_second"] == pytest.approx(571 / 600)  # what it completed, not what it began
    unknown = ("latency_p50_low", "TTFT_p50_high", "ITL_p50_low", "transactions_per_minute_low", "latency_effective_n")
    assert all(math.isnan(row[name]) for name in unknown)
    assert row["verdict_reasons"].count("requests in flight grew from 1 to 29") == 1
    assert "latency rose" not in row["verdict_reasons"]
    assert row["steady"] is False


def test_an_open_loop_that_keeps_up_is_sustainable(request_row, facts):
    row = level_row(pd.DataFrame([request_row(i, latency=1.5) for i in range(600)]), facts(seconds=600, **OPEN))
    assert row["sustainable"] == "yes"
    assert row["transactions_per_second"] == pytest.approx(1.0, rel=0.001)
    assert row["verdict_reasons"] is None


def test_an_open_loop_is_measured_from_its_steady_state_on(request_row, facts):
    """The first forty requests find a cold endpoint: they take 9 s, the others 1.5 s."""
    rows = [request_row(i, latency=9.0 if i < 40 else 1.5) for i in range(300)]
    row = level_row(pd.DataFrame(rows), facts(seconds=300, **OPEN))
    assert row["steady"] is True
    assert row["steady_after_s"] == pytest.approx(40)
    assert row["window_start"] == pytest.approx(START + 40)
    assert (row["window_s"], row["requests"], row["latency_p99"]) == pytest.approx((260, 260, 1.5))
    assert row["requests_outside_window"] == 0
    slices = slice_rows(pd.DataFrame(rows), facts(seconds=300, **OPEN))
    assert sum(part["requests"] for part in slices) == 260
    replayed = level_row(pd.DataFrame(rows), facts(seconds=300, arrival="trace", **OPEN))
    assert (replayed["requests"], replayed["steady"]) == (300, None)


def test_records_as_parquet_gives_them_back(steady, facts, tmp_path):
    """Nulls, lists and dictionaries of strings change type on their way through a file; the figures must not."""
    steady(80, server_request_id=None).to_parquet(tmp_path / "level.parquet")
    back = pd.read_parquet(tmp_path / "level.parquet")
    direct, read = level_row(steady(80), facts(seconds=80)), level_row(back, facts(seconds=80))
    for name in SUMMARY_COLUMNS:
        assert read[name] == direct[name] or (math.isnan(read[name]) and math.isnan(direct[name])), name
