"""The OpenAI codec on what servers really send, and on what none should."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fmbench_lib.errors import ERROR_CLASSES
from fmbench_lib.predictors.base import Completion, HttpResponse
from fmbench_lib.predictors.openai import OpenAiPredictor

URL = "http://127.0.0.1:8000/v1/chat/completions"
STREAM = (("content-type", "text/event-stream"),)
JSON = (("content-type", "application/json"),)

Recorded = Callable[[str], HttpResponse]


def decode(response: HttpResponse) -> Completion:
    return OpenAiPredictor(URL).decode(response)


def stream(*objects: Any, done: bool = True, complete: bool = True) -> HttpResponse:
    """A streamed 200 whose events hold these objects (or raw bytes)."""
    texts = [one if isinstance(one, bytes) else json.dumps(one).encode() for one in objects]
    lines = [b"data: " + text + b"\n\n" for text in [*texts, *([b"[DONE]"] if done else [])]]
    return HttpResponse(200, STREAM, b"".join(lines), complete)


def delta(finish: str | None = None, **content: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": content, "finish_reason": finish}]}


def texts(completion: Completion) -> list[str]:
    return [event.text for event in completion.events]


class TestEncode:
    def test_a_chat_request_has_messages_the_parameters_and_asks_for_usage(self) -> None:
        request = OpenAiPredictor(URL, "m", {"temperature": 0.1, "max_tokens": 16}).encode("Wie geht’s?")
        assert (request.method, request.url) == ("POST", URL)
        assert json.loads(request.body) == {
            "model": "m",
            "messages": [{"role": "user", "content": "Wie geht’s?"}],
            "temperature": 0.1,
            "max_tokens": 16,
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        assert dict(request.headers)["accept"] == "text/event-stream"

    def test_another_path_gets_a_prompt(self) -> None:
        body = json.loads(OpenAiPredictor("http://h/v1/completions?v=1", stream=False).encode("Once").body)
        assert body == {"prompt": "Once", "stream": False}

    def test_what_the_config_says_of_stream_options_is_added_to_ours(self) -> None:
        options = {"stream_options": {"continuous_usage_stats": True}}
        body = json.loads(OpenAiPredictor(URL, parameters=options).encode("x").body)
        assert body["stream_options"] == {"include_usage": True, "continuous_usage_stats": True}

    def test_null_leaves_stream_options_out_for_servers_that_refuse_them(self) -> None:
        body = json.loads(OpenAiPredictor(URL, parameters={"stream_options": None}).encode("x").body)
        assert "stream_options" not in body

    def test_the_key_is_only_in_its_header(self) -> None:
        predictor = OpenAiPredictor(URL, "m", {"seed": 1}, api_key="sk-secret", headers={"X-Team": "a"})
        request = predictor.encode("prompt")
        assert dict(request.headers)["authorization"] == "Bearer sk-secret"
        assert [name for name, value in request.headers if "sk-secret" in value] == ["authorization"]
        assert b"sk-secret" not in request.body
        assert "sk-secret" not in request.url
        assert "sk-secret" not in repr(predictor)

    def test_the_same_prompt_gives_the_same_bytes(self) -> None:
        one, other = (OpenAiPredictor(URL, "m", {"b": 1, "a": 2}).encode("x") for _ in range(2))
        assert one == other


class TestRecorded:
    """Each server's way of saying the same."""

    def test_llamacpp_chat_stream(self, recorded: Recorded) -> None:
        completion = decode(recorded("llamacpp-chat-stream"))
        assert texts(completion) == ["Bon", "jour", " in", " French", "!", " Bon"]
        assert completion.text == "Bonjour in French! Bon"
        assert (completion.prompt_tokens, completion.completion_tokens, completion.cached_tokens) == (35, 6, 0)
        assert (completion.finish_reason, completion.streamed, completion.error_class) == ("length", True, None)
        assert completion.server_request_id == "chatcmpl-b1NURLds2X2WhK4hj21owmWLsLVJDmad"

    def test_llamacpp_without_streaming_says_the_same(self, recorded: Recorded) -> None:
        completion = decode(recorded("llamacpp-chat"))
        assert completion.text == "Bonjour in French! Bon"
        assert (completion.prompt_tokens, completion.completion_tokens) == (35, 6)
        assert (completion.streamed, completion.error_class) == (False, None)
        assert completion.events[0].end_offset == len(recorded("llamacpp-chat").body)

    def test_llamacpp_completion_stream(self, recorded: Recorded) -> None:
        completion = decode(recorded("llamacpp-completion-stream"))
        assert texts(completion) == [",", "\n", "\n", "I"]
        assert (completion.completion_tokens, completion.finish_reason) == (4, "length")

    def test_llamacpp_refusal(self, recorded: Recorded) -> None:
        completion = decode(recorded("llamacpp-too-long"))
        assert completion.error_class == "http_4xx"
        assert "exceeds the available context size (256 tokens)" in (completion.error_message or "")

    @pytest.mark.parametrize("name", ["vllm-reasoning-content-stream", "vllm-reasoning-stream"])
    def test_vllm_reasoning_is_content_but_not_answer(self, recorded: Recorded, name: str) -> None:
        completion = decode(recorded(name))
        assert [(event.text, event.reasoning) for event in completion.events] == [
            ("Two", True),
            (" plus", True),
            ("4", False),
            (" – four", False),
        ]
        assert completion.text == "4 – four"
        assert (completion.prompt_tokens, completion.completion_tokens, completion.cached_tokens) == (31, 7, 16)

    def test_vllm_error_in_mid_stream(self, recorded: Recorded) -> None:
        completion = decode(recorded("vllm-error-midstream"))
        assert completion.error_class == "endpoint"
        assert completion.error_message == "EngineCore encountered an issue."
        assert texts(completion) == ["The", " answer"]

    def test_openai_stream(self, recorded: Recorded) -> None:
        completion = decode(recorded("openai-chat-stream"))
        assert texts(completion) == ["Gr", "üße", " 😀"]
        assert (completion.prompt_tokens, completion.completion_tokens, completion.cached_tokens) == (12, 5, 0)
        assert completion.server_request_id == "req_5f2"

    def test_openai_tool_calls_are_generated_content(self, recorded: Recorded) -> None:
        completion = decode(recorded("openai-tools-stream"))
        assert texts(completion) == ["get_weather", '{"city"', ':"Ulm"}']
        assert (completion.finish_reason, completion.error_class) == ("tool_calls", None)

    def test_openai_without_streaming(self, recorded: Recorded) -> None:
        completion = decode(recorded("openai-chat"))
        assert (completion.text, completion.completion_tokens) == ("Hello there.", 5)

    def test_openai_throttling(self, recorded: Recorded) -> None:
        completion = decode(recorded("openai-429"))
        assert completion.error_class == "http_429"
        assert completion.error_message == "HTTP 429: Rate limit reached for gpt-4.1"


class TestStreams:
    def test_an_event_is_complete_with_the_line_that_holds_it(self) -> None:
        response = stream(delta(content="a"), delta(content="b"))
        first_line = response.body.index(b"\n") + 1
        second_line = response.body.index(b"\n", first_line + 1) + 1
        assert [event.end_offset for event in decode(response).events] == [first_line, second_line]

    def test_the_usage_that_counts_is_the_last(self) -> None:
        running = [{**delta(content=text), "usage": {"completion_tokens": n}} for n, text in enumerate("abc", 1)]
        assert decode(stream(*running)).completion_tokens == 3

    def test_no_usage_is_not_zero(self) -> None:
        completion = decode(stream(delta(content="a")))
        assert (completion.prompt_tokens, completion.completion_tokens, completion.cached_tokens) == (None, None, None)

    def test_done_may_be_missing_where_a_finish_reason_was_given(self) -> None:
        assert decode(stream(delta(content="a"), delta("stop"), done=False)).error_class is None

    def test_neither_done_nor_finish_reason_is_truncated(self) -> None:
        completion = decode(stream(delta(content="a"), done=False))
        assert (completion.error_class, completion.text) == ("truncated", "a")

    def test_an_incomplete_response_is_truncated_whatever_it_says(self) -> None:
        completion = decode(stream(delta("stop", content="a"), complete=False))
        assert (completion.error_class, completion.text) == ("truncated", "a")

    def test_a_line_without_its_end_has_not_arrived(self) -> None:
        body = stream(delta(content="a"), done=False).body + b'data: {"choices": [{"delta": {"content": "b"}}]}'
        completion = decode(HttpResponse(200, STREAM, body, complete=False))
        assert texts(completion) == ["a"]

    def test_comments_other_fields_and_carriage_returns(self) -> None:
        body = b": ping\r\nevent: message\r\ndata:" + json.dumps(delta("stop", content="a")).encode() + b"\r\n\r\n"
        completion = decode(HttpResponse(200, STREAM, body + b"id: 7\r\ndata: [DONE]\r\n\r\n"))
        assert (completion.text, completion.error_class) == ("a", None)

    def test_nothing_said_is_empty(self) -> None:
        completion = decode(stream(delta(role="assistant", content=""), delta("stop")))
        assert completion.error_class == "empty"

    @pytest.mark.parametrize(
        ("event", "message"),
        [
            ({"error": {"message": "out of memory"}}, "out of memory"),
            ({"error": "out of memory"}, "out of memory"),
            ({"error": {"code": 7}}, '{"code": 7}'),
            ({"object": "error", "message": "out of memory", "code": 500}, "out of memory"),
        ],
    )
    def test_an_error_event_is_the_endpoints(self, event: dict[str, Any], message: str) -> None:
        completion = decode(stream(delta(content="a"), event, delta(content="b")))
        assert (completion.error_class, completion.error_message) == ("endpoint", message)
        assert texts(completion) == ["a"]

    @pytest.mark.parametrize("reason", ["error", "abort"])
    def test_an_end_that_means_an_error_is_the_endpoints(self, reason: str) -> None:
        completion = decode(stream(delta(content="a"), delta(reason)))
        assert (completion.error_class, completion.text) == ("endpoint", "a")
        assert completion.error_message == f"the server ended the answer with finish_reason `{reason}`"

    def test_llamacpps_older_error_line(self) -> None:
        body = stream(delta(content="a"), done=False).body + b'error: {"message": "slot lost"}\n\n'
        completion = decode(HttpResponse(200, STREAM, body))
        assert (completion.error_class, completion.error_message) == ("endpoint", "slot lost")

    def test_reasoning_and_answer_in_one_chunk_are_one_event(self) -> None:
        completion = decode(stream(delta("stop", content="a", reasoning="r")))
        assert [(event.text, event.reasoning) for event in completion.events] == [("a", False)]

    def test_a_refusal_is_generated_text(self) -> None:
        assert decode(stream(delta("stop", content=None, refusal="I cannot."))).text == "I cannot."

    def test_a_stream_without_its_content_type_is_recognised(self) -> None:
        response = HttpResponse(200, (), stream(delta("stop", content="a")).body)
        assert (decode(response).streamed, decode(response).text) == (True, "a")

    @pytest.mark.parametrize("bad", [b"{", b"[]", b'"x"', b"\xff", b'{"choices": 5}', b'{"choices": [7]}'])
    def test_invalid_bytes_are_a_decode_error(self, bad: bytes) -> None:
        completion = decode(stream(delta(content="a"), bad, delta(content="b")))
        assert (completion.error_class, completion.text) == ("decode", "a")

    def test_half_a_surrogate_pair_can_be_written_to_a_file(self) -> None:
        completion = decode(stream(b'{"choices": [{"delta": {"content": "\\ud83d"}, "finish_reason": "stop"}]}'))
        assert completion.text.encode() == "�".encode()

    def test_impossible_counts_are_ignored(self) -> None:
        usage = {"prompt_tokens": -1, "completion_tokens": 10**30, "prompt_tokens_details": {"cached_tokens": True}}
        completion = decode(stream({**delta("stop", content="a"), "usage": usage}))
        assert (completion.prompt_tokens, completion.completion_tokens, completion.cached_tokens) == (None, None, None)


class TestWhole:
    def whole(self, message: Any, **more: Any) -> Completion:
        return decode(HttpResponse(200, JSON, json.dumps(message).encode(), **more))

    def test_an_error_inside_a_200(self) -> None:
        completion = self.whole({"error": {"message": "model overloaded"}})
        assert (completion.error_class, completion.error_message) == ("endpoint", "model overloaded")

    def test_reasoning_beside_the_answer_is_kept_for_counting(self) -> None:
        completion = self.whole({"choices": [{"message": {"content": "4", "reasoning_content": "2+2"}}]})
        assert texts(completion) == ["2+2", "4"]
        assert completion.text == "4"

    @pytest.mark.parametrize("reason", ["error", "abort"])
    @pytest.mark.parametrize("said", [{"message": {"content": "a"}}, {"text": "a"}])
    def test_an_end_that_means_an_error_is_the_endpoints(self, said: dict[str, Any], reason: str) -> None:
        completion = self.whole({"choices": [{**said, "finish_reason": reason}]})
        assert (completion.error_class, completion.text) == ("endpoint", "a")
        assert completion.finish_reason == reason

    def test_an_empty_answer(self) -> None:
        choices = [{"message": {"content": ""}, "finish_reason": "stop"}]
        assert self.whole({"choices": choices}).error_class == "empty"
        assert self.whole({"choices": []}).error_class == "empty"

    def test_half_a_body_is_truncated_not_a_decode_error(self) -> None:
        assert decode(HttpResponse(200, JSON, b'{"choices": [', complete=False)).error_class == "truncated"

    def test_a_login_page_is_the_endpoints_error_and_is_quoted(self) -> None:
        completion = decode(HttpResponse(200, (("content-type", "text/html"),), b"<html>log in</html>"))
        assert completion.error_class == "endpoint"
        assert completion.error_message == "the server answered with text/html in place of the protocol: log in"


class TestHttpErrors:
    @pytest.mark.parametrize(
        ("status", "error_class"),
        [
            (400, "http_4xx"),
            (401, "http_4xx"),
            (404, "http_4xx"),
            (429, "http_429"),
            (500, "http_5xx"),
            (503, "http_5xx"),
            (101, "protocol"),
            (204, "protocol"),
            (302, "protocol"),
        ],
    )
    def test_class_by_status(self, status: int, error_class: str) -> None:
        completion = decode(HttpResponse(status, (), b'{"error": {"message": "why"}}'))
        assert completion.error_class == error_class
        assert f"HTTP {status}" in (completion.error_message or "")

    def test_a_redirect_names_its_target_and_is_not_followed(self) -> None:
        completion = decode(HttpResponse(307, (("location", "https://h/v1/chat/completions"),), b""))
        assert completion.error_class == "protocol"
        assert "https://h/v1/chat/completions" in (completion.error_message or "")

    @pytest.mark.parametrize(
        ("body", "message"),
        [
            (b'{"detail": "Not Found"}', "HTTP 502: Not Found"),
            (b'{"message": "no such model"}', "no such model"),
            (b"<h1>Bad Gateway</h1>", "<h1>Bad Gateway</h1>"),
            (b"\xff\xfe\xfd", "���"),
            (b"[" * 100_000, "[" * 100),
        ],
    )
    def test_the_message_is_what_can_be_read_of_the_body(self, body: bytes, message: str) -> None:
        assert message in (decode(HttpResponse(502, (), body)).error_message or "")

    def test_a_long_page_is_cut(self) -> None:
        assert len(decode(HttpResponse(502, (), b"x" * 10_000)).error_message or "") <= 500


KEYS = st.sampled_from(
    (
        *("choices", "delta", "message", "content", "text", "reasoning", "tool_calls", "function", "arguments"),
        *("usage", "prompt_tokens_details", "timings", "cache_n", "finish_reason", "error", "object", "id"),
    )
)
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)


class TestNothingRaises:
    def sound(self, completion: Completion) -> None:
        """It is a completion as the recorder expects one: whatever it holds can be stored."""
        assert completion.error_class is None or completion.error_class in ERROR_CLASSES
        assert (completion.error_class is None) == (completion.error_message is None)
        assert completion.error_class is not None or completion.events
        strings = [completion.text, completion.error_message, completion.finish_reason, completion.server_request_id]
        for string in [*strings, *texts(completion)]:
            assert string is None or isinstance(string.encode(), bytes)
        offsets = [event.end_offset for event in completion.events]
        assert offsets == sorted(offsets)

    @given(st.binary(), st.sampled_from([STREAM, JSON, ()]), st.sampled_from([200, 204, 302, 429, 500]), st.booleans())
    def test_any_bytes(self, body: bytes, headers: Any, status: int, complete: bool) -> None:
        self.sound(decode(HttpResponse(status, headers, body, complete)))

    @given(st.lists(JSON_VALUES, max_size=4), st.booleans())
    def test_any_objects_streamed(self, values: list[Any], done: bool) -> None:
        self.sound(decode(stream(*values, done=done)))

    @given(JSON_VALUES)
    def test_any_object_whole(self, value: Any) -> None:
        self.sound(decode(HttpResponse(200, JSON, json.dumps(value).encode())))

    @given(st.integers(min_value=0, max_value=10_000), st.binary(min_size=1, max_size=4))
    def test_a_recorded_stream_damaged_anywhere(self, place: int, damage: bytes) -> None:
        body = stream(
            delta(content="Grüße"), delta(reasoning="r"), {**delta("stop"), "usage": {"prompt_tokens": 3}}
        ).body
        place %= len(body)
        self.sound(decode(HttpResponse(200, STREAM, body[:place] + damage + body[place + len(damage) :])))

    @pytest.mark.parametrize("depth", [900, 1_500, 100_000])
    @pytest.mark.parametrize("form", [b'{"error": %s}', b"%s", b'{"choices": [{"delta": %s}]}'])
    def test_nesting_without_end(self, form: bytes, depth: int) -> None:
        nested = form % (b"[" * depth + b"]" * depth)
        self.sound(decode(stream(nested)))
        self.sound(decode(HttpResponse(500, JSON, nested)))
