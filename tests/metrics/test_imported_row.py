"""The row of an imported level, and what the verdict says of a tool's figures, with the corrected ones."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from fmbench_lib.imports.assembling import Assembled
from fmbench_lib.load.recording.records import read_level
from fmbench_lib.metrics.imported_row import figures_frame, imported_frame
from fmbench_lib.metrics.missing import rows_of
from fmbench_lib.pricing.price_list import PriceList
from fmbench_lib.steps.reporting.imported_records import write_records
from fmbench_lib.steps.reporting.level_records import key_of
from fmbench_lib.workspace import Workspace
from tests.imports import samples
from tests.imports.samples import assembled_of, file_of

PRICES = PriceList.from_mapping({"pricing": {"instance_based": {"trn1.32xlarge": 21.5}}}, "a test")


def row_of(one: Assembled, folder: Path, prices: PriceList = PRICES) -> dict[str, Any]:
    workspace, data = Workspace(folder / "run"), None
    if one.requests:
        write_records(workspace, one.level, one.requests)
        data = read_level(workspace.level(key_of(one.level)))
    (row,) = rows_of(imported_frame([(one.level, data)], prices))
    return row


def rows_in(folder: Path, content: Any, name: str = "result.json", prices: PriceList = PRICES) -> list[dict[str, Any]]:
    return [row_of(one, folder, prices) for one in assembled_of(file_of(folder, content, name))]


def reasons(row: Mapping[str, Any]) -> str:
    return str(row["verdict_reasons"])


def test_a_summary_is_taken_as_printed_without_intervals(tmp_path: Path) -> None:
    (row,) = rows_in(tmp_path, samples.VLLM)
    assert (row["requests"], row["successes"], row["errors"], row["error_rate"]) == (4, 4, 0, 0.0)
    assert row["TTFT_mean"] == pytest.approx(0.075)
    assert row["transactions_per_minute"] == pytest.approx(30.0)
    assert row["level_s"] == 8.0
    assert all(row[f"{family}_p50_low"] is None for family in ("latency", "TTFT", "TPOT", "ITL"))
    assert row["latency_p95"] is None
    assert row["imported_from"].startswith("vllm bench serve, ")
    assert row["client_limited"] is False


def test_a_completed_request_without_a_token_is_an_error_and_the_mean_is_corrected(tmp_path: Path) -> None:
    details = {name: values for name, values in samples.VLLM_DETAILS.items() if name != "start_times"}
    (row,) = rows_in(tmp_path, {**samples.VLLM, **details})
    assert (row["requests"], row["successes"], row["errors"]) == (4, 3, 1)
    assert row["TTFT_mean"] == pytest.approx(0.1)
    assert row["transactions_per_second"] == pytest.approx(3 / 8)
    assert row["completion_token_throughput"] == pytest.approx(3.0)
    assert json.loads(row["errors_by_class"]) == {"empty": 1}
    assert "without it TTFT mean is 100 ms, not 75 ms" in reasons(row)
    assert row["verdict"] == "degraded"


def test_requests_with_moments_have_a_window(tmp_path: Path) -> None:
    (row,) = rows_in(tmp_path, {**samples.VLLM, **samples.VLLM_DETAILS})
    assert row["window_s"] == pytest.approx(2.0)  # sent from 50 to 52
    assert row["ITL_mean"] == pytest.approx(0.04)
    assert row["TPOT_mean"] == pytest.approx(0.08 / 7)
    assert "is of chunks of about 3.5 tokens" in reasons(row)  # 0.04 over 0.0114


def test_durations_alone_give_percentiles_and_no_window(tmp_path: Path) -> None:
    (row,) = rows_in(tmp_path, samples.LLMPERF_REQUESTS)
    assert row["latency_mean"] == pytest.approx(1.1)
    assert row["TPOT_mean"] == pytest.approx((0.05 + 0.07) / 2)
    assert row["window_s"] is None
    assert row["transactions_per_minute"] is None
    assert row["error_rate"] == pytest.approx(1 / 3)
    assert "the file has no moments of requests" in reasons(row)


def test_prices_are_those_of_the_list(tmp_path: Path) -> None:
    first, second, _ = rows_in(tmp_path, samples.FMBENCH, "summary.csv")
    assert first["price_per_txn"] == pytest.approx(21.5 / 60 / 60)
    assert second["price_per_10k_txn"] == pytest.approx(10_000 * 21.5 / 60 / 200)
    assert second["price_source"] != "FMBench 2.x, as printed"


def test_a_printed_price_stands_where_the_list_has_none(tmp_path: Path) -> None:
    first, *_ = rows_in(tmp_path, samples.FMBENCH, "summary.csv", PriceList())
    assert first["price_per_txn"] == pytest.approx(0.0059722)
    assert (first["price_source"], first["price_verified"]) == ("FMBench 2.x, as printed", False)


def test_more_in_flight_than_slots_is_said_with_the_greatest_rate(tmp_path: Path) -> None:
    first, second, third = rows_in(tmp_path, samples.FMBENCH, "summary.csv")
    assert "60 requests a minute of 2 s are 2 in flight, of 1: at most 30 a minute are possible" in reasons(first)
    assert "p50, p95 and p99 are one value" in reasons(first)
    assert "in flight" not in reasons(second)  # 200 a minute of 1.2 s are 4 of 4
    assert "in flight" not in reasons(third)  # 300 a minute of 1.6 s are 8 of 8
    assert "does not say of how many requests" in reasons(third)
    assert "means over batches" not in reasons(third)
    assert "its 150 prompt tokens/s do not follow" in reasons(first)  # 60 a minute of 300 are 300


def test_too_few_in_flight_is_another_load(tmp_path: Path) -> None:
    text = samples.FMBENCH.replace(",300,0.0011944", ",100,0.0011944")
    *_, third = rows_in(tmp_path, text, "summary.csv")
    assert "100 requests a minute of 1.6 s are 2.67 in flight, of 8 asked" in reasons(third)


@pytest.mark.parametrize(("rate", "verdict"), [(0.52, "degraded"), (2.5, "invalid")])
def test_a_rate_that_count_and_duration_contradict(rate: float, verdict: str, tmp_path: Path) -> None:
    (row,) = rows_in(tmp_path, {**samples.VLLM, "request_throughput": rate})
    assert f"its {rate} requests/s do not follow from count and duration: 4 completed in 8 s are 0.5/s" in reasons(row)
    assert row["verdict"] == verdict


def test_few_requests_and_a_p99_that_is_the_maximum(tmp_path: Path) -> None:
    (row,) = rows_in(tmp_path, samples.guidellm())
    assert "percentiles of 2 requests, too few for a confidence interval of p95: 72 or more" in reasons(row)
    assert "p99 of latency, TTFT is the greatest value of 2 requests" in reasons(row)
    assert "33.3% of the requests failed (1), and latency is of the others" in reasons(row)


def test_a_rate_that_was_not_sent_is_a_queue_that_latency_leaves_out(tmp_path: Path) -> None:
    (row,) = rows_in(tmp_path, samples.stage(rate=20.0, sent=10.0, delay=4.0))
    assert row["sustainable"] == "no"
    assert row["client_limited"] is True
    told = "10 requests/s were sent of 20 asked, each late by 4 s on average that its latency leaves out"
    assert f"{told}: from when they were due it is 4.5 s" in reasons(row)
    (kept_up,) = rows_in(tmp_path, samples.stage())
    assert kept_up["sustainable"] is None
    assert "were sent" not in reasons(kept_up)


def test_gaps_of_reads_that_bring_several_tokens(tmp_path: Path) -> None:
    (row,) = rows_in(tmp_path, samples.stage())
    assert "half of its inter-token latencies are below 0.01 ms, beside a mean of 4 ms" in reasons(row)
    assert row["verdict"] == "valid"


def test_a_success_without_a_token_in_a_summary(tmp_path: Path) -> None:
    document = samples.stage()
    document["successes"]["output_len"]["min"] = 0.0
    (row,) = rows_in(tmp_path, document)
    assert "at least one 'success' has no token" in reasons(row)
    assert row["verdict"] == "degraded"


def test_errors_that_the_file_leaves_out(tmp_path: Path) -> None:
    (row,) = rows_in(tmp_path, samples.SGLANG)
    assert row["error_rate"] is None
    assert "does not say whether requests failed" in reasons(row)


def test_a_latency_below_its_parts(tmp_path: Path) -> None:
    (row,) = rows_in(tmp_path, {**samples.SGLANG, "mean_e2e_latency_ms": 150.0})
    assert "shorter than its parts: TTFT alone takes 200 ms" in reasons(row)
    assert row["verdict"] == "invalid"


def test_a_level_without_a_success_is_invalid(tmp_path: Path) -> None:
    (row,) = rows_in(tmp_path, {**samples.VLLM, "completed": 0, "request_throughput": 0.0})
    assert row["verdict"] == "invalid"
    assert row["error_rate"] == 1.0


def test_a_count_beyond_all_counts_is_missing(tmp_path: Path) -> None:
    (row,) = rows_in(tmp_path, {**samples.VLLM, "num_prompts": 1e300, "max_concurrency": 1e300})
    assert (row["requests"], row["concurrency"]) == (None, None)


def test_printed_figures_stand_beside_ours(tmp_path: Path) -> None:
    details = {name: values for name, values in samples.VLLM_DETAILS.items() if name != "start_times"}
    (one,) = assembled_of(file_of(tmp_path, {**samples.VLLM, **details}))
    row = row_of(one, tmp_path)
    workspace = Workspace(tmp_path / "run")
    summary = imported_frame([(one.level, read_level(workspace.level(key_of(one.level))))], PRICES)
    figures = {each["column"]: each for each in rows_of(figures_frame([one.level], summary))}
    ttft = figures["TTFT_mean"]
    assert (ttft["value"], ttft["printed"], ttft["printed_as"]) == (row["TTFT_mean"], 75.0, "mean_ttft_ms")
    assert ttft["difference"] == pytest.approx(0.1 / 0.075 - 1)
    assert ttft["origin"] == "requests"
    assert figures["window_s"]["origin"] == "printed"
