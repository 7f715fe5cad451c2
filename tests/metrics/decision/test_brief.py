"""The decision in two short sentences: the winner, and what would make it surer."""

from __future__ import annotations

from typing import Any

import pytest

from fmbench_lib.metrics.decision.brief import Brief, brief_of
from fmbench_lib.metrics.decision.budgets import Budgets
from fmbench_lib.metrics.decision.decision import decide
from fmbench_lib.metrics.decision.unknown_figures import how_to_know

BUDGETS = Budgets(latency_budget=2.0)


def brief(summary: Any, budgets: Budgets = BUDGETS) -> Brief:
    return brief_of(decide(summary, budgets).to_dict())


def test_the_winner_and_the_runner_up_are_told_with_what_decides(summary_of):
    told = brief(
        summary_of(
            {"experiment_name": "a", "concurrency": 4, "price_per_txn": 0.001},
            {"experiment_name": "b", "concurrency": 8, "price_per_txn": 0.0012, "price_per_10k_txn": 12.0},
            {"experiment_name": "b", "concurrency": 9, "latency_p95": 3.0, "latency_p95_low": 2.9},
        )
    )
    assert told.what == (
        "a on g5.xlarge at concurrency 4 is the cheapest of the 2 levels that meet every budget: 10.00 USD per 10,000 "
        "transactions."
    )
    assert told.runner_up == "b on g5.xlarge at concurrency 8: 12.00 USD per 10,000 transactions (20% more)"
    assert told.how_sure.startswith("Sure as far as one run can tell: its figures are valid, latency p95 1 s (95% CI")
    assert "`load.repeats: 3`" in told.how_sure
    assert told.tone == "good"


@pytest.mark.parametrize(
    ("ours", "theirs", "told"),
    [
        (
            {},
            {"completion_token_count_mean": 20.0},
            "Not sure: answers differ in length, so output tokens are compared",
        ),
        ({}, {"prompt_token_count_mean": 1000.0}, "Not sure: prompts differ in length, so tokens are compared"),
        (
            {"cached_token_count_mean": 94.0},
            {"cached_token_count_mean": 0.0},
            "Not sure: 94% of its prompt tokens came from the server's cache, 0% of those of b; send prompts",
        ),
    ],
)
def test_unequal_work_is_a_doubt(summary_of, ours, theirs, told):
    rows = {"experiment_name": "a"} | ours, {"experiment_name": "b", "price_per_txn": 0.1} | theirs
    found = brief(summary_of(*rows))
    assert found.how_sure.startswith(told)
    assert found.tone == "doubtful"


def test_without_another_experiment_there_is_no_runner_up(summary_of):
    told = brief(summary_of({"concurrency": 1}, {"concurrency": 2, "price_per_txn": 0.1}))
    assert told.runner_up == ""
    assert "the cheapest of 2 levels" in told.what


@pytest.mark.parametrize(
    ("winner", "told"),
    [
        (
            {
                "verdict": "degraded",
                "verdict_reasons": "30 successes are too few for a confidence interval of p95: measure at least 72",
                "verdict_remedy": "load.requests: 72",
            },
            "Not sure: 30 successes are too few for a confidence interval of p95; set `load.requests: 72` or more.",
        ),
        (
            {
                "verdict": "degraded",
                "verdict_reasons": "a window of 2 s is short beside its edges: measure for at least 10 s; more",
                "verdict_remedy": "load.duration: 10",
            },
            "Not sure: a window of 2 s is short beside its edges; set `load.duration: 10` or more.",
        ),
        (
            {"verdict": "degraded", "verdict_reasons": "repeat 1: it differs: measure at least 72"},
            "Not sure: repeat 1: it differs: measure at least 72.",
        ),
        (
            {"verdict": "degraded", "verdict_reasons": "something else used 1 of 2 cores: stop it and measure again"},
            "Not sure: something else used 1 of 2 cores: stop it and measure again.",
        ),
        (
            {"latency_p95": 1.9, "latency_p95_high": 2.2, "requested": 100},
            "Not sure: the interval of its latency p95 reaches over the budget; set `load.requests: 400`.",
        ),
        (
            {"latency_p95_low": None, "latency_p95_high": None, "latency_longer": 3.2, "window_s": 60.0},
            "Not sure: its latency p95 has no confidence interval; set `load.duration: 192`.",
        ),
        (
            {"price_per_txn": None, "price_kind": None},
            "Its cost is not known: give the price of its instance type or model in `pricing`.",
        ),
        ({"price_verified": False}, "Its price is not verified: look it up, and give it in `pricing`."),
    ],
)
def test_what_makes_it_doubtful_is_told_with_the_one_setting_that_helps(summary_of, winner, told):
    found = brief(summary_of(winner))
    assert (found.how_sure, found.tone) == (told, "doubtful")


def test_a_tie_is_not_a_winner(summary_of):
    told = brief(
        summary_of({"experiment_name": "a", "requested": 50}, {"experiment_name": "b", "price_per_txn": 0.00101})
    )
    assert told.what.startswith(
        "a on g5.xlarge at concurrency 1 and b on g5.xlarge at concurrency 1 tie as the cheapest"
    )
    assert told.how_sure == "Not sure: the difference is within the noise; set `load.requests: 200`."


def test_a_single_level_is_not_said_to_be_the_best_of_them(summary_of):
    assert brief(summary_of({})).what.startswith("exp on g5.xlarge at concurrency 1 is the only level measured: ")
    levels = summary_of({"concurrency": 4, "latency_p95": 2.5, "latency_p95_low": 2.4}, {"latency_p95": 3.0})
    assert brief(levels).what.startswith("No winner: none of 2 levels meets every budget; nearest comes exp on ")


def test_without_a_winner_the_nearest_is_told_and_what_to_change(summary_of):
    told = brief(summary_of({"concurrency": 4, "latency_p95": 2.5, "latency_p95_low": 2.4}))
    assert told.what.startswith(
        "No winner: the only level misses a budget: exp on g5.xlarge at concurrency 4, whose latency p95 of 2.5 s"
    )
    assert "concurrency_levels" in told.how_sure


def test_invalid_levels_are_not_decided_on(summary_of):
    told = brief(summary_of({"verdict": "invalid", "verdict_reasons": "the clock was set back: measure again"}))
    assert told.what == "No winner: no level can be trusted, of 1 measured."
    assert told.tone == "bad"
    assert told.how_sure.endswith("the clock was set back: measure again.")


def test_a_load_that_may_not_be_sustainable_needs_more_time(summary_of):
    row = {
        "concurrency": None,
        "request_rate": 2.0,
        "sustainable": "unknown",
        "sustainable_longer": 3.0,
        "window_s": 20.0,
    }
    told = brief(summary_of(row))
    assert "the window is too short" in told.what or "window is too short" in told.what
    assert told.how_sure == "To decide: set `load.duration: 60`."


def test_nothing_measured_is_one_sentence(summary_of):
    assert brief(summary_of({}).head(0)).sentences == ["Nothing can be decided: no level was measured."]


@pytest.mark.parametrize(
    ("level", "budgets", "told"),
    [
        (
            {"latency_p95": None, "imported_from": "FMBench 2.x: a.csv"},
            BUDGETS,
            "To decide: its files do not have latency p95: import some that do, or measure it with `fmbench run`.",
        ),
        ({"latency_p95": None, "successes": 0}, BUDGETS, "none of its requests succeeded"),
        ({"TTFT_p95": None}, Budgets(budgets={"TTFT_p95": 1.0}), "have them streamed"),
        (
            {"price_per_10k_txn": None, "price_per_txn": None, "price_kind": None},
            Budgets(cost_per_10k_txn_budget=1.0),
            "give its price in `pricing`",
        ),
        ({"energy_joules": None}, Budgets(budgets={"joules_per_txn": 1.0}), "its energy was not measured"),
        (
            {"energy_joules": 9.0, "joules_per_txn": 1.0},
            Budgets(budgets={"grams_co2_per_txn": 1.0}),
            "set `energy.grams_co2_per_kwh`",
        ),
        ({"transactions_per_minute": 5.0}, Budgets(budgets={"transactions_per_minute": 90.0}), "add a greater load"),
        ({"joules_per_txn": 9.0}, Budgets(budgets={"joules_per_txn": 1.0}), "uses its machine better"),
    ],
)
def test_the_advice_fits_the_budget_that_is_missed_or_not_known(
    summary_of: Any, level: dict[str, Any], budgets: Budgets, told: str
) -> None:
    found = brief(summary_of(level), budgets)
    assert told in found.how_sure
    unknown = "To decide" if told not in ("add a greater load", "uses its machine better") else "To find one"
    assert found.how_sure.startswith(unknown)
    assert "lower load" not in found.how_sure


def test_a_priced_level_without_a_success_needs_no_price() -> None:
    column, priced = "price_per_10k_txn", {"price_kind": "instance"}
    assert how_to_know(column, priced | {"successes": 0}) == "none of its requests succeeded: see its errors"
    assert "tokenizer" in how_to_know("price_per_1m_tokens", priced | {"successes": 3})
