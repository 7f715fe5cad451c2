"""How answers end: reasons that mean a failure, errors in odd places, and a last line without its end."""

from __future__ import annotations

import json
from typing import Any

import pytest

from fmbench_lib.predictors.base import Completion, HttpResponse
from fmbench_lib.predictors.bedrock import ConversePredictor
from fmbench_lib.predictors.ollama import OllamaPredictor
from fmbench_lib.predictors.openai import OpenAiPredictor

STREAM = (("content-type", "text/event-stream"),)
CODEC = OpenAiPredictor("http://127.0.0.1:8000/v1/chat/completions")
USAGE = {"choices": [], "usage": {"prompt_tokens": 5, "completion_tokens": 2}}


def delta(content: str = "", finish: str | None = None, **more: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": {"content": content}, "finish_reason": finish}], **more}


def body_of(*messages: dict[str, Any]) -> bytes:
    return b"".join(b"data: " + json.dumps(message).encode() + b"\n\n" for message in messages)


def decode(body: bytes, *, complete: bool = True) -> Completion:
    return CODEC.decode(HttpResponse(200, STREAM, body, complete))


TWO = (delta("a "), delta("b"))


class TestReasons:
    @pytest.mark.parametrize(
        "reason",
        [
            *("insufficient_system_resource", "network_error", "server_error", "cancelled", "aborted", "timeout"),
            *("internal-error", "FinishReason.ERROR", "EngineFailure", "preempted", "FAILED"),
        ],
    )
    def test_a_word_of_failure_is_the_endpoints_error(self, reason: str) -> None:
        completion = decode(body_of(*TWO, delta("", reason)))
        assert (completion.error_class, completion.text) == ("endpoint", "a b")
        assert completion.error_message == f"the server ended the answer with finish_reason `{reason}`"

    @pytest.mark.parametrize(
        "reason",
        [
            *("stop", "length", "tool_calls", "content_filter", "eos_token", "end_turn", "guardrail_intervened"),
            *("MAX_TOKENS", "terror", "model_context_window_exceeded", "insufficiently_long"),
        ],
    )
    def test_another_reason_ends_an_answer_as_it_should(self, reason: str) -> None:
        completion = decode(body_of(*TWO, delta("", reason)))
        assert (completion.error_class, completion.finish_reason) == (None, reason)

    @pytest.mark.parametrize("word", ["null", "None", "", "undefined"])
    def test_a_word_for_no_reason_ends_nothing(self, word: str) -> None:
        cut = decode(body_of(delta("a ", word), delta("b", word)))
        assert (cut.error_class, cut.finish_reason) == ("truncated", None)
        whole = decode(body_of(delta("a ", word), delta("b", "stop")))
        assert (whole.error_class, whole.finish_reason) == (None, "stop")

    def test_ollama_and_converse_fail_by_their_reasons_too(self) -> None:
        line = {"message": {"content": "a"}, "done": True, "done_reason": "error", "eval_count": 1}
        ollama = OllamaPredictor("http://h/api/chat").decode(HttpResponse(200, (), json.dumps(line).encode()))
        said = {"output": {"message": {"content": [{"text": "a"}]}}, "stopReason": "internal_error"}
        converse = ConversePredictor("https://h/model/m").decode(HttpResponse(200, (), json.dumps(said).encode()))
        for completion in (ollama, converse):
            assert (completion.error_class, completion.text) == ("endpoint", "a")


class TestErrorsInOddPlaces:
    @pytest.mark.parametrize(
        ("behind", "message"),
        [
            (b'{"error": {"message": "engine died"}}', "engine died"),
            (b"Internal Server Error\n", "Internal Server Error"),
            (b"<html>\n<body>504 Gateway Time-out</body>\n</html>", "504 Gateway Time-out"),
            (b": still there\nupstream connect error", "upstream connect error"),
        ],
    )
    def test_what_a_server_writes_behind_its_events_is_its_error(self, behind: bytes, message: str) -> None:
        completion = decode(body_of(*TWO) + behind)
        assert (completion.error_class, completion.error_message) == ("endpoint", message)

    @pytest.mark.parametrize("rest", [b"", b"da", b"data", b"event", b'data: {"choices": [{"del', b"\n\n"])
    def test_the_beginning_of_a_field_is_no_error(self, rest: bytes) -> None:
        completion = decode(body_of(*TWO) + rest)
        assert (completion.error_class, completion.text) == ("truncated", "a b")

    def test_the_end_of_a_long_line_that_was_cut_is_no_error(self) -> None:
        assert decode(body_of(*TWO) + b'data: {"choices": "' + b"x" * 20_000).error_class == "truncated"

    def test_what_comes_behind_the_end_makes_no_difference(self) -> None:
        assert decode(body_of(*TWO, delta("", "stop")) + b"data: [DONE]\n\nbye\n").error_class is None

    @pytest.mark.parametrize("name", ["exception", "fatal", "failed"])
    def test_events_of_errors_have_other_names_too(self, name: str) -> None:
        completion = decode(body_of(*TWO) + f'event: {name}\ndata: {{"msg": "out of memory"}}\n\n'.encode())
        assert (completion.error_class, completion.error_message) == ("endpoint", "out of memory")

    @pytest.mark.parametrize(
        "last",
        [
            {"choices": [{"index": 0, "delta": {"error": {"message": "engine died"}}}]},
            delta(error_code=50001, error_msg="engine died"),
            delta(success=False, message="engine died"),
        ],
    )
    def test_an_error_beside_a_choice_without_content(self, last: dict[str, Any]) -> None:
        completion = decode(body_of(*TWO, last, delta("", "stop")))
        assert (completion.error_class, completion.error_message) == ("endpoint", "engine died")

    @pytest.mark.parametrize(
        "more",
        [
            {"code": 0, "message": "ok"},
            {"error_code": 0},
            {"status": "success"},
            {"code": 1},
            {"code": 10000, "msg": "Success"},
        ],
    )
    def test_words_of_success_beside_a_choice_are_none(self, more: dict[str, Any]) -> None:
        assert decode(body_of(*TWO, delta("", "stop", **more))).error_class is None


class TestLastLine:
    @pytest.mark.parametrize("end", [b"data: [DONE]", b"data: " + json.dumps(delta("", "stop")).encode()])
    def test_the_end_needs_no_line_break(self, end: bytes) -> None:
        completion = decode(body_of(*TWO, USAGE) + end)
        assert (completion.error_class, completion.text, completion.completion_tokens) == (None, "a b", 2)

    def test_usage_without_a_line_break_is_read(self) -> None:
        completion = decode(body_of(*TWO, delta("", "stop")) + b"data: " + json.dumps(USAGE).encode())
        assert (completion.prompt_tokens, completion.completion_tokens) == (5, 2)

    def test_text_without_a_line_break_arrived_with_the_last_byte(self) -> None:
        body = body_of(delta("a ")) + b"data: " + json.dumps(delta("b", "stop")).encode()
        assert [event.end_offset for event in decode(body).events] == [len(body_of(delta("a "))) - 1, len(body)]

    def test_a_connection_that_was_cut_has_no_such_end(self) -> None:
        assert decode(body_of(*TWO) + b"data: [DONE]", complete=False).error_class == "truncated"
