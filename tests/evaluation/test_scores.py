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


@pytest.mark.parametrize(
    ("answer", "truth", "name", "score"),
    [
        ("北京。", "北京", "exact_match", 1.0),
        ("北京是中国的首都", "首都", "contains", 1.0),
        ("北京是首都", "北京", "token_f1", 2 * 2 / (5 + 2)),  # a word for each character
        ("北京是首都", "北京", "rouge_l", 2 * 2 / (5 + 2)),
        ("Это случилось в 1961 году", "Гагарин полетел в 1961 году", "rouge_l", 3 / 5),
        ("Это случилось в 1961 году", "Гагарин полетел в 1961 году", "token_f1", 3 / 5),
        ("กรุงเทพ", "กรุงเทพ", "rouge_l", 1.0),
        ("Cafe\u0301", "café", "exact_match", 1.0),  # one letter in two forms
        ("“Paris” — of course", "Paris of course", "exact_match", 1.0),
        ("!", "+", "exact_match", 0.0),
        ("+", "+ ", "exact_match", 1.0),
        ("!", "+", "token_f1", 0.0),
    ],
)
def test_texts_of_other_scripts_are_compared_word_by_word(answer: str, truth: str, name: str, score: float) -> None:
    assert text_scores(answer, [truth])[name] == pytest.approx(score)


def test_rouge_of_ascii_is_the_library_s() -> None:
    from rouge_score.rouge_scorer import RougeScorer

    texts = ("The cat_sat on 2 mats, it's well-known.", "A cat was on the mats; it is known well")
    expected = RougeScorer(["rougeL"]).score(texts[1], texts[0])["rougeL"].fmeasure
    assert text_scores(texts[0], [texts[1]])["rouge_l"] == pytest.approx(expected)


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("1,000.50 and $3, 50%, 1e3, −5", [1000.5, 3, 50, 1000, -5]),
        ("-$3, $-4, − €5, £1,234,567.89", [-3, -4, -5, 1234567.89]),
        ("1,2 or 2,3,4 or 12,34", [1, 2, 2, 3, 4, 12, 34]),  # commas that group no three digits
        (".5 and -.25 and 3. And 1_000", [0.5, -0.25, 3, 1000]),
        ("3-5, 10:30, 2e-3, 1e400", [3, 5, 10, 30, 0.002]),
    ],
)
def test_numbers_as_people_write_them(text: str, numbers: list[float]) -> None:
    assert numbers_in(text) == pytest.approx(numbers)


@pytest.mark.parametrize("reference", ["#/nowhere", "#/$defs/a/0", "#/allOf/1"])
def test_a_schema_that_refers_to_nothing_in_it_is_told(reference: str) -> None:
    schema = {"$ref": reference, "$defs": {"a": {}}, "allOf": [{}]}
    assert schema_problem(schema) == f"refers to {reference}, which is not in it; write what it stands for"


def test_references_within_a_schema_are_followed() -> None:
    schema = {"$ref": "#/$defs/a~1b/anyOf/0", "$defs": {"a/b": {"anyOf": [{"type": "array"}]}}}
    assert schema_problem(schema) is None
    assert matches_schema("[]", schema)
    assert matches_schema("{}", schema) is False


@pytest.mark.parametrize("schema", [{"$dynamicRef": "#x"}, {"$ref": "#"}])
def test_a_schema_that_cannot_be_applied_says_nothing(schema: dict[str, str]) -> None:
    assert matches_schema("{}", schema) is None
    assert matches_schema("no JSON", schema) is False


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
