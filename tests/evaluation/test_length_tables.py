"""Accuracy against the length of prompts: bins, trend and correction, worked out by hand."""

from __future__ import annotations

import pytest

from fmbench_lib.evaluation.given_answers import Given
from fmbench_lib.evaluation.length_tables import bin_edges, length_rows
from fmbench_lib.evaluation.outcomes import Outcomes, Thresholds, outcomes_of


def answered(right: dict[str, list[bool]]) -> tuple[list[Given], Outcomes]:
    """The answers of each model to the questions in order of length, with one judge's verdicts."""
    given, rows = [], []
    for model, found in right.items():
        for number, correct in enumerate(found):
            answer = f"{model}{number}"
            given.append(Given(model, "p.jsonl", "concurrency-1", f"q{number}", answer, "answer"))
            rows.append({"subject": answer, "judge": "j", "label": "correct" if correct else "incorrect"})
    return given, outcomes_of(rows, ["j"], Thresholds(), {})


def tokens(_payload: str, prompt: str) -> int:
    return 10 * (int(prompt[1:]) + 1)


def test_bins_have_equally_many_questions_and_the_trend_is_over_single_ones() -> None:
    given, outcomes = answered({"falls": [True] * 6 + [False] * 6, "level": [True, False] * 6})
    rows = length_rows(given, outcomes, tokens)
    assert [(row["experiment_name"], row["questions"], row["correct"]) for row in rows] == [
        ("falls", 6, 6), ("falls", 6, 0), ("level", 6, 3), ("level", 6, 3),
    ]  # fmt: skip
    assert (rows[0]["prompt_tokens_low"], rows[0]["prompt_tokens_high"], rows[0]["prompt_tokens_mean"]) == (10, 60, 35)
    # Cochran-Armitage over 12 scores 10 to 120: the score's sum of deviations is -180, its variance 0.25 * 14,300.
    assert rows[0]["trend_z"] == pytest.approx(-180 / (0.25 * 14_300) ** 0.5)
    assert rows[0]["trend_p_holm"] == pytest.approx(2 * rows[0]["trend_p"])
    assert rows[2]["trend_p"] > 0.5


def test_too_few_questions_or_one_length_give_no_rows() -> None:
    given, outcomes = answered({"m": [True] * 11})
    assert length_rows(given, outcomes, tokens) == []
    given, outcomes = answered({"m": [True] * 30})
    assert length_rows(given, outcomes, lambda _payload, _prompt: 7) == []
    assert length_rows(given, outcomes, lambda _payload, _prompt: None) == []


def test_equal_lengths_are_in_one_bin() -> None:
    assert bin_edges([5] * 10 + [9] * 2) == [5]
    assert bin_edges([5] * 6 + [9] * 6) == [5, 9]
    assert len(bin_edges(list(range(100)))) == 5
