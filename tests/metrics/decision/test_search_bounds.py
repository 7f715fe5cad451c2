"""That decision and searches agree: a level that a search does not allow is never chosen, and the reason is said."""

from __future__ import annotations

import json
from typing import Any

import pytest

from fmbench_lib.metrics.decision.brief import brief_of
from fmbench_lib.metrics.decision.budgets import Budgets, Limit
from fmbench_lib.metrics.decision.decision import Decision, decide
from fmbench_lib.metrics.decision.recommend import recommendations
from fmbench_lib.metrics.decision.search_bounds import EXCESS, OBJECTION, SearchBound, with_search_bounds

BUDGETS = Budgets(latency_budget=2.0)
PAYLOAD = "payload_en_1-500.jsonl"
TTFT = (Limit("TTFT_p95", 0.5),)


def bound(found: float | None, missed: float | None, least: float = 1.0, **other: Any) -> SearchBound:
    made = {"experiment_name": "exp", "payload_file": PAYLOAD, "column": "concurrency", "limits": TTFT}
    return SearchBound(**{**made, "found": found, "missed": missed, "least": least, **other})  # type: ignore[arg-type]


def level(load: float, ttft: float | None = 0.4, price: float | None = None, **other: Any) -> dict[str, Any]:
    """A level that is the cheaper the higher its load."""
    cost = 1e-3 / load if price is None else price / 1e4
    return {"concurrency": load, "TTFT_p95": ttft, "price_per_txn": cost, **other}


def decided(summary: Any, *bounds: SearchBound, budgets: Budgets = BUDGETS) -> Decision:
    found = decide(with_search_bounds(summary, bounds), budgets)
    json.dumps(found.to_dict(), allow_nan=False)
    return found


def test_where_the_search_shows_no_load_no_level_of_it_wins(summary_of):
    rows = summary_of(level(1, 0.6), level(2, 0.9), level(4, 2.0))
    assert decide(rows, BUDGETS).winner["concurrency"] == 4
    found = decided(rows, bound(None, 1.0))
    assert (found.winner, found.passed) == (None, ())
    assert found.nearest["concurrency"] == 1
    assert found.text == (
        f"No level of {PAYLOAD} meets every budget and is one that its search allows (latency p95 ≤ 2 s; 3 judged): "
        "nearest comes exp on g5.xlarge at concurrency 1, whose search shows no load that meets TTFT p95 ≤ 0.5 s, and "
        "here TTFT p95 of ≈ 0.6 s (no confidence interval) is 0.1 s (20%) over."
    )
    assert [one["search_objection"] is None for one in found.to_dict()["failed"]] == [False] * 3


def test_the_brief_says_what_to_change_of_the_search(summary_of):
    brief = brief_of(decided(summary_of(level(1, 0.6)), bound(None, 1.0)).to_dict())
    assert brief.what.startswith("No winner: the only level cannot be chosen: exp on g5.xlarge")
    assert "whose search shows no load that meets TTFT p95 ≤ 0.5 s" in brief.what
    assert brief.how_sure.startswith("To find one: raise the limits of `load.subject_to`")
    assert brief.tone == "bad"


def test_a_level_that_met_by_chance_does_not_win_either(summary_of):
    found = decided(summary_of(level(1, 0.6), level(2, 0.4)), bound(None, 1.0))
    assert found.winner is None
    assert "whose search shows no load that meets TTFT p95 ≤ 0.5 s." in found.text


def test_above_the_load_found_nothing_wins_and_the_cheapest_there_is_named(summary_of):
    rows = summary_of(level(4), level(5), level(6), level(16))
    found = decided(rows, bound(5, 8))
    assert found.winner["concurrency"] == 5
    assert [one.row["concurrency"] for one in found.passed] == [4, 5]
    assert "is the cheapest of 2 levels that meet every budget and are ones that their search allows" in found.text
    assert (
        "exp on g5.xlarge at concurrency 16 would have been the cheapest, with 0.62 USD per 10,000 transactions, but "
        "its search shows no load above 5 in flight that meets TTFT p95 ≤ 0.5 s" in found.text
    )


def test_what_the_search_did_not_reach_is_judged_by_its_own_figures(summary_of):
    open_end = bound(5, None)
    assert decided(summary_of(level(5), level(16, 0.45)), open_end).winner["concurrency"] == 16
    assert decided(summary_of(level(5), level(16, 0.55)), open_end).winner["concurrency"] == 5
    below = bound(None, 4.0, least=4.0)
    assert decided(summary_of(level(1, 0.3), level(4, 0.9)), below).winner["concurrency"] == 1
    assert decided(summary_of(level(1, None), level(4, 0.9)), below).winner is None


def test_another_kind_of_load_is_judged_by_its_own_figures(summary_of):
    def rate(value: float, ttft: float) -> dict[str, Any]:
        return {**level(value, ttft), "concurrency": None, "request_rate": value}

    rows = summary_of(level(1, 0.9), rate(2, 0.4), rate(8, 0.6))
    found = decided(rows, bound(None, 1.0))
    assert found.winner["request_rate"] == 2
    assert (
        "at 8 requests/s would have been the cheapest, with 1.25 USD per 10,000 transactions, but its TTFT p95 of "
        "≈ 0.6 s (no confidence interval) is 0.1 s (20%) over: its search asks for TTFT p95 ≤ 0.5 s" in found.text
    )


@pytest.mark.parametrize(("load", "wins"), [(5, True), (3, False)])
def test_the_load_found_is_the_answer_whatever_one_level_says(summary_of, load, wins):
    found = decided(summary_of(level(load, 0.52)), bound(5, 6))
    assert (found.winner is not None) is wins


def test_one_experiment_found_a_load_and_the_other_none(summary_of):
    rows = summary_of(
        level(1, 0.3, 9.0), level(2, 0.4, 5.0), *(level(load, 0.8, 1.0, experiment_name="cheap") for load in (1, 2))
    )
    found = decided(rows, bound(2, 3), bound(None, 1.0, experiment_name="cheap"))
    assert (found.winner["experiment_name"], found.winner["concurrency"]) == ("exp", 2)
    assert found.runner_up is None
    assert "cheap on g5.xlarge at concurrency 1 would have been the cheapest, with 1.00 USD" in found.text
    assert "but its search shows no load that meets TTFT p95 ≤ 0.5 s" in found.text


def test_another_payload_file_and_experiment_are_not_touched(summary_of):
    rows = summary_of(level(1, 0.9), level(1, 0.9, experiment_name="other"), level(1, 0.9, payload_file="long"))
    marked = with_search_bounds(rows, [bound(None, 1.0)])
    assert [text is None for text in marked[OBJECTION]] == [False, True, True]
    assert marked[EXCESS].tolist()[0] == pytest.approx(0.8)
    assert with_search_bounds(rows, []) is rows


def test_a_budget_that_is_missed_is_said_first(summary_of):
    rows = summary_of(level(1, 0.6, latency_p95=3.0), level(2, 0.7, latency_p95=5.0))
    found = decided(rows, bound(None, 1.0))
    assert found.nearest["concurrency"] == 1
    assert "is 1 s (50%) over, and whose search shows no load" in found.text


def test_a_level_that_the_search_allows_comes_nearest(summary_of):
    rows = summary_of(level(1, 0.3, latency_p95=9.0), level(2, 0.4))
    found = decided(rows, bound(1, 2))
    assert found.nearest["concurrency"] == 1
    assert found.text.endswith("(350%) over.")


def test_limits_from_below_and_shares_are_said_in_their_units(summary_of):
    limits = (Limit("goodput", 2.0), Limit("slo_attainment", 0.9), Limit("error_rate", 0.0))
    row = level(1, goodput=1.5, slo_attainment=0.8, error_rate=0.1)
    found = decided(summary_of(row), bound(None, 1.0, limits=limits), budgets=Budgets())
    assert found.text.endswith(
        "whose search shows no load that meets goodput ≥ 2 requests/s and 90% of requests within their objectives and "
        "error rate ≤ 0%, and here goodput of 1.5 requests/s is 0.5 requests/s short and SLO attainment of 80% "
        "is 10 percentage points short and error rate of 10% is 10 percentage points over."
    )


def test_recommendations_follow_the_search(summary_of):
    rows = summary_of(level(1, 0.6, transactions_per_minute=60.0), level(2, 0.9, transactions_per_minute=90.0))
    made = recommendations(with_search_bounds(rows, [bound(None, 1.0)]), BUDGETS)
    assert made["within_budgets"].tolist() == [False]
    assert "whose search shows no load that meets TTFT p95 ≤ 0.5 s" in made["recommendation"][0]
    made = recommendations(with_search_bounds(rows, [bound(1, 2)]), BUDGETS)
    assert made["recommendation"][0].startswith("Concurrency 1 of exp gets the most done")
