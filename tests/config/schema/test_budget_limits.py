"""Limits by measure: which there are, what they may be, and that all spellings of one must agree."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from fmbench_lib.config import LoadedConfig
from fmbench_lib.config.budget_measures import BY_COLUMN, BY_NAME, MEASURES, NAME_OF
from fmbench_lib.metrics.columns import Column
from fmbench_lib.metrics.decision.budgets import Limit, is_quality, unit_of
from fmbench_lib.metrics.metric_groups import SUMMARY

Load = Callable[..., LoadedConfig]
Mistakes = Callable[..., dict[str, str]]
COLUMNS: dict[str, Column] = {column.name: column for column in SUMMARY}


def test_every_measure_is_a_column_of_a_level_in_the_same_unit() -> None:
    units = {"requests/s": ("requests/s", "1/s"), "requests/minute": ("1/min",), "joules": ("J",), "grams CO2": ("g",)}
    for measure in MEASURES:
        if not is_quality(measure.column):
            assert COLUMNS[measure.column].unit in units.get(measure.unit, (measure.unit,)), measure.name


def test_no_name_means_two_measures() -> None:
    assert len(NAME_OF) == sum(1 + len(measure.spellings) for measure in MEASURES)
    assert len(BY_COLUMN) == len(BY_NAME) == len(MEASURES)


def test_rates_shares_of_success_and_quality_are_floors_and_all_others_ceilings() -> None:
    floors = {measure.name for measure in MEASURES if Limit(measure.column, 1.0).at_least}
    assert floors == {
        *("slo_attainment", "slo_attainment_ttft", "slo_attainment_tpot", "slo_attainment_latency"),
        *("transactions_per_second", "transactions_per_minute", "goodput_rate"),
        *("prompt_token_throughput", "completion_token_throughput"),
        *("accuracy", "similarity", "ndcg"),
    }
    assert unit_of("TPOT_p90") == "time"
    assert unit_of("goodput") == "rate"
    assert unit_of("price_per_1m_tokens") == "cost"


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("0.5", "write measures with their limits"),
        ("{TFT_p95: 1}", "did you mean TTFT_p95?"),
        ("{ttft_p95: 1}", "did you mean TTFT_p95?"),
        ("{TTFT_p98: 1}", "did you mean TTFT_p90, TTFT_p95 or TTFT_p99?"),
        ("{latency_budge: 1}", "did you mean latency_budget?"),
        ("{price_per_10k_txn: 1}", "did you mean cost_per_10k_txn?"),
        ("{cost_per_1m_token: 1}", "did you mean cost_per_1m_tokens?"),
        ("{acuracy: 1}", "did you mean accuracy?"),
        ("{throughput: 1}", "did you mean request_throughput, prompt_token_throughput, input_token_throughput or"),
        (
            "{speed: 1}",
            "write latency, TTFT, TTFT_answer, TPOT or ITL with _mean, _p50, _p90, _p95 or _p99; or error_rate",
        ),
        ("{TTFT_p95: 0}", "for TTFT_p95; write a number above 0, in s"),
        ("{TTFT_p95: fast}", "for TTFT_p95; write a number above 0"),
        ("{TTFT_p95: yes}", "for TTFT_p95; write a number above 0"),
        ("{TTFT_p95: .nan}", "for TTFT_p95; write a number above 0"),
        ("{error_rate: 5}", "for error_rate; write a number from 0 to 1"),
        ("{accuracy: 80}", "for accuracy; write a number from 0 to 1"),
        ("{goodput: 12}", "for goodput; write a number from 0 to 1; for requests per second write goodput_rate"),
        ("{cost_per_10k_txn: -1}", "for cost_per_10k_txn; write a number above 0, in USD"),
        ("{output_token_throughput: 0}", "for output_token_throughput; write a number above 0, in tokens/s"),
        ("{TTLT_p95: 1, latency_p95: 2}", "has TTLT_p95 and latency_p95, which are one measure, with two limits"),
    ],
)
@pytest.mark.parametrize("place", ["report: {{budgets: {}}}", "budgets: {}"])
def test_a_mistake_says_what_to_write(mistakes: Mistakes, minimal: str, value: str, words: str, place: str) -> None:
    found = mistakes(minimal + place.format(value) + "\n")
    path = "report.budgets" if place.startswith("report") else "budgets"
    assert list(found) == [path]
    assert words in found[path]


def test_two_spellings_of_one_budget(load: Load, mistakes: Mistakes, minimal: str) -> None:
    report = load(
        minimal + "report: {budgets: {latency_p95: 2, TPOT_p50: 0.03}, cost_per_10k_txn_budget: 5}\n"
    ).config.report
    assert report.limits == {"latency_p95": 2.0, "error_rate": 0.0, "cost_per_10k_txn": 5.0, "TPOT_p50": 0.03}
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


def test_the_names_of_fmbench_2_are_spellings(load: Load, minimal: str) -> None:
    older = "{latency_budget: 2, cost_per_10k_txn_budget: 20, error_rate_budget: 0.1, accuracy_budget: 0.8}"
    limits = {"latency_p95": 2.0, "cost_per_10k_txn": 20.0, "error_rate": 0.1, "accuracy": 0.8}
    assert load(minimal + f"budgets: {older}\n").config.report.limits == limits
    assert load(minimal + f"report: {older}\n").config.report.limits == limits


def test_budgets_at_the_top_of_the_file_are_those_of_the_report(load: Load, mistakes: Mistakes, minimal: str) -> None:
    text = minimal + "budgets: {TTFT_p95: 0.5, TTLT_p90: 3, request_throughput: 4}\n"
    report = load(text + "report: {budgets: {TPOT_p50: 0.03}}\n").config.report
    assert report.budgets == {"TTFT_p95": 0.5, "latency_p90": 3.0, "transactions_per_second": 4.0, "TPOT_p50": 0.03}
    assert mistakes(text + "report: {budgets: {TTFT_p95: 0.6}}\n") == {
        "budgets.TTFT_p95": "is 0.5, but report.budgets.TTFT_p95 is 0.6; keep one of the two"
    }
    assert mistakes(minimal + "budgets: {latency_p95: 1}\nreport: {latency_budget: 2}\n") == {
        "budgets.latency_p95": "is 1.0, but report.latency_budget is 2.0; keep one of the two"
    }


@pytest.mark.parametrize("name", ["slo_attainment_ttft", "goodput", "goodput_rate"])
def test_attainment_needs_objectives(load: Load, mistakes: Mistakes, minimal: str, name: str) -> None:
    text = minimal + f"report: {{budgets: {{{name}: 0.9}}}}\n"
    assert "needs objectives" in mistakes(text)[f"report.budgets.{NAME_OF[name]}"]
    assert load(text + "slo: {ttft: 1}\n").config.report.limits[NAME_OF[name]] == 0.9


def test_a_budget_of_answers_that_nobody_judges_is_said(load: Load, minimal: str) -> None:
    notices = [str(notice) for notice in load(minimal + "budgets: {accuracy: 0.8}\n").notices]
    assert [notice for notice in notices if "not judged" in notice] == [
        "budgets.accuracy: is not judged: nobody evaluates the answers; write an `evaluation` section"
    ]


def test_a_misspelt_discount_is_no_instance_type(mistakes: Mistakes, minimal: str) -> None:
    assert mistakes(minimal + "pricing: {discont: 0.1, g5.xlarge: 1.0}\n") == {
        "pricing": "has the unknown key discont; did you mean discount?"
    }
