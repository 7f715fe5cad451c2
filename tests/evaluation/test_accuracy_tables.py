"""Answers with a planted truth: every table equals what is worked out by hand."""

from __future__ import annotations

import pytest

from fmbench_lib.evaluation.accuracy_tables import (
    accuracy_rows,
    agreement_rows,
    breakdown_rows,
    comparison_rows,
    judge_accuracy_rows,
    kind_rows,
    load_number,
    load_rows,
)
from fmbench_lib.evaluation.given_answers import Given, same_questions, truths_in
from fmbench_lib.evaluation.outcomes import Outcomes, Thresholds, outcomes_of

JUDGES = ("one", "two", "three")
C, I = "correct", "incorrect"  # noqa: E741


def row(subject: str, judge: str, label: str | None) -> dict[str, object]:
    return {"subject": subject, "judge": judge, "label": label}


def planted() -> tuple[list[Given], Outcomes]:
    """Ten questions, two models: `a` is right on 8, `b` on 4 of the same; one tie, one without verdicts."""
    said = {
        **{f"a{n}": (C, C, C) for n in range(7)},
        "a7": (C, C, I),
        "a8": (C, I, None),
        "a9": (I, I, I),
        **{f"b{n}": (C, C, C) for n in range(4)},
        **{f"b{n}": (I, I, C) for n in range(4, 9)},
        "b9": (None, None, None),
    }
    rows = [
        row(answer, judge, label)
        for answer, labels in said.items()
        for judge, label in zip(JUDGES, labels, strict=True)
    ]
    given = [Given(answer[0], "p.jsonl", "concurrency-1", f"q{answer[1]}", answer, "answer") for answer in said]
    return given, outcomes_of(rows, JUDGES, Thresholds(), {})


def test_accuracy_of_models_and_judges() -> None:
    given, outcomes = planted()
    a, b = accuracy_rows(given, outcomes, ["experiment_name"])
    assert (a["correct"], a["incorrect"], a["ties"], a["no_verdict"], a["accuracy"]) == (8, 1, 1, 0, 0.8)
    assert (b["correct"], b["incorrect"], b["ties"], b["no_verdict"], b["accuracy"]) == (4, 5, 0, 1, 0.4)
    assert (a["accuracy_low"], a["accuracy_high"]) == pytest.approx((0.49016, 0.94332), abs=5e-6)
    judged = {(one["judge"], one["experiment_name"]): one["accuracy"] for one in judge_accuracy_rows(given, outcomes)}
    assert judged["three", "b"] == 0.9
    assert judged["two", "a"] == 0.8


def test_votes_by_kind() -> None:
    given, outcomes = planted()
    kinds = {(one["experiment_name"], one["decided"]): one["questions"] for one in breakdown_rows(given, outcomes)}
    assert kinds == {
        ("a", "unanimous"): 8,
        ("a", "majority, 1 dissent"): 1,
        ("a", "tie, 1 without a verdict"): 1,
        ("b", "unanimous"): 4,
        ("b", "majority, 1 dissent"): 5,
        ("b", "no verdict"): 1,
    }


def test_models_are_compared_on_the_same_questions() -> None:
    given, outcomes = planted()
    (pair,) = comparison_rows(given, outcomes)
    assert (pair["questions"], pair["first_only"], pair["second_only"]) == (10, 4, 0)
    assert pair["p_value"] == pytest.approx(2 / 16)
    assert pair["p_value_holm"] == pytest.approx(2 / 16)
    # (1.95996 sqrt(0.4) + 0.84162 sqrt(0.4 - 0.16))^2 / 0.16 = 17.06, of which 10 were asked.
    assert pair["more_questions_to_settle"] == 8


def test_agreement_of_judges_and_of_people() -> None:
    _, outcomes = planted()
    rows = {
        (one["first"], one["second"], one["coefficient"]): one for one in agreement_rows(outcomes, {"a0": C, "a9": C})
    }
    pair = rows["one", "three", "Cohen's kappa"]
    # 18 answers with both: 11 correct twice, 1 incorrect twice, 1 correct/incorrect, 5 incorrect/correct.
    assert (pair["answers"], pair["agreement"]) == (18, pytest.approx(12 / 18))
    assert pair["value"] == pytest.approx((12 / 18 - 204 / 324) / (1 - 204 / 324))
    human = rows["panel", "human", "Cohen's kappa"]
    assert (human["answers"], human["agreement"]) == (2, 0.5)
    assert rows["two", "majority of the others", "Cohen's kappa"]["answers"] == 12
    assert rows["all judges", "", "Fleiss' kappa"]["value"] is not None


def test_an_empty_answer_is_incorrect_and_a_failed_request_is_none() -> None:
    given = [
        Given("a", "p", "concurrency-1", "q1", "x", "empty"),
        Given("a", "p", "concurrency-1", "q2", None, "failed"),
        Given("a", "p", "concurrency-1", "q3", "y", "answer"),
    ]
    outcomes = outcomes_of([row("y", "one", C)], ["one"], Thresholds(), {})
    (one,) = accuracy_rows(given, outcomes, ["experiment_name"])
    assert (one["questions"], one["correct"]) == (2, 1)
    assert kind_rows(given)[0] == {
        "experiment_name": "a", "answer": 1, "refusal": 0, "empty": 1, "truncated": 0, "failed": 1,
    }  # fmt: skip


def test_a_question_counts_once_however_many_levels_asked_it() -> None:
    given = [Given("a", "p", f"concurrency-{n}", "q1", "x", "answer") for n in (1, 2, 4)]
    outcomes = outcomes_of([row("x", "one", C)], ["one"], Thresholds(), {})
    assert accuracy_rows(given, outcomes, ["experiment_name"])[0]["questions"] == 1
    assert len(load_rows(given, outcomes)) == 3


def test_a_trend_over_loads() -> None:
    given, rows = [], []
    for load, right in ((1, 18), (2, 15), (4, 9)):
        for n in range(20):
            given.append(Given("a", "p", f"concurrency-{load}", f"q{load}-{n}", f"{load}-{n}", "answer"))
            rows.append(row(f"{load}-{n}", "one", C if n < right else I))
    found = load_rows(given, outcomes_of(rows, ["one"], Thresholds(), {}))
    assert [one["accuracy"] for one in found] == [0.9, 0.75, 0.45]
    assert found[0]["trend_z"] < 0
    assert found[0]["trend_p"] < 0.01


def test_verdicts_must_agree_with_the_similarity() -> None:
    thresholds = Thresholds(incorrect=0.4, correct=0.01)
    assert thresholds.applied(I, 0.39) == I
    assert thresholds.applied(I, 0.40) is None
    assert thresholds.applied(C, 0.02) == C
    assert thresholds.applied(C, 0.01) is None
    assert thresholds.applied(I, None) == I


def test_questions_are_drawn_from_each_payload_file_in_proportion() -> None:
    prompts = {"short": {f"s{n}" for n in range(60)}, "long": {f"l{n}" for n in range(40)}}
    drawn = same_questions({"a": prompts}, 10, seed=1)
    assert {name: len(ids) for name, ids in drawn["a"].items()} == {"short": 6, "long": 4}
    assert drawn != same_questions({"a": prompts}, 10, seed=2)
    assert same_questions({"a": prompts}, None, 1)["a"] == prompts


def test_all_experiments_get_the_same_questions_as_far_as_they_have_answered_the_same() -> None:
    both = {f"q{n}" for n in range(20)}
    chosen = same_questions({"a": {"p": both | {"a1", "a2"}}, "b": {"p": both}}, 5, seed=1)
    assert chosen["a"] == chosen["b"]
    assert len(chosen["a"]["p"]) == 5
    # Nine questions in all, seven of them of `p`: of six, five are of `p` and one is of `r`.
    apart = {"a": {"p": {"q1", "a1", "a2", "a3", "a4", "a5"}}, "b": {"p": {"q1", "b1"}, "r": {"c1", "c2"}}}
    chosen = same_questions(apart, 6, seed=1)
    assert "q1" in chosen["a"]["p"]
    assert (len(chosen["a"]["p"]), chosen["b"]["p"], len(chosen["b"]["r"])) == (5, {"q1", "b1"}, 1)


def test_acceptable_answers_in_a_cell() -> None:
    assert truths_in('["a", "b", "a"]') == ("a", "b")
    assert truths_in(["a", None, 3]) == ("a", "3")
    assert truths_in("[not JSON") == ("[not JSON",)
    assert truths_in("['it''s', \"Paris's\", None, 5]") == ("its", "Paris's", "5")  # as Python prints a list
    assert truths_in("[1] Paris [2]") == ("[1] Paris [2]",)
    assert truths_in("[__import__('os')]") == ("[__import__('os')]",)
    assert truths_in(float("nan")) == truths_in([None, " "]) == ()
    assert truths_in(None) == truths_in("  ") == ()
    assert [load_number(name) for name in ("concurrency-4", "rate-0.5-r2", "trace")] == [4, 0.5, 0]
