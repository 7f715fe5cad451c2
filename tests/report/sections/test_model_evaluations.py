"""The section on evaluations: every table of a run that was evaluated is shown, and what is missing is said."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pandas as pd
import pytest

from fmbench_lib.report import evaluation_files as files
from fmbench_lib.report.sections import embedding_levels, model_evaluations

TALLY = {"questions": 20, "correct": 15, "incorrect": 3, "ties": 1, "no_verdict": 1, "accuracy": 0.75}
ENDS = {"accuracy_low": 0.53, "accuracy_high": 0.89}


def tables(**more: list[dict[str, Any]]) -> dict[str, pd.DataFrame]:
    found = {
        files.PER_PAYLOAD: [{"experiment_name": "m", "payload_file": "p.jsonl", **TALLY, **ENDS}],
        files.PER_JUDGE: [{"judge": name, "experiment_name": "m", **TALLY, **ENDS} for name in ("j1", "j|2")],
        files.BREAKDOWN: [{"experiment_name": "m", "decided": "majority, 1 dissent", "questions": 4}],
        files.RUBRIC: [
            {"experiment_name": "m", "criterion": "clarity", "questions": 9, "mean": 4.2, "mean_low": 3.9,
             "mean_high": 4.5}
        ],
        files.PREFERENCES: [
            {"first": "m", "second": "n", "questions": 9, "first_preferred": 6, "second_preferred": 1, "ties": 2,
             "no_verdict": 0, "p_value_holm": 0.125}
        ],
        files.COSTS: [
            {"judge": "j1", "judgements": 20, "no_verdict": 1, "failed": 0, "retries": 2, "left_out": 0,
             "prompt_tokens": 12000, "completion_tokens": 900, "cost": 0.5},
            {"judge": "j|2", "judgements": 20, "no_verdict": 0, "failed": 1, "retries": 0, "left_out": 0,
             "prompt_tokens": 11000, "completion_tokens": 800, "cost": 0.25},
        ],
    }  # fmt: skip
    return {name: pd.DataFrame(rows) for name, rows in (found | more).items() if rows}


@pytest.fixture
def inputs(quickstart: Any) -> Any:
    return replace(quickstart, evaluation=tables())


def text_of(inputs: Any) -> str:
    return "\n\n".join(model_evaluations.section(inputs))


def test_votes_judges_scores_and_preferences_have_their_tables(inputs: Any) -> None:
    text = text_of(inputs)
    assert "| m | p.jsonl | 75% | 53% to 89% | 20 | 15 | 3 | 1 | 1 |" in text
    assert "| m | majority, 1 dissent | 4 |" in text
    assert r"| j\|2 | m | 75% | 53% to 89% | 20 | 1 |" in text
    assert "| m | clarity | 4.20 | 3.90 to 4.50 | 9 |" in text
    assert "| m | n | 9 | 6 | 1 | 2 | 0 | 0.125 |" in text


def test_costs_are_given_for_each_judge_and_in_all(inputs: Any) -> None:
    text = text_of(inputs)
    assert "| j1 | 20 | 1 | 0 | 2 | 0 | 12,000 | 900 | 0.50 |" in text
    assert "| all | 40 | 1 | 1 | 2 | 0 | 23,000 | 1,700 | 0.75 |" in text


def test_what_embeddings_took_is_no_judge_s(quickstart: Any) -> None:
    row = {
        "judge": "embeddings", "texts_embedded": 240, "failed": 1, "retries": 0, "prompt_tokens": 12345, "cost": 0.25,
        "unanswered_cost_at_most": 0.0,
    }  # fmt: skip
    costs = pd.concat([tables()[files.COSTS].assign(unanswered_cost_at_most=0.0), pd.DataFrame([row])])
    text = text_of(replace(quickstart, evaluation=tables() | {files.COSTS: costs}))
    assert "| all | 40 | 1 | 1 | 2 | 0 | 23,000 | 1,700 | 0.75 |" in text
    assert "Embeddings of 240 texts: 12,345 tokens, 0.25 USD; 1 text could not be embedded." in text
    unknown = costs.assign(prompt_tokens=None, cost=None)
    text = text_of(replace(quickstart, evaluation=tables() | {files.COSTS: unknown}))
    assert "Embeddings of 240 texts: tokens that its server did not count, cost unknown; 1 text" in text


def test_tokens_that_are_estimates_are_said_to_be(quickstart: Any) -> None:
    costs = tables()[files.COSTS].assign(tokens_estimated=[0, 20])
    text = text_of(replace(quickstart, evaluation=tables() | {files.COSTS: costs}))
    assert r"Servers did not count the tokens of these judgements, which are estimates: 20 of j\|2." in text
    assert "estimates" not in text_of(replace(quickstart, evaluation=tables()))


def test_one_unknown_cost_makes_the_sum_unknown(quickstart: Any) -> None:
    costs = tables()[files.COSTS].assign(cost=[0.5, None])
    text = text_of(replace(quickstart, evaluation=tables() | {files.COSTS: costs}))
    assert "| all | 40 | 1 | 1 | 2 | 0 | 23,000 | 1,700 | – |" in text


def test_one_unknown_cost_of_lost_judgements_makes_the_sum_unknown(quickstart: Any) -> None:
    costs = tables()[files.COSTS].assign(unanswered_cost_at_most=[0.25, None])
    text = text_of(replace(quickstart, evaluation=tables() | {files.COSTS: costs}))
    assert "| j1 | 20 | 1 | 0 | 2 | 0 | 12,000 | 900 | 0.50 | 0.25 |" in text
    assert r"| j\|2 | 20 | 0 | 1 | 0 | 0 | 11,000 | 800 | 0.25 | – |" in text
    assert "| all | 40 | 1 | 1 | 2 | 0 | 23,000 | 1,700 | 0.75 | – |" in text


def test_a_picture_that_is_not_drawn_is_not_linked_but_explained(inputs: Any) -> None:
    text = text_of(inputs)
    assert "accuracy_by_model.png" in text
    assert "accuracy_vs_prompt_length.png" not in text
    assert "Accuracy is not drawn against the length of prompts" in text
    assert "quality_vs_cost.png" not in text
    assert "Quality is not drawn against cost and latency" in text
    assert "judge_agreement.png" not in text


def test_the_page_of_disagreements_is_linked_where_there_is_one(inputs: Any) -> None:
    assert "disagreements.html" not in text_of(inputs)
    assert "[disagreements.html](disagreements.html)" in text_of(replace(inputs, disagreements="disagreements.html"))


def test_the_tables_that_the_report_shows_are_those_that_are_read() -> None:
    assert set(tables()) < set(files.REPORTED)


def embedding(**more: Any) -> dict[str, Any]:
    row = {
        "experiment_name": "e", "payload_file": "payload_x8.jsonl", "load": "concurrency-4", "concurrency": 4,
        "request_rate": None, "texts_per_request": 8.0, "texts_per_second": 554.0, "tokens_per_second": 11_627.0,
        "latency_p50": 0.056, "latency_p95": 0.061, "latency_p95_low": None, "latency_p95_high": None,
        "price_per_1m_tokens": 0.024, "price_per_1m_texts": 0.5, "verdict": "valid",
    }  # fmt: skip
    return row | more


def test_embedding_levels_name_the_cheapest_and_no_first_token(quickstart: Any) -> None:
    retrieval = {"experiment_name": "e", "payload_file": "q.jsonl", "queries": 40, "without_relevant": 2}
    scores = {"ndcg_10": 0.9, "ndcg_10_low": 0.85, "ndcg_10_high": 0.95}
    dear = embedding(payload_file="payload_x1.jsonl", texts_per_request=1.0, price_per_1m_tokens=0.3)
    spoilt = embedding(load="concurrency-8", concurrency=8, price_per_1m_tokens=0.001, verdict="invalid")
    texts = pd.DataFrame([dear, embedding(), spoilt])
    inputs = replace(quickstart, texts=texts, retrieval=pd.DataFrame([retrieval | scores]))
    text = "\n\n".join(embedding_levels.section(inputs))
    assert "A million tokens cost least at e, concurrency 4, 8 texts per request: 0.024 USD" in text
    assert "no time to first token" in text
    assert "TTFT" not in text
    assert "| e | x8 | concurrency 4 | 8 | 554 | 11,627 | ≈ 56.0 ms | ≈ 61.0 ms | 0.024 | 0.50 |" in text
    assert "| e | q | 0.900 | 0.850 to 0.950 | 40 | 2 |" in text
    assert embedding_levels.section(quickstart) == []
