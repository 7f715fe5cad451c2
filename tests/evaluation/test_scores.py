"""Scores without a judge, against values worked out by hand."""

from __future__ import annotations

import json

import pytest

from fmbench_lib.evaluation.scores.answer_kinds import kind_of
from fmbench_lib.evaluation.scores.similarity import cosine, vector_of
from fmbench_lib.evaluation.scores.structured_output import (
    matches_schema,
    numbers_in,
    numeric_match,
    parsed_json,
    schema_problem,
)
from fmbench_lib.evaluation.scores.text_scores import text_scores


def test_the_same_text_scores_one_everywhere() -> None:
    assert text_scores("The Eiffel Tower.", ["eiffel tower", "The Eiffel Tower."]) == pytest.approx(
        dict.fromkeys(text_scores("", []), 1.0)
    )


def test_scores_of_a_partial_answer() -> None:
    scores = text_scores("It is Paris, in France", ["Paris"])
    assert (scores["exact_match"], scores["contains"]) == (0.0, 1.0)
    assert scores["token_f1"] == pytest.approx(2 * 1 / (5 + 1))
    assert scores["rouge_l"] == pytest.approx(2 * 1 / (5 + 1))
    assert scores["token_set_ratio"] == pytest.approx(1.0)
    assert scores["levenshtein_ratio"] == pytest.approx(1 - 17 / 22)


def test_chrf_of_texts_without_a_common_character_is_zero() -> None:
    assert text_scores("aaa", ["bbb"])["chrf"] == 0.0


def test_the_best_of_several_truths_counts_and_no_truth_gives_no_score() -> None:
    assert text_scores("rome", ["paris", "rome"])["exact_match"] == 1.0
    assert set(text_scores("rome", []).values()) == {None}


def test_contains_compares_whole_words() -> None:
    assert text_scores("a catalogue", ["cat"])["contains"] == 0.0
    assert text_scores("anything", [""])["contains"] == 0.0


@pytest.mark.parametrize(
    ("text", "valid"),
    [
        ('{"a": 1}', True),
        ('```json\n{"a": 1}\n```', True),
        ('Here: {"a": 1}', False),
        ("NaN", False),
        ("[" * 9999, False),
    ],
)
def test_json_is_the_whole_answer_or_none(text: str, valid: bool) -> None:
    assert parsed_json(text)[0] is valid


def test_json_against_a_schema() -> None:
    schema = {"type": "object", "required": ["a"], "properties": {"a": {"type": "integer"}}}
    assert matches_schema('{"a": 1}', schema)
    assert not matches_schema('{"a": "1"}', schema)
    assert not matches_schema("no", schema)


@pytest.mark.parametrize(
    ("schema", "problem"),
    [
        ({"type": "object"}, None),
        ({"$ref": "#/$defs/a", "$defs": {"a": {"type": "integer"}}}, None),
        ({"type": "foo"}, "not a JSON Schema: at type: 'foo' is not valid"),
        ({"properties": {"a": {"minimum": "x"}}}, "at properties/a/minimum"),
        ({"allOf": [{"$ref": "http://elsewhere/x"}]}, "refers to http://elsewhere/x; write all of it in this file"),
    ],
)
def test_a_schema_that_answers_cannot_be_held_against_is_told(schema: dict[str, object], problem: str | None) -> None:
    found = schema_problem(schema)
    assert problem is found is None or (found is not None and problem is not None and problem in found)


@pytest.mark.parametrize(
    ("answer", "truths", "match"),
    [
        ("so 3 + 4 = 1,234.50", ["1234.5"], True),
        ("7 of 9", ["7"], False),
        ("none", ["7"], False),
        ("42", ["forty-two"], None),
        ("between 3 and 4", ["3 to 4"], None),
        ("-5%", ["−5"], True),
    ],
)
def test_the_last_number_is_the_answer(answer: str, truths: list[str], match: bool | None) -> None:
    assert numeric_match(answer, truths) is match


def test_numbers_within_words_are_none() -> None:
    assert numbers_in("GPT4 v1.2 costs 3e2") == [300.0]


@pytest.mark.parametrize(
    ("text", "finish", "error", "kind"),
    [
        ("x", "stop", "timeout", "failed"),
        (" \n", "stop", None, "empty"),
        ("I cannot", "length", None, "truncated"),
        ("I'm sorry, but I can't help with that.", "stop", None, "refusal"),
        ("As an AI language model, I have no view.", "stop", None, "refusal"),
        ("I can help: a refusal says I cannot.", "stop", None, "answer"),
    ],
)
def test_kinds_of_answers(text: str, finish: str, error: str | None, kind: str) -> None:
    assert kind_of(text, finish, error) == kind


def test_cosine_similarity() -> None:
    assert cosine([1, 0], [1, 1]) == pytest.approx(2**-0.5)
    assert cosine([0, 0], [1, 1]) is None
    assert cosine([1], [1, 1]) is None


@pytest.mark.parametrize(
    "body", [{"data": [{"embedding": [1, 2]}]}, {"embeddings": [[1, 2]]}, [[1, 2]], {"embedding": [1, 2]}]
)
def test_vectors_of_embedding_endpoints(body: object) -> None:
    assert vector_of(json.dumps(body).encode()) == [1.0, 2.0]
    assert vector_of(b"no") is None
    assert vector_of(b"[]") is None
