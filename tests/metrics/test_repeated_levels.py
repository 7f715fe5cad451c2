"""Levels that were measured several times: their rows over all repeats, worked out by hand."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from fmbench_lib.metrics.decision.budgets import Budgets
from fmbench_lib.metrics.decision.decision import decide
from fmbench_lib.metrics.decision.wording import load_label
from fmbench_lib.metrics.groups.goodput import Objectives
from fmbench_lib.metrics.level_sample import LevelData
from fmbench_lib.metrics.missing import rows_of
from fmbench_lib.metrics.repeated_levels import REPEATED_TABLE, once_each, repeated_frame, under_one_load
from fmbench_lib.metrics.tables import summary_frame
from fmbench_lib.pricing.price_list import PriceList

PRICES = PriceList.from_mapping({"trn1.32xlarge": 21.5}, "test")
T_3 = 4.302652729911275  # Student's, two degrees of freedom

Maker = Callable[..., Any]


@pytest.fixture
def repeats(steady: Maker, facts: Maker) -> list[LevelData]:
    """A level of 100 requests three times: of 1, 2 and 4 s each, in windows of 100, 200 and 400 s."""
    return [
        (steady(100, latency=latency), facts(100 * latency, load=load))
        for latency, load in ((1.0, "concurrency-1"), (2.0, "concurrency-1-repeat-2"), (4.0, "concurrency-1-repeat-3"))
    ]


def pooled(levels: list[LevelData], **changes: Any) -> dict[str, Any]:
    summary = summary_frame(levels, PRICES, objectives=changes.get("objectives"))
    for column, values in changes.get("rows", {}).items():
        summary[column] = values
    (row,) = rows_of(repeated_frame(levels, summary, PRICES, changes.get("objectives")))
    return row


def test_counts_are_sums_and_percentiles_those_of_all_requests(repeats: list[LevelData]) -> None:
    row = pooled(repeats)
    assert (row["load"], row["concurrency"], row["repeats"]) == ("concurrency-1", 1, 3)
    assert (row["requests"], row["successes"], row["errors"], row["latency_n"]) == (300, 300, 0, 300)
    everything = np.repeat([1.0, 2.0, 4.0], 100)
    assert row["latency_p50"] == pytest.approx(2.0)
    assert row["latency_p95"] == pytest.approx(np.quantile(everything, 0.95))
    assert row["latency_mean"] == pytest.approx(7 / 3)
    assert row["window_s"] == pytest.approx(700)
    assert row["level_s"] == pytest.approx(700 + 3 * 15)
    assert row["completion_token_count_mean"] == pytest.approx(11)


def test_rates_are_the_work_of_all_windows_over_their_length_and_the_price_follows(repeats: list[LevelData]) -> None:
    row = pooled(repeats)
    assert row["transactions_per_minute"] == pytest.approx(60 * 300 / 700)
    assert row["price_per_txn"] == pytest.approx(21.5 / 60 / (60 * 300 / 700))
    assert row["mean_in_flight"] == pytest.approx(1.0)


def test_the_spread_between_repeats(repeats: list[LevelData]) -> None:
    row = pooled(repeats)
    assert (row["latency_p95_repeat_min"], row["latency_p95_repeat_max"]) == pytest.approx((1.0, 4.0))
    assert row["latency_p95_repeat_std"] == pytest.approx(np.std([1, 2, 4], ddof=1))
    assert row["transactions_per_minute_repeat_max"] == pytest.approx(60.0)
    assert row["price_per_10k_txn_repeat_min"] == pytest.approx(1e4 * 21.5 / 60 / 60)


def test_intervals_are_students_over_the_repeats(repeats: list[LevelData]) -> None:
    row = pooled(repeats)
    factor = 2 ** (T_3 / math.sqrt(3))
    assert (row["latency_p95_low"], row["latency_p95_high"]) == pytest.approx((2 / factor, 4 * factor**1.5))
    low, high = row["transactions_per_minute_low"], row["transactions_per_minute_high"]
    assert (low, high) == pytest.approx((60 * 300 / 700 / factor, 30 * factor))
    # the price is that of the ends of the throughput
    assert row["price_per_10k_txn_high"] == pytest.approx(1e4 * 21.5 / 60 / low)


def test_shares_and_errors_are_over_all_requests(steady: Maker, facts: Maker, request_row: Maker) -> None:
    failing = pd.DataFrame([request_row(i, latency=1.0, error="timeout" if i < 30 else None) for i in range(50)])
    levels = [(steady(100), facts(100)), (failing, facts(50, load="concurrency-1-repeat-2"))]
    row = pooled(levels, objectives=Objectives(latency=1.2))
    assert (row["requests"], row["errors"], row["error_rate"]) == (150, 30, pytest.approx(0.2))
    assert json.loads(row["errors_by_class"]) == {"timeout": 30}
    assert row["slo_attainment"] == pytest.approx(120 / 150)
    assert row["goodput"] == pytest.approx(120 / 150, rel=0.03)


def test_what_percentiles_do_not_show_is_that_of_all_requests(facts: Maker, request_row: Maker) -> None:
    """Two repeats of 40 s: one request of 20 s in the second, whose answers are longer and have other ends."""
    one = [request_row(i, finish_reason="stop", cached_tokens=0, endpoint="http://a") for i in range(40)]
    other = [
        request_row(i, completion_tokens=33, finish_reason="length", cached_tokens=50, endpoint="http://b")
        for i in range(40)
    ]
    other[5] = request_row(5, latency=20.0, completion_tokens=33, finish_reason="length", endpoint="http://b")
    one_facts = facts(40, host_machine="endpoint", host_cores=2, host_cores_others=0.1, resent_prompts=3)
    other_facts = facts(40, host_machine="endpoint", host_cores=2, host_cores_others=0.9, resent_prompts=4)
    levels = [
        (pd.DataFrame(one), one_facts),
        (pd.DataFrame(other), other_facts | {"load": "concurrency-1-repeat-2"}),
    ]
    row = pooled(levels)
    assert (row["latency_max"], row["TTFT_max"]) == pytest.approx((20.0, 0.5))
    assert row["long_requests"] == 1
    assert row["long_requests_share"] == pytest.approx(20 / (79 * 1.5 + 20))
    assert (row["completion_token_count_p5"], row["completion_token_count_p95"]) == (11, 33)
    assert (row["finish_reason_n"], row["length_share"]) == (80, 0.5)
    assert row["cached_token_share"] == pytest.approx(39 * 50 / row["prompt_token_count_mean"] / 80)
    assert json.loads(row["requests_by_copy"])["http://b"] == {"requests": 40, "failures": 0}
    assert (row["events"], row["tokens_per_event"]) == pytest.approx((11, 2))
    assert row["latency_p95_client_error"] == pytest.approx(1e-4)  # the client was so late, and the end came with it
    assert (row["host_machine"], row["host_cores"], row["host_cores_others"]) == ("endpoint", 2, 0.9)
    assert row["resent_prompts"] == 7
    silences = [each["silence_max"] for each in rows_of(summary_frame(levels))]
    assert row["silence_max"] == max(silences) > min(silences)


def test_the_worst_verdict_counts_and_says_whose_it_is(repeats: list[LevelData]) -> None:
    row = pooled(
        repeats,
        rows={
            "verdict": ["valid", "degraded", "degraded"],
            "verdict_reasons": [None, "it drifted; few", "it drifted"],
            "verdict_remedy": [None, "load.requests: 72", "load.requests: 90"],
            "client_limited": [False, False, True],
        },
    )
    assert (row["verdict"], row["client_limited"]) == ("degraded", True)
    assert row["verdict_remedy"] == "load.requests: 90"
    assert row["verdict_reasons"].split("; ") == [
        "degraded is the worst of 3 repeats (1 valid, 2 degraded)",
        "repeat 2 and 3: it drifted",
        "repeat 2: few",
    ]


@pytest.mark.parametrize("remedies", [["load.requests: 72", None], ["load.requests: 72", "load.duration: 10"]])
def test_repeats_that_need_different_things_have_no_one_remedy(
    repeats: list[LevelData], remedies: list[str | None]
) -> None:
    row = pooled(
        repeats,
        rows={"verdict": ["valid", "degraded", "degraded"], "verdict_remedy": ["load.requests: 99", *remedies]},
    )
    assert row["verdict_remedy"] is None


@pytest.mark.parametrize(
    ("answers", "together"),
    [
        (["yes", "yes", "yes"], "yes"),
        (["yes", "unknown", "yes"], "unknown"),
        (["yes", "unknown", "no"], "no"),
        ([None, None, None], None),
        (["yes", None, "yes"], "unknown"),
    ],
)
def test_a_load_is_sustainable_only_if_it_was_each_time(
    repeats: list[LevelData], answers: list[str | None], together: str | None
) -> None:
    row = pooled(repeats, rows={"sustainable": answers})
    assert row["sustainable"] == together
    assert (row["transactions_per_minute_low"] is None) == (together == "no")


def test_what_differs_between_repeats_is_not_told_as_if_it_were_common(repeats: list[LevelData]) -> None:
    row = pooled(repeats, rows={"stop_reason": ["requests", "duration", "requests"]})
    assert row["stop_reason"] is None
    assert row["prompt_reuse"] == "never"
    assert row["window_start"] is not None  # the tests' levels all begin at the same moment
    assert row["window_end"] is None


def test_each_level_once_in_order(repeats: list[LevelData], steady: Maker, facts: Maker) -> None:
    other = (steady(100), facts(100, load="concurrency-2", concurrency=2))
    levels = [other, *repeats]
    summary = summary_frame(levels, PRICES)
    repeated = repeated_frame(levels, summary, PRICES)
    once = once_each(summary, repeated)
    assert list(once.columns) == list(repeated.columns) == [column.name for column in REPEATED_TABLE]
    assert [(row["load"], row["repeats"]) for row in rows_of(once)] == [("concurrency-2", 1), ("concurrency-1", 3)]
    assert len(summary) == 4
    assert [load_label(row) for row in rows_of(once)] == ["concurrency 2", "concurrency 1 (3 repeats)"]
    assert load_label(rows_of(summary)[2]) == "concurrency 1 (repeat 2)"


def test_without_repeats_there_is_no_such_row(steady: Maker, facts: Maker) -> None:
    summary = summary_frame([(steady(100), facts(100))], PRICES)
    repeated = repeated_frame([(steady(100), facts(100))], summary, PRICES)
    assert repeated.empty
    assert once_each(summary, repeated) is summary


def test_the_decision_is_by_the_row_of_all_repeats(repeats: list[LevelData], steady: Maker, facts: Maker) -> None:
    """One lucky repeat is the cheapest level of all; over its repeats the experiment is not."""
    other = (steady(100, latency=1.5), facts(150, experiment_name="other"))
    levels = [*repeats, other]
    summary = summary_frame(levels, PRICES)
    winner = decide(summary, Budgets()).winner
    assert winner is not None
    assert winner["experiment_name"] == "exp"
    decision = decide(once_each(summary, repeated_frame(levels, summary, PRICES)), Budgets())
    assert decision.winner is not None
    assert decision.winner["experiment_name"] == "other"
    assert len(decision.judgements) == 2
    assert "(3 repeats)" in decision.text


def test_requests_of_repeats_stand_under_their_load() -> None:
    frame = pd.DataFrame({"load": ["rate-2", "rate-2-repeat-2", "trace-repeat-3"], "latency": [1.0, 2.0, 3.0]})
    assert list(under_one_load(frame)["load"]) == ["rate-2", "rate-2", "trace"]
    assert under_one_load(frame.iloc[:0]).empty
