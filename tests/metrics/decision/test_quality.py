"""Budgets of the answers' quality: they change the winner, and a few questions say nothing."""

from __future__ import annotations

import pandas as pd
import pytest

from fmbench_lib.metrics.decision.brief import brief_of
from fmbench_lib.metrics.decision.budgets import Budgets
from fmbench_lib.metrics.decision.decision import decide
from fmbench_lib.metrics.statistics.proportions import wilson


def level(name: str, price: float, correct: int, questions: int) -> dict[str, object]:
    low, high = wilson(correct, questions) or (None, None)
    return {
        "experiment_name": name,
        "payload_file": "p.jsonl",
        "instance_type": "cpu",
        "concurrency": 1,
        "verdict": "valid",
        "price_per_txn": price,
        "price_per_10k_txn": 1e4 * price,
        "transactions_per_minute": 60.0,
        "latency_p95": 1.0,
        "accuracy": correct / questions,
        "accuracy_n": questions,
        "accuracy_low": low,
        "accuracy_high": high,
    }


def test_an_accuracy_budget_changes_the_winner_and_says_why() -> None:
    levels = pd.DataFrame([level("cheap", 0.001, 50, 100), level("good", 0.002, 95, 100)])
    assert decide(levels, Budgets()).winner["experiment_name"] == "cheap"  # type: ignore[index]
    decision = decide(levels, Budgets(quality={"accuracy": 0.8}))
    assert decision.winner is not None
    assert decision.winner["experiment_name"] == "good"
    assert "accuracy of 95% (n = 100, 95% CI 88.8% to 97.8%) surely meets the budget of 80%" in decision.text
    assert "cheap on cpu at concurrency 1 costs less, but its accuracy of 50%" in decision.text
    assert "surely misses the budget of 80%" in decision.text


def test_a_budget_that_is_probably_met_is_said_to_be_that() -> None:
    decision = decide(pd.DataFrame([level("one", 0.001, 85, 100)]), Budgets(quality={"accuracy": 0.8}))
    assert "probably meets the budget of 80%" in decision.text


def test_too_few_questions_say_nothing() -> None:
    decision = decide(pd.DataFrame([level("one", 0.001, 2, 3)]), Budgets(quality={"accuracy": 0.6}))
    assert decision.winner is None
    assert "says nothing about the budget of 60%: too few questions" in decision.text


@pytest.mark.parametrize(
    ("correct", "without", "missed"),
    [
        (10, 0, "surely misses the budget of 80%"),
        (10, 10, "surely misses the budget of 80%"),  # 20 of 40, if all ten were right
        (10, 22, "says nothing about the budget of 80%: 22 of the answers got no verdict"),  # 32 of 40
        (0, 40, "says nothing about the budget of 80%: 40 of the answers got no verdict"),
        (32, 8, "says nothing about the budget of 80%: too few questions"),
    ],
)
def test_answers_without_a_verdict_are_not_known_to_be_wrong(correct: int, without: int, missed: str) -> None:
    levels = pd.DataFrame([level("one", 0.001, correct, 40) | {"accuracy_no_verdict": without}])
    decision = decide(levels, Budgets(quality={"accuracy": 0.8}))
    assert decision.winner is None
    assert missed in decision.text


def test_what_to_do_about_missing_verdicts_concerns_the_judges() -> None:
    levels = pd.DataFrame([level("one", 0.001, 0, 40) | {"accuracy_no_verdict": 40}])
    said = brief_of(decide(levels, Budgets(quality={"accuracy": 0.8})).to_dict())
    assert said.how_sure.startswith("To decide: see why judges gave no verdict")


def test_an_accuracy_that_is_not_known_meets_no_budget() -> None:
    unjudged = {**level("one", 0.001, 1, 1), "accuracy": None}
    decision = decide(pd.DataFrame([unjudged]), Budgets(quality={"accuracy": 0.6}))
    assert decision.winner is None
    assert "accuracy is unknown: its answers were not judged" in decision.text


def test_a_budget_of_nothing_is_met_by_any_accuracy() -> None:
    decision = decide(pd.DataFrame([level("one", 0.001, 0, 100)]), Budgets(quality={"accuracy": 0.0}))
    assert decision.winner is not None


def test_each_criterion_has_its_budget_and_its_word() -> None:
    scores = {"criterion_clarity": 4.0, "criterion_clarity_n": 30, "criterion_clarity_low": 3.8}
    row = level("one", 0.001, 90, 100) | scores | {"criterion_clarity_high": 4.2}
    words = {
        3.5: "surely meets",
        3.9: "probably meets",
        4.0: "says nothing",
        4.1: "probably misses",
        4.5: "surely misses",
    }
    for budget, word in words.items():
        told = decide(pd.DataFrame([row]), Budgets(quality={"criterion_clarity": budget})).text
        assert word in told, (budget, told)


@pytest.mark.parametrize(
    ("correct", "questions", "advice"),
    [
        (2, 3, "To decide: judge more answers (`evaluation.questions`)."),
        (10, 100, "To find one: try another model, or"),
    ],
)
def test_what_to_change_where_quality_alone_is_missed(correct: int, questions: int, advice: str) -> None:
    decision = decide(pd.DataFrame([level("one", 0.001, correct, questions)]), Budgets(quality={"accuracy": 0.6}))
    assert brief_of(decision.to_dict()).how_sure.startswith(advice)
