"""The frames behind the CSV files."""

from __future__ import annotations

import io

import pandas as pd
import pytest

from fmbench_lib.metrics import tables
from fmbench_lib.metrics.decision.budgets import Budgets
from fmbench_lib.metrics.decision.decision import decide
from fmbench_lib.metrics.finding import Finding
from fmbench_lib.metrics.fmbench2_scores import scores_frame
from fmbench_lib.metrics.metric_groups import SLICE_COLUMNS, SUMMARY_COLUMNS
from fmbench_lib.metrics.missing import rows_of
from fmbench_lib.metrics.request_table import REQUEST_COLUMNS, requests_frame
from fmbench_lib.metrics.tables import (
    COUNT_COLUMNS,
    ERROR_RATE_COLUMNS,
    best_option,
    best_option_each_instance_type,
    error_rates,
    experiment_counts,
    slices_frame,
    summary_frame,
    summary_with_pricing,
)
from fmbench_lib.pricing.price_list import PriceList

PRICES = PriceList.from_mapping({"trn1.32xlarge": 21.5, "g5.xlarge": 1.0}, "test")


@pytest.fixture
def levels(steady, facts, request_row):
    failing = pd.DataFrame([request_row(i, error="http_429" if i % 2 else "timeout") for i in range(4)])
    return [
        (steady(100), facts(seconds=100)),
        (steady(100, latency=0.5), facts(seconds=50, instance_type="g5.xlarge", experiment_name="other")),
        (failing, facts(seconds=5, load="rate-1", concurrency=None, request_rate=1.0)),
    ]


def test_one_row_per_level_in_order_with_typed_columns(levels):
    summary = summary_frame(levels, PRICES)
    assert tuple(summary.columns) == SUMMARY_COLUMNS
    assert list(summary["experiment_name"]) == ["exp", "other", "exp"]
    assert list(summary["verdict"]) == ["valid", "valid", "invalid"]
    assert summary["concurrency"].dtype == "Int64"
    assert summary["latency_p50"].dtype == "float64"
    assert summary["client_limited"].dtype == "boolean"
    written = summary.to_csv(index=False)
    back = pd.read_csv(io.StringIO(written))
    assert back["concurrency"].isna().tolist() == [False, False, True]
    assert back["latency_p95"].isna().tolist() == [False, False, True]
    assert written.splitlines()[1].startswith("exp,payload_en_1-500.jsonl,trn1.32xlarge,,1,,100,100,100,0,0.0,")


def test_levels_whose_outputs_differ_are_degraded_by_the_others(steady, facts):
    same = [(steady(100), facts(load=f"concurrency-{c}")) for c in (1, 2, 3)]
    off = (steady(100, completion_tokens=40.0), facts(load="concurrency-4"))
    summary = summary_frame([*same, off])
    assert list(summary["verdict"]) == ["valid", "valid", "valid", "degraded"]
    assert "outputs of 40 tokens" in summary["verdict_reasons"][3]


def test_what_makes_a_level_degraded_comes_before_what_spoils_nothing(
    steady, facts, monkeypatch: pytest.MonkeyPatch
) -> None:
    note, found = Finding("valid", "p95 has no interval"), Finding("degraded", "its outputs are shorter")
    monkeypatch.setattr(tables, "comparison_findings", lambda *_: {0: [note, found]})
    (row,) = rows_of(summary_frame([(steady(100), facts(load="concurrency-1"))]))
    assert (row["verdict"], row["verdict_remedy"]) == ("degraded", None)
    reasons = row["verdict_reasons"].split("; ")
    assert reasons[0] == found.reason
    assert note.reason in reasons[1:]


def test_ten_slices_per_level(levels):
    found = slices_frame(levels, PRICES)
    assert tuple(found.columns) == SLICE_COLUMNS
    assert len(found) == 30
    assert found["price_per_txn"][0] == pytest.approx(21.5 / 60 / found["transactions_per_minute"][0])


def test_the_slices_of_two_attempts_are_told_apart(steady, facts):
    """Both have the same load, and only one of them counts."""
    found = slices_frame([(steady(20), facts(seconds=20, attempt=number)) for number in (1, 2)])
    assert found["attempt"].tolist() == [1] * 10 + [2] * 10


def test_one_row_per_request(levels):
    found = requests_frame(levels)
    assert tuple(found.columns) == REQUEST_COLUMNS
    assert len(found) == 204
    assert found["latency"][0] == pytest.approx(1.0)
    assert found["prompt_token_count"][0] == 100
    assert found["ITL_mean"][0] == pytest.approx(0.05)
    assert found["events"][0] == 11
    assert found["in_window"].all()
    assert found["success"].sum() == 200
    assert found["error"].value_counts().to_dict() == {"http_429": 2, "timeout": 2}
    assert found["latency"].iloc[-1] != found["latency"].iloc[-1]  # a failure has none
    assert pd.read_csv(io.StringIO(found.to_csv(index=False)))["TTFT"][0] == pytest.approx(0.5)


def test_counts_and_errors(levels):
    summary = summary_frame(levels)
    counts = experiment_counts(summary)
    assert tuple(counts.columns) == COUNT_COLUMNS
    assert list(counts["count"]) == [100, 100, 4]
    rates = error_rates(summary)
    assert tuple(rates.columns) == ERROR_RATE_COLUMNS
    assert list(rates["error_rate"]) == [0.0, 0.0, 1.0]
    assert list(rates["http_429"]) == [0, 0, 2]
    assert list(rates["other"]) == [0, 0, 0]


def test_an_error_class_nobody_knows_is_counted_too(request_row, facts):
    records = pd.DataFrame([request_row(0, error="gremlins")])
    assert error_rates(summary_frame([(records, facts())]))["other"][0] == 1


def test_the_best_options(levels):
    summary = summary_frame(levels, PRICES)
    decision = decide(summary, Budgets(latency_budget=2.0, error_rate_budget=0.0))
    with_pricing = summary_with_pricing(summary, decision)
    assert list(with_pricing["within_budgets"]) == [True, True, False]
    best = best_option(summary, decision)
    assert list(best["experiment_name"]) == ["other"]
    assert best["price_per_txn"][0] == pytest.approx(1.0 / 60 / 120)
    each = best_option_each_instance_type(summary, decision)
    assert list(each["instance_type"]) == ["trn1.32xlarge", "g5.xlarge"]
    assert list(each["within_budgets"]) == [True, True]


def test_no_best_option_is_no_row_but_the_nearest_of_each_type_is_shown(levels):
    summary = summary_frame(levels, PRICES)
    decision = decide(summary, Budgets(latency_budget=0.1))
    assert len(best_option(summary, decision)) == 0
    each = best_option_each_instance_type(summary, decision)
    assert list(each["within_budgets"]) == [False, False]
    assert list(each["requests"]) == [100, 100]


def test_without_levels_every_table_is_empty_and_has_its_columns():
    summary = summary_frame([])
    decision = decide(summary, Budgets())
    assert tuple(summary.columns) == SUMMARY_COLUMNS
    assert tuple(slices_frame([]).columns) == SLICE_COLUMNS
    assert tuple(requests_frame([]).columns) == REQUEST_COLUMNS
    assert tuple(error_rates(summary).columns) == ERROR_RATE_COLUMNS
    for table in (summary_with_pricing, best_option, best_option_each_instance_type):
        frame = table(summary, decision)
        assert len(frame) == 0
        assert "within_budgets" in frame.columns


def test_requests_stand_under_the_names_of_fmbench_2_too(levels):
    frame = requests_frame(levels)
    first, failed = frame.iloc[0], frame.iloc[-1]
    assert (first["endpoint_name"], first["uuid"]) == ("http://127.0.0.1:1/", "r-0.0")
    assert (first["prompt_tokens"], first["completion_tokens"]) == (100, 11)
    assert first["time_to_first_token"] == pytest.approx(0.5)
    assert (first["latency"], first["time_to_last_token"]) == (pytest.approx(1.0), pytest.approx(1.0))
    assert first["time_per_output_token"] == pytest.approx(0.5 / 10)
    assert failed[["latency", "time_to_first_token", "time_to_last_token"]].isna().all()


@pytest.mark.parametrize("streamed", [True, False])
def test_ttlt_is_the_latency_of_streamed_responses_alone(steady, facts, streamed):
    (row,) = summary_frame([(steady(100, streamed=streamed), facts())]).to_dict("records")
    expected = 1.0 if streamed else float("nan")
    assert row["latency_p50"] == pytest.approx(1.0)
    assert [row["TTLT_p50"], row["TTLT_mean"]] == pytest.approx([expected, expected], nan_ok=True)


def test_a_score_is_budgets_met_room_left_and_concurrency(levels):
    summary = summary_frame(levels, PRICES)
    decision = decide(summary, Budgets(latency_budget=2, cost_per_10k_txn_budget=100, error_rate_budget=0))
    scores = scores_frame(decision)
    by_name = scores.set_index(["experiment_name", "concurrency"])
    price = 1.0 / 3600 * 0.5 * 10_000
    assert by_name["score"][("other", 1)] == pytest.approx(1 + (1 + 1.5 / 2) + (1 + (100 - price) / 100) + 1)
    assert scores["score"].is_monotonic_decreasing
    assert scores.iloc[-1]["any_criterion_failed"]


def test_without_budgets_nothing_fails_and_concurrency_is_the_score(levels):
    scores = scores_frame(decide(summary_frame(levels[:2], PRICES), Budgets()))
    assert list(scores["score"]) == [1.0, 1.0]
    assert not scores["any_criterion_failed"].any()
