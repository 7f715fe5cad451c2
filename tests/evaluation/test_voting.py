"""The vote of a panel."""

from __future__ import annotations

import pytest

from fmbench_lib.evaluation.voting import Vote, majority_of_others, tally, vote


@pytest.mark.parametrize(
    ("verdicts", "outcome", "kind"),
    [
        (["correct"] * 3, "correct", "unanimous"),
        (["correct", "incorrect", "correct"], "correct", "majority, 1 dissent"),
        (["incorrect", "incorrect", "incorrect", "correct", "correct"], "incorrect", "majority, 2 dissents"),
        (["correct", "incorrect"], "tie", "tie"),
        (["correct", "incorrect", None], "tie", "tie, 1 without a verdict"),
        (["correct", "correct", None], "correct", "unanimous, 1 without a verdict"),
        (["correct", None, None], "no_verdict", "no verdict"),
        (["correct", "correct", "incorrect", None], "no_verdict", "no verdict"),
        ([None, "no_verdict"], "no_verdict", "no verdict"),
        (["a", "b", "c"], "tie", "tie"),
        (["a", "a", "b", "c"], "tie", "tie"),
    ],
)
def test_a_majority_is_more_than_half_of_the_panel(verdicts: list[str | None], outcome: str, kind: str) -> None:
    found = vote(verdicts)
    assert (found.outcome, found.kind) == (outcome, kind)


def test_no_judges_give_no_verdict() -> None:
    assert vote([]) == Vote("no_verdict", 0, 0)


def test_ties_and_missing_verdicts_stay_in_the_denominator() -> None:
    counted = tally(["correct", "correct", "incorrect", "tie", "no_verdict"])
    assert (counted.count, counted.accuracy) == (5, 0.4)
    assert tally([]).accuracy is None
    with pytest.raises(ValueError, match="maybe"):
        tally(["maybe"])


def test_the_majority_of_the_other_judges() -> None:
    assert majority_of_others(["correct", "incorrect", "incorrect"], 0) == "incorrect"
    assert majority_of_others(["correct", "incorrect", "correct"], 0) is None
