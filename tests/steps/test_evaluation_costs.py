"""What judging cost: what is not known is missing, and never nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from fmbench_lib.config.redactor import Redactor
from fmbench_lib.evaluation.asking.judge import Judge, told_apart
from fmbench_lib.evaluation.asking.panel import Panel
from fmbench_lib.evaluation.asking.spending import Ceiling, spent_on
from fmbench_lib.evaluation.asking.verdict_store import VerdictRow, VerdictStore, store_of
from fmbench_lib.predictors.openai import OpenAiPredictor
from fmbench_lib.steps.judging.evaluation_tables import cost_rows

URL = "http://judge/v1"


def request(key: str, error: str | None, cost: float | None, cost_at_most: float | None) -> VerdictRow:
    answered = error is None
    return {
        "key": key * 32, "judge": "one", "form": "correctness", "subject": key,
        "label": "correct" if answered else None, "scores": "", "explanation": "", "error": error,
        "error_message": None, "attempts": 1, "request_id": key,
        "prompt_tokens": 10 if answered else None, "completion_tokens": 2 if answered else None,
        "tokens_estimated": False, "seconds": 1.0, "cost": cost, "cost_at_most": cost_at_most,
        "retry_after": None,
    }  # fmt: skip


def panel_with(folder: Path, *requests: VerdictRow) -> Panel:
    judge = Judge("one", (URL,), OpenAiPredictor(URL, "m", {}, stream=False))
    VerdictStore(store_of(folder, told_apart([judge])[0].id)).append("1", requests)
    panel = Panel([judge], folder, Ceiling(None), Redactor())
    panel.open()
    return panel


@pytest.mark.parametrize(
    ("error", "cost_at_most", "lost", "spent"),
    [
        (None, None, 0.0, 0.5),
        ("http_429", 0.0, 0.0, 0.5),
        ("http_429", None, 0.0, 0.5),  # as rows were kept that say nothing of what costs nothing
        ("cancelled", 0.25, 0.25, 0.75),
        ("cancelled", None, None, None),
        ("timeout", None, None, None),
    ],
)
def test_what_a_lost_judgement_may_have_cost(
    tmp_path: Path, error: str | None, cost_at_most: float | None, lost: float | None, spent: float | None
) -> None:
    answered = request("a", None, 0.5, None)
    panel = panel_with(tmp_path, answered, *([request("b", error, None, cost_at_most)] if error else []))
    (row,) = cost_rows(panel)
    assert row["unanswered_cost_at_most"] == lost
    assert row["cost"] == 0.5
    assert panel.spent == spent
    assert panel.ceiling.spent == (0.5 if spent is None else spent)


def test_one_answer_of_unknown_price_makes_the_cost_unknown(tmp_path: Path) -> None:
    panel = panel_with(tmp_path, request("a", None, 0.5, None), request("b", None, None, None))
    (row,) = cost_rows(panel)
    assert (row["cost"], row["unanswered_cost_at_most"], row["prompt_tokens"]) == (None, 0.0, 20)
    assert panel.spent is None


def test_what_a_request_cost() -> None:
    assert spent_on(None, 0.5, None) == 0.5
    assert spent_on("cancelled", None, 0.7) == 0.7
    assert spent_on("connect", None, 0.7) == 0.0


def test_judgements_whose_tokens_are_estimates_are_counted(tmp_path: Path) -> None:
    guessed = request("b", None, 0.5, None) | {"tokens_estimated": True}
    panel = panel_with(tmp_path, request("a", None, 0.5, None), guessed)  # type: ignore[arg-type]
    (row,) = cost_rows(panel)
    assert (row["judgements"], row["tokens_estimated"]) == (2, 1)
