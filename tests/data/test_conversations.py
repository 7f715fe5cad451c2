"""Conversations: what of them is sent, as which text they are counted, and what is said of other shapes."""

from __future__ import annotations

import json
from typing import Any

import pytest

from fmbench_lib.data.conversations import as_text, contents_of, is_conversation, messages_of_cell

PNG = "data:image/png;base64,iVBORw0KGgo="


def said(*pairs: tuple[str, str]) -> list[dict[str, Any]]:
    return [{"role": role, "content": content} for role, content in pairs]


def test_messages_are_sent_whole_up_to_the_last_that_is_not_the_assistants() -> None:
    asked = said(("system", "Be brief."), ("user", "Hi"), ("assistant", "Hello."), ("user", "Why?"))
    assert messages_of_cell([*asked, *said(("assistant", "Because."))]) == asked
    assert messages_of_cell(json.dumps(asked)) == asked  # a table's cell


def test_of_sharegpt_the_first_turn_of_the_user_is_sent_with_the_system_message() -> None:
    turns = [{"from": "system", "value": "S"}, {"from": "human", "value": "Q"}, {"from": "gpt", "value": "A"}]
    assert messages_of_cell(turns) == said(("system", "S"), ("user", "Q"))
    assert messages_of_cell([*turns[1:], {"from": "human", "value": "Q2"}]) == said(("user", "Q"))


def test_a_table_fills_in_what_a_row_lacks_and_that_is_not_sent() -> None:
    assert messages_of_cell([{"role": "user", "content": "Q", "name": None}]) == said(("user", "Q"))


def test_parts_of_text_and_images_stay_as_they_are() -> None:
    parts = [
        {"type": "text", "text": "What is it?"},
        {"type": "image_url", "image_url": {"url": PNG, "detail": "low"}},
    ]
    (message,) = messages_of_cell([{"role": "user", "content": parts}])
    assert message["content"] == parts
    assert as_text([message]) == f"What is it?\n{PNG}"


def test_a_single_users_text_is_its_content_and_others_have_their_roles() -> None:
    assert as_text(said(("user", "Q"))) == "Q"
    several = said(("system", "S"), ("user", "Q"))
    assert as_text(several) == "system: S\n\nuser: Q"
    assert contents_of(several) == "S\nQ"


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("Hi", "'Hi' instead of a list of messages"),
        (["Hi"], "message 1 is 'Hi' instead of an object with role and content"),
        ([{"role": "robot", "content": "x"}], "message 1 has the role 'robot'; there are system,"),
        ([{"role": "user"}], "message 1 has no content"),
        ([{"role": "user", "content": 7}], "message 1 has '7' as content; write text or a list of parts"),
        ([{"role": "user", "content": [{"type": "sound"}]}], "message 1, part 1 is"),
        (
            [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "http://x/a.png"}}]}],
            "message 1, part 1 has the image 'http://x/a.png'; write a data URI",
        ),
        ([{"from": "alien", "value": "x"}], "turn 1 is from 'alien'; there are human,"),
        ([{"from": "human", "value": None}], "turn 1 has nothing as value; write text"),
    ],
)
def test_another_shape_is_named(value: Any, words: str) -> None:
    with pytest.raises(ValueError, match=r".") as error:
        messages_of_cell(value)
    assert words in str(error.value)


@pytest.mark.parametrize(
    "value",
    [None, [], said(("assistant", "x")), said(("system", "x")), [{"from": "gpt", "value": "x"}]],
)
def test_where_nobody_asks_there_are_no_messages(value: Any) -> None:
    assert messages_of_cell(value) == []


def test_what_looks_like_a_conversation() -> None:
    assert is_conversation('[{"from": "human", "value": "x"}]')
    assert not is_conversation("[a list] of words")
    assert not is_conversation([{"text": "x"}])
