"""Limits by measure: which there are, what they may be, and that both spellings of one must agree."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from fmbench_lib.config import LoadedConfig
from fmbench_lib.config.schema.budget_limits import AT_LEAST, BUDGETS, COST, SHARES, TIMES
from fmbench_lib.metrics.decision.budgets import Limit, unit_of
from fmbench_lib.metrics.metric_groups import SUMMARY_COLUMNS

Load = Callable[..., LoadedConfig]
Mistakes = Callable[..., dict[str, str]]


def test_every_measure_is_a_column_that_the_decision_judges_alike() -> None:
    assert set(BUDGETS) - {COST} <= set(SUMMARY_COLUMNS)
    assert {name: unit_of(name) for name in TIMES} == dict.fromkeys(TIMES, "time")
    assert {name: unit_of(name) for name in SHARES} == dict.fromkeys(SHARES, "share")
    assert [name for name in BUDGETS if Limit(name, 1.0).at_least] == list(AT_LEAST)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("0.5", "write measures with their limits"),
        ("{TFT_p95: 1}", "did you mean TTFT_p95?"),
        ("{ttft_p95: 1}", "did you mean TTFT_p95?"),
        ("{price_per_10k_txn: 1}", "did you mean cost_per_10k_txn?"),
        ("{throughput: 1}", "write latency_mean"),
        ("{TTFT_p95: 0}", "for TTFT_p95; write a number above 0"),
        ("{TTFT_p95: fast}", "for TTFT_p95; write a number above 0"),
        ("{error_rate: 5}", "for error_rate; write a number from 0 to 1"),
        ("{cost_per_10k_txn: -1}", "for cost_per_10k_txn; write a number above 0"),
    ],
)
def test_a_mistake_says_what_to_write(mistakes: Mistakes, minimal: str, value: str, words: str) -> None:
    found = mistakes(minimal + f"report: {{budgets: {value}}}\n")
    assert list(found) == ["report.budgets"]
    assert words in found["report.budgets"]


def test_two_spellings_of_one_budget(load: Load, mistakes: Mistakes, minimal: str) -> None:
    report = load(
        minimal + "report: {budgets: {latency_p95: 2, TPOT_p50: 0.03}, cost_per_10k_txn_budget: 5}\n"
    ).config.report
    assert report.limits == {"latency_p95": 2.0, "error_rate": 0.0, COST: 5.0, "TPOT_p50": 0.03}
    assert load(minimal + "report: {budgets: {error_rate: 0.1}}\n").config.report.limits == {"error_rate": 0.1}
    same = minimal + "report: {latency_budget: 2, budgets: {latency_p95: 2}}\n"
    assert load(same).config.report.limits["latency_p95"] == 2
    found = mistakes(
        minimal + "report: {latency_budget: 3, error_rate_budget: 0, budgets: {latency_p95: 2, error_rate: 0.1}}\n"
    )
    assert found == {
        "report.budgets.latency_p95": "is 2.0, but report.latency_budget is 3.0; keep one of the two",
        "report.budgets.error_rate": "is 0.1, but report.error_rate_budget is 0.0; keep one of the two",
    }


def test_attainment_needs_objectives(load: Load, mistakes: Mistakes, minimal: str) -> None:
    text = minimal + "report: {budgets: {slo_attainment_ttft: 0.9}}\n"
    assert "needs objectives" in mistakes(text)["report.budgets.slo_attainment_ttft"]
    assert load(text + "slo: {ttft: 1}\n").config.report.limits["slo_attainment_ttft"] == 0.9
