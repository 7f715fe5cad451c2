"""What scripts are given and return, as their codec reads it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from fmbench_lib.predictors.base import HttpResponse
from fmbench_lib.predictors.user_script import UserScriptPredictor

CODEC = UserScriptPredictor({"temperature": 0.1, "max_new_tokens": 100})


def response(body: bytes, status: int = 200) -> HttpResponse:
    return HttpResponse(status, (), body)


def returned(**fields: Any) -> bytes:
    return json.dumps(fields).encode()


def test_a_payload_holds_the_prompt_and_the_parameters() -> None:
    assert json.loads(CODEC.encode("hi").body) == {"inputs": "hi", "parameters": dict(CODEC.parameters)}
    limited = json.loads(CODEC.encode("hi", 7).body)["parameters"]
    assert limited == {"temperature": 0.1, "max_new_tokens": 7}
    assert json.loads(UserScriptPredictor().encode("hi", 7).body)["parameters"] == {"max_tokens": 7}


@pytest.mark.parametrize("response_json", [{"generated_text": "one two"}, [{"generated_text": "one two"}], "one two"])
def test_the_text_and_the_counts_of_a_response(response_json: Any) -> None:
    body = returned(response_json=response_json, prompt_tokens=3, completion_tokens=2)
    found = CODEC.decode(response(body))
    assert (found.text, found.prompt_tokens, found.completion_tokens) == ("one two", 3, 2)
    assert (found.error_class, found.streamed, found.every_event) == (None, False, False)
    assert [event.end_offset for event in found.events] == [len(body)]


def test_the_first_token_has_its_own_time_and_no_text() -> None:
    body = b" " + returned(response_json={"generated_text": "one two"}, prompt_tokens=None, completion_tokens=None)
    found = CODEC.decode(response(body))
    assert (found.streamed, found.text, found.completion_tokens) == (True, "one two", None)
    assert [event.end_offset for event in found.events] == [1, len(body)]


@pytest.mark.parametrize(
    ("body", "status", "error_class", "said"),
    [
        (returned(response_json=None), 200, "empty", "no generated_text"),
        (returned(response_json={"generated_text": ""}), 200, "empty", "no generated_text"),
        (b" " + returned(response_json={}), 200, "empty", "no generated_text"),
        (returned(response_json={"generated_text": [1]}), 200, "decode", "is not text"),
        (returned(response_json=[]), 200, "decode", "is not text"),
        (b"[]", 200, "decode", "expected an object"),
        (returned(error={"message": "ValueError: no"}), 200, "endpoint", "ValueError: no"),
        (returned(error={"message": "slow down"}), 429, "http_429", "slow down"),
        (returned(error={"message": "broken"}), 503, "http_5xx", "broken"),
    ],
)
def test_responses_that_are_not_a_success(body: bytes, status: int, error_class: str, said: str) -> None:
    found = CODEC.decode(response(body, status))
    assert found.error_class == error_class
    assert said in (found.error_message or "")
    assert found.events == ()
