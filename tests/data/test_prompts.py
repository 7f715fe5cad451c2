"""From rows to payload files: every prompt once, where its length and language say, in an order of its own."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fmbench_lib.config import Filter
from fmbench_lib.data.prompts import PayloadSet, generate_payloads, prompt_id
from fmbench_lib.data.sources.base import Source
from fmbench_lib.errors import DataError, TemplateError
from fmbench_lib.host.task_pool import ThisProcess

ROOT = Path(__file__).parents[2]


class CharacterTokenizer:
    """One token per character, so that lengths can be seen."""

    name = "characters"
    is_estimate = False

    def count(self, text: str) -> int:
        return len(text)

    def count_many(self, texts: Sequence[str]) -> list[int]:
        return [len(text) for text in texts]


def source(rows: Iterable[dict[str, Any]], origin: str = "rows") -> Source:
    kept = list(rows)
    return Source(origin, lambda: ((f"{origin}, line {number}", row) for number, row in enumerate(kept, 1)))


def between(least: int, most: int, language: str = "en", name: str | None = None) -> Filter:
    return Filter(
        language=language,
        min_length_in_tokens=least,
        max_length_in_tokens=most,
        payload_file=name or f"payload_{language}_{least}-{most}.jsonl",
    )


def payloads(rows: Iterable[dict[str, Any]] | list[Source], filters: list[Filter], **changes: Any) -> PayloadSet:
    sources = [row if isinstance(row, Source) else source([row]) for row in rows]
    settings: dict[str, Any] = {"template": "{input}", "template_keys": ["input"], "seed": 1, **changes}
    return generate_payloads(sources, filters=filters, tokenizer=CharacterTokenizer(), **settings)


def english(*texts: str) -> list[Source]:
    return [source({"input": text, "language": "en"} for text in texts)]


def texts_of(made: PayloadSet, payload_file: str) -> list[str]:
    return [row["prompt"] for row in made.files[payload_file]]


def test_the_lower_bound_is_included_and_the_upper_excluded() -> None:
    made = payloads(english("a", "bb", "ccc", "dddd"), [between(2, 4)])
    assert sorted(texts_of(made, "payload_en_2-4.jsonl")) == ["bb", "ccc"]


@given(st.lists(st.text("ab", min_size=1, max_size=12), min_size=1), st.lists(st.integers(1, 13), max_size=4))
def test_adjacent_filters_split_the_prompts(texts: list[str], cuts: list[int]) -> None:
    edges = sorted({1, 13, *cuts})
    filters = [between(least, most) for least, most in pairwise(edges)]
    there = {len(text) for text in texts}
    filters = [kept for kept in filters if there & set(range(kept.min_length_in_tokens, kept.max_length_in_tokens))]
    made = payloads(english(*texts), filters)
    assert sorted(prompt for kept in filters for prompt in texts_of(made, kept.payload_file)) == sorted(set(texts))


def test_a_duplicate_prompt_counts_for_the_first_source() -> None:
    first = source([{"input": "aa"}, {"input": "bb"}, {"input": "aa"}], "first")
    second = source([{"input": "bb"}, {"input": "cc"}], "second")
    made = payloads([first, second], [between(1, 9)])
    assert {row["prompt"]: row["source"] for row in made.files["payload_en_1-9.jsonl"]} == {
        "aa": "first",
        "bb": "first",
        "cc": "second",
    }
    assert [(tally["rows"], tally["duplicates"]) for tally in made.sources] == [(3, 1), (2, 1)]


def test_counts_describe_each_file() -> None:
    made = payloads(english("a", "bb", "ccc", "dddd"), [between(1, 3), between(3, 9)])
    assert made.counts == [
        {
            "payload_file": "payload_en_1-3.jsonl",
            "prompts": 2,
            "prompt_tokens_mean": 1.5,
            "prompt_tokens_min": 1,
            "prompt_tokens_max": 2,
        },
        {
            "payload_file": "payload_en_3-9.jsonl",
            "prompts": 2,
            "prompt_tokens_mean": 3.5,
            "prompt_tokens_min": 3,
            "prompt_tokens_max": 4,
        },
    ]
    assert made.tokenizer == "characters"
    json.dumps([made.counts, made.sources, made.files], allow_nan=False)


# -- order ------------------------------------------------------------------------------------------------------------

MANY = [f"{number:04d}" for number in range(200)]


def test_the_order_depends_only_on_prompts_and_seed() -> None:
    shuffled = random.Random(7).sample(MANY, len(MANY))
    name = "payload_en_4-5.jsonl"
    one = texts_of(payloads(english(*MANY), [between(4, 5)]), name)
    assert one == texts_of(payloads(english(*shuffled), [between(4, 5)]), name)
    assert one == texts_of(payloads([*english("x" * 9), *english(*MANY)], [between(9, 10), between(4, 5)]), name)
    assert one != texts_of(payloads(english(*MANY), [between(4, 5)], seed=2), name)
    assert one != sorted(one)


def test_prompt_ids_are_the_same_in_every_version() -> None:
    assert prompt_id("Hello") == "185f8db32271fe25"
    made = payloads(english(*MANY[:6]), [between(4, 5)])
    assert texts_of(made, "payload_en_4-5.jsonl") == ["0003", "0002", "0000", "0004", "0001", "0005"]


# -- language ---------------------------------------------------------------------------------------------------------


def test_languages_are_matched_where_rows_have_one() -> None:
    rows = [{"input": "hello", "language": "EN"}, {"input": "salut", "language": "fr"}]
    made = payloads(rows, [between(1, 9), between(1, 9, "fr")])
    assert texts_of(made, "payload_en_1-9.jsonl") == ["hello"]
    assert texts_of(made, "payload_fr_1-9.jsonl") == ["salut"]
    assert made.notices == ()


def test_rows_without_a_language_match_any_with_a_notice() -> None:
    made = payloads([source([{"input": "hello"}], "plain.jsonl")], [between(1, 9), between(1, 9, "fr")])
    assert texts_of(made, "payload_en_1-9.jsonl") == texts_of(made, "payload_fr_1-9.jsonl") == ["hello"]
    assert made.files["payload_fr_1-9.jsonl"][0]["language"] == ""
    assert made.notices == ("plain.jsonl: rows without a language match filters of any language",)


def test_filters_with_the_same_file_fill_it_together() -> None:
    made = payloads(
        english("a", "bb", "ccc"), [between(1, 2, name="p"), between(1, 2, name="p"), between(3, 4, name="p")]
    )
    assert sorted(texts_of(made, "p")) == ["a", "ccc"]


# -- columns ----------------------------------------------------------------------------------------------------------


def test_question_and_ground_truth_are_kept() -> None:
    row = {"input": "q?", "context": "c", "answers": ["a", "b"], "n": 3}
    made = payloads(
        [row],
        [between(1, 9)],
        template="{context}: {input}",
        template_keys=None,
        question_column="input",
        ground_truth_column="answers",
    )
    assert made.files["payload_en_1-9.jsonl"] == [
        {
            "prompt_id": prompt_id("c: q?"),
            "prompt": "c: q?",
            "prompt_tokens": 5,
            "language": "",
            "source": "rows",
            "question": "q?",
            "ground_truth": ["a", "b"],
        }
    ]


@pytest.mark.parametrize(
    "changes",
    [
        {"template_keys": ["input", "contxt"]},
        {"template": "{input} {contxt}", "template_keys": None},
        {"question_column": "contxt"},
        {"ground_truth_column": "contxt"},
    ],
)
def test_a_missing_column_is_named_with_the_existing_ones(changes: dict[str, Any]) -> None:
    rows = [{"input": "a", "context": "b", "answers": []}]
    with pytest.raises(DataError, match=r"^rows, line 1: no column contxt.*input, context, answers; .* context\?$"):
        payloads(rows, [between(1, 9)], **changes)


def test_a_column_that_one_row_lacks_is_named_with_the_row() -> None:
    with pytest.raises(DataError, match=r"^s, line 2: no column input"):
        payloads([source([{"input": "a"}, {"other": "b"}], "s")], [between(1, 9)])


def test_a_key_that_the_template_does_not_use_gives_a_notice() -> None:
    made = payloads([{"input": "a", "context": "b"}], [between(1, 9)], template_keys=["input", "context"])
    assert made.notices[-1].startswith("the prompt template has no {context}")
    with pytest.raises(TemplateError, match="all prompts would be the same"):
        payloads([{"input": "a"}], [between(1, 9)], template="hello")


# -- what isn't there -------------------------------------------------------------------------------------------------


def test_a_filter_without_matches_lists_the_lengths_of_the_prompts() -> None:
    rows = [{"input": "x" * length, "language": "en"} for length in (1, 2, 3, 4, 5)] + [
        {"input": "é", "language": "fr"}
    ]
    with pytest.raises(DataError) as caught:
        payloads(rows, [between(1, 9), between(100, 200)])
    assert str(caught.value) == (
        "datasets.filters, payload_en_100-200.jsonl: no prompt of language en has 100 <= tokens < 200; the data has "
        "5 prompts of language en with 1 to 5 tokens (quartiles 2, 3, 4); "
        "1 prompt of language fr with 1 token"
    )


def test_a_filter_without_matches_that_nobody_uses_is_a_notice() -> None:
    filters = [between(1, 9), between(100, 200)]
    made = payloads(english("aa"), filters, wanted_files={"payload_en_1-9.jsonl"})
    assert list(made.files) == ["payload_en_1-9.jsonl"]
    assert made.notices == (
        "datasets.filters, payload_en_100-200.jsonl: no prompt of language en has 100 <= tokens < 200; the data has "
        "1 prompt of language en with 2 tokens; no experiment uses it",
    )
    with pytest.raises(DataError, match="100 <= tokens"):
        payloads(english("aa"), filters, wanted_files={"payload_en_100-200.jsonl"})


def test_sources_without_rows_are_an_error() -> None:
    with pytest.raises(DataError, match="the data has no prompt at all"):
        payloads([source([])], [between(1, 9)])


def test_more_prompts_than_a_batch_are_all_counted() -> None:
    made = payloads(english(*(f"{number}" for number in range(1000))), [between(1, 9)])
    assert made.counts[0]["prompts"] == 1000
    assert all(row["prompt_tokens"] == len(row["prompt"]) for row in made.files["payload_en_1-9.jsonl"])


def test_a_conversation_is_carried_as_messages_and_counted_by_its_contents() -> None:
    messages = [{"role": "system", "content": "ab"}, {"role": "user", "content": "cde"}]
    made = payloads([source([{"messages": messages}])], [between(1, 99)], template="{messages}", template_keys=None)
    (row,) = made.files["payload_en_1-99.jsonl"]
    assert row["messages"] == messages
    assert row["prompt"] == "system: ab\n\nuser: cde"
    assert row["prompt_tokens"] == len("ab\ncde")


def test_a_conversation_of_one_message_of_the_user_is_a_prompt_like_any_other() -> None:
    turns = [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello."}]
    made = payloads(
        [source([{"conversations": turns}])], [between(1, 9)], template="{conversations}", template_keys=None
    )
    (row,) = made.files["payload_en_1-9.jsonl"]
    assert (row["prompt"], row["prompt_id"], "messages" in row) == ("Hi", prompt_id("Hi"), False)


def test_conversations_that_differ_in_their_roles_alone_are_two_prompts() -> None:
    rows = [
        {"messages": [{"role": role, "content": "a"}, {"role": "user", "content": "b"}]}
        for role in ("system", "developer")
    ]
    made = payloads([source(rows)], [between(1, 9)], template="{messages}", template_keys=None)
    assert made.counts[0]["prompts"] == 2


def test_a_conversation_of_another_shape_is_named_with_its_place() -> None:
    with pytest.raises(DataError, match=r"^rows, line 1, column messages: message 1 has the role 'x'; there are "):
        payloads([source([{"messages": [{"role": "x"}]}])], [between(1, 9)], template="{messages}", template_keys=None)


def test_rows_without_a_prompt_are_left_out_and_counted() -> None:
    rows: list[dict[str, Any]] = [{"input": None}, {"input": "  "}, {"input": "a"}]
    made = payloads([source(rows)], [between(0, 9)])
    assert texts_of(made, "payload_en_0-9.jsonl") == ["a"]
    assert "rows: 2 of 3 rows have no prompt and are left out" in made.notices
    talks = [{"conversations": []}, {"conversations": [{"from": "human", "value": "Q"}]}]
    made = payloads([source(talks)], [between(0, 9)], template="{conversations}", template_keys=None)
    assert texts_of(made, "payload_en_0-9.jsonl") == ["Q"]
    assert "rows: 1 of 2 rows have no prompt and are left out" in made.notices


class Ahead(ThisProcess):
    """A pool that takes tasks before it gives results, as one of several processes does."""

    def map(self, compute: Any, tasks: Any) -> Any:
        waiting: list[Any] = []
        for task in tasks:
            waiting.append(task)
            if len(waiting) > 2:
                yield compute(waiting.pop(0))
        yield from map(compute, waiting)


def test_prompts_are_the_same_whatever_pool_counts_them() -> None:
    texts = ["x" * (1 + number % 40) + str(number) for number in range(1500)]
    filters = [between(1, 20), between(20, 100)]
    here = payloads(english(*texts), filters)
    there = payloads(english(*texts), filters, pool=Ahead())
    assert (there.files, there.counts, there.sources) == (here.files, here.counts, here.sources)
    assert sum(len(rows) for rows in there.files.values()) == 1500
