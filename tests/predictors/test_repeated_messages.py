"""What is not parsed again must come to the same as if it were."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fmbench_lib.predictors.answer import Answer
from fmbench_lib.predictors.base import Completion, HttpResponse
from fmbench_lib.predictors.openai import OpenAiPredictor, take_openai
from fmbench_lib.predictors.repeated_messages import Repeats

CODEC = OpenAiPredictor("http://localhost/v1/chat/completions", "m")
HEADERS = (("content-type", "text/event-stream"),)


def message(content: str, **more: Any) -> dict[str, Any]:
    choice = {"index": 0, "delta": {"content": content}, "finish_reason": None} | more.pop("choice", {})
    return {"id": "chat-1", "object": "chat.completion.chunk", "created": 1, "choices": [choice]} | more


def stream(messages: list[bytes]) -> HttpResponse:
    return HttpResponse(200, HEADERS, b"".join(b"data: %b\n\n" % one for one in [*messages, b"[DONE]"]))


def parsed(messages: list[bytes]) -> Completion:
    """The same with every message parsed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Repeats, "following", lambda _self, _data, _end_offset, _answer: [])
        return CODEC.decode(stream(messages))


TEXTS = st.text(st.sampled_from('ab ,"\\\u0007\n\u00e9\u4f60\U0001f600{}[]:')) | st.just('","finish_reason":"stop')
MESSAGES = st.builds(
    message,
    TEXTS,
    created=st.integers(1, 2),
    id=st.sampled_from(["chat-1", "chat-2"]),
    choice=st.sampled_from(
        [{}, {}, {}, {"finish_reason": "length"}, {"delta": {"reasoning_content": "hm", "content": "b"}}, {"text": "x"}]
    ),
    usage=st.sampled_from([None, None, None, {"prompt_tokens": 3, "completion_tokens": 4}]),
)


@given(
    st.lists(
        st.tuples(MESSAGES, st.sampled_from([(",", ":"), (", ", ": ")]), st.booleans()).map(
            lambda one: json.dumps(one[0], separators=one[1], ensure_ascii=one[2]).encode()
        ),
        max_size=12,
    )
)
def test_a_stream_comes_to_the_same(messages: list[bytes]) -> None:
    assert CODEC.decode(stream(messages)) == parsed(messages)


@pytest.mark.parametrize("line_end", [b"\n\n", b"\r\n\r\n", b"\n", b"\n: still here\n\n", b"  \n\n"])
@pytest.mark.parametrize("every", [3, 2000])
def test_long_streams_come_to_the_same_however_they_are_framed(line_end: bytes, every: int) -> None:
    texts = ['say "no"\n' if number % every == every - 1 else f"word {number}" for number in range(3000)]
    lines = [b"data: %b%b" % (json.dumps(message(text)).encode(), line_end) for text in texts]
    response = HttpResponse(200, HEADERS, b"".join(lines) + b"data: [DONE]\n\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Repeats, "following", lambda _self, _data, _end_offset, _answer: [])
        expected = CODEC.decode(response)
    assert CODEC.decode(response) == expected
    assert [event.text for event in expected.events] == texts


@pytest.mark.parametrize("piece", [b"\xff", b"\xed\xa0\x80", b'x","content":"y', b"x\\u0041", b"x\ty", b""])
def test_pieces_that_are_not_plain_text_are_parsed(piece: bytes) -> None:
    template = json.dumps(message("~"), separators=(",", ":")).encode()
    messages = [template, template.replace(b"~", b"one"), template.replace(b"~", piece)]
    assert CODEC.decode(stream(messages)) == parsed(messages)


def test_only_the_first_of_alike_messages_is_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    loads, seen = json.loads, []
    monkeypatch.setattr(json, "loads", lambda data: seen.append(data) or loads(data))
    messages = [json.dumps(message(f"word {n}")).encode() for n in range(50)]
    completion = CODEC.decode(stream(messages))
    assert [event.text for event in completion.events] == [f"word {n}" for n in range(50)]
    assert len(seen) == 2  # and the probe


def test_a_stream_whose_messages_all_differ_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    loads, seen = json.loads, []
    monkeypatch.setattr(json, "loads", lambda data: seen.append(data) or loads(data))
    CODEC.decode(stream([json.dumps(message("x", nonce=n)).encode() for n in range(50)]))
    assert len(seen) == 50 + 4


@pytest.mark.parametrize(
    "example",
    [
        {"content": "not it", "choices": [{"delta": {"content": 'with "quotes"'}}]},
        {"choices": [{"delta": {"content": "x"}, "finish_reason": "stop"}]},
        {"choices": [{"delta": {"content": "x"}}], "usage": {"completion_tokens": 1}},
        {"choices": [{"delta": {"content": "x"}}, {"delta": {"content": "y"}}]},
    ],
)
def test_a_message_with_more_than_content_is_not_a_pattern(example: dict[str, Any]) -> None:
    data = json.dumps(example).encode()
    line = b"data: %b\n\n" % data
    assert Repeats(3 * line, take_openai).following(data, len(line) - 1, Answer(streamed=True)) == []
