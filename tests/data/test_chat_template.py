"""Chat templates: the text that a chat server would give the model, and one line where a template refuses."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from fmbench_lib.data.chat_template import ChatTemplate
from fmbench_lib.errors import TemplateError

LLAMA3 = (
    "{% set loop_messages = messages %}{% for message in loop_messages %}"
    "{% set content = '<|start_header_id|>' + message['role'] + '<|end_header_id|>\n\n'"
    "+ message['content'] | trim + '<|eot_id|>' %}"
    "{% if loop.index0 == 0 %}{% set content = bos_token + content %}{% endif %}{{ content }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}"
)
"""Llama 3's, as its tokenizer_config.json has it."""
TALK = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": " Why? "}]


def noon() -> datetime:
    return datetime(2026, 7, 4, 12)


def rendered(source: str, messages: list[dict[str, Any]] | None = None, **fields: Any) -> str:
    return ChatTemplate("m", source, **fields).render(TALK if messages is None else messages, noon)


def test_a_conversation_is_written_as_its_family_documents() -> None:
    expected = (
        "<|start_header_id|>system<|end_header_id|>\n\nBe brief.<|eot_id|>"
        "<|start_header_id|>user<|end_header_id|>\n\nWhy?<|eot_id|>"
        "<|start_header_id|>assistant<|end_header_id|>\n\n"
    )
    tokens = {"bos_token": "<|begin_of_text|>"}
    assert rendered(LLAMA3, special_tokens=tokens) == f"<|begin_of_text|>{expected}"
    # A server that puts the token before every text would make two of it.
    assert rendered(LLAMA3, special_tokens=tokens, server_begins_with="<|begin_of_text|>") == expected


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("{% if true %}\n  a\n  {% endif %}\nb", "  a\nb"),  # line breaks behind tags, spaces before them
        ("{{ {'b': '<é>', 'a': 1} | tojson }}", '{"b": "<é>", "a": 1}'),
        ("{{ [1] | tojson(indent=1) }}", "[\n 1\n]"),
        ("{{ strftime_now('%d %b %Y') }}", "04 Jul 2026"),
        ("{% for n in [1, 2, 3] %}{% if n == 2 %}{% continue %}{% endif %}{{ n }}{% endfor %}", "13"),
        ("{% generation %}a{{ eos_token }}{% endgeneration %}", "a"),  # a token that the model lacks is nothing
        ("{{ tools is none }} {{ documents is none }} {{ add_generation_prompt }}", "True True True"),
    ],
)
def test_templates_have_what_they_are_written_for(source: str, text: str) -> None:
    assert rendered(source) == text


def test_parts_of_text_are_one_text_and_arguments_of_calls_are_objects() -> None:
    parts = [{"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}]
    assert rendered("{{ messages[0].content }}", parts) == "a\nb"
    call = {"type": "function", "function": {"name": "f", "arguments": '{"x": 1}'}}
    calls = [{"role": "assistant", "content": None, "tool_calls": [call, {**call, "function": {"arguments": "no"}}]}]
    source = "{% for c in messages[0].tool_calls %}{{ c.function.arguments | tojson }} {% endfor %}"
    assert rendered(source, calls) == '{"x": 1} "no" '
    assert call["function"] == {"name": "f", "arguments": '{"x": 1}'}


def test_a_template_gets_tools_and_arguments_in_the_form_that_it_takes() -> None:
    phi = "{% if tools is defined %}{% for tool in tools %}{{ tool }}{% endfor %}{% endif %}a"
    assert rendered(phi) == "a"
    defined = "{{ tools is defined }}"
    assert (rendered(defined), rendered(defined, tools_defined=False)) == ("True", "False")
    call = {"function": {"name": "f", "arguments": '{"x": 1}'}}
    talk = [{"role": "assistant", "content": None, "tool_calls": [call]}]
    deepseek = "{% for c in messages[0].tool_calls %}{{ '!' + c.function.arguments }}{% endfor %}"
    assert rendered(deepseek, talk) == '!{"x": 1}'


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("{{ raise_exception('Conversation roles must alternate') }}", "Conversation roles must alternate"),
        ("{% for m in messages %}", "Unexpected end of template"),
        ("{{ messages[0].content + 1 }}", "can only concatenate str"),
        ("{{ nobody.content }}", "'nobody' is undefined"),
        ("{{ messages.append(1) }}", "of 'list' object is unsafe"),
        ("{{ ''.__class__.__mro__ }}", "is unsafe"),
    ],
)
def test_a_template_that_fails_is_one_line(source: str, words: str) -> None:
    with pytest.raises(TemplateError) as error:
        rendered(source)
    assert str(error.value).startswith("the chat template of m fails: ")
    assert words in str(error.value)
    assert "\n" not in str(error.value)
