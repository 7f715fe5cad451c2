"""What SageMaker and Bedrock answer, and what becomes of it: text, tokens, and the class of each error."""

from __future__ import annotations

import base64
import itertools
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fmbench_lib.emulator.behaviour import Behaviour, Planner
from fmbench_lib.emulator.framing import Request
from fmbench_lib.emulator.wires.bedrock import Bedrock
from fmbench_lib.emulator.wires.event_stream import CONTENT_TYPE, event, exception, message
from fmbench_lib.emulator.wires.sagemaker import SageMaker
from fmbench_lib.errors import ERROR_CLASSES
from fmbench_lib.predictors.aws_wire import messages
from fmbench_lib.predictors.base import Completion, HttpResponse, Predictor
from fmbench_lib.predictors.bedrock import ConversePredictor
from fmbench_lib.predictors.bedrock_invoke import InvokeModelPredictor
from fmbench_lib.predictors.sagemaker import SageMakerPredictor

CONVERSE = ConversePredictor("http://h/model/m")
INVOKE = InvokeModelPredictor("http://h/model/meta.llama3-8b-instruct-v1%3A0")
ENDPOINT = SageMakerPredictor("http://h/endpoints/e/invocations")
CODECS: list[Predictor] = [CONVERSE, INVOKE, ENDPOINT]
STREAM = (("content-type", CONTENT_TYPE), ("x-amzn-requestid", "r-1"))
JSON = (("content-type", "application/json"), ("x-amzn-requestid", "r-1"))

# As AWS's own libraries have them in their tests: no headers nor payload, a payload alone, one header.
KNOWN = [
    (bytes.fromhex("000000100000000005c248eb7d98c8ff"), {}, b""),
    (bytes.fromhex("0000001d00000000fd528c5a") + b"{'foo':'bar'}" + bytes.fromhex("c3653936"), {}, b"{'foo':'bar'}"),
    (
        bytes.fromhex("0000003d0000002007fd8396")
        + b"\x0ccontent-type\x07\x00\x10application/json{'foo':'bar'}"
        + bytes.fromhex("8d9c08b1"),
        {"content-type": "application/json"},
        b"{'foo':'bar'}",
    ),
]


def stream(*parts: bytes, complete: bool = True) -> HttpResponse:
    return HttpResponse(200, STREAM, b"".join(parts), complete)


def whole(said: Any, *more: tuple[str, str]) -> HttpResponse:
    return HttpResponse(200, (*JSON, *more), said if isinstance(said, bytes) else json.dumps(said).encode())


def refused(status: int, name: str, **said: Any) -> HttpResponse:
    return HttpResponse(status, (*JSON, ("x-amzn-errortype", f"{name}:http://internal/")), json.dumps(said).encode())


def part(data: bytes) -> bytes:
    return event("PayloadPart", data, "application/octet-stream")


def chunk(**said: Any) -> bytes:
    return event("chunk", json.dumps({"bytes": base64.b64encode(json.dumps(said).encode()).decode()}).encode())


def converse_event(kind: str, **said: Any) -> bytes:
    return event(kind, json.dumps(said).encode())


def texts(completion: Completion) -> list[str]:
    return [one.text for one in completion.events]


def counts(completion: Completion) -> tuple[int | None, int | None, int | None]:
    return completion.prompt_tokens, completion.completion_tokens, completion.cached_tokens


class TestEventStream:
    @pytest.mark.parametrize(("data", "headers", "payload"), KNOWN)
    def test_known_messages(self, data: bytes, headers: dict[str, str], payload: bytes) -> None:
        assert message(headers, payload) == data
        (read,) = messages(data)
        assert (dict(read.headers), read.payload, read.end_offset) == (headers, payload, len(data))

    def test_the_offset_is_that_behind_each_message(self) -> None:
        body = part(b"one") + part(b"two")
        assert [one.end_offset for one in messages(body)] == [len(part(b"one")), len(body)]

    @pytest.mark.parametrize("place", range(len(KNOWN[2][0])))
    def test_a_damaged_message_is_an_error(self, place: int) -> None:
        data = bytearray(KNOWN[2][0])
        data[place] ^= 0x01
        with pytest.raises(ValueError, match="event stream"):
            list(messages(bytes(data)))


class TestConverse:
    def test_reasoning_text_and_tools_in_a_stream(self) -> None:
        delta = "contentBlockDelta"
        completion = CONVERSE.decode(
            stream(
                converse_event("messageStart", role="assistant"),
                converse_event(delta, contentBlockIndex=0, delta={"reasoningContent": {"text": "Hm"}}),
                converse_event(delta, contentBlockIndex=0, delta={"reasoningContent": {"signature": "s"}}),
                converse_event(delta, contentBlockIndex=1, delta={"text": "Größe"}),
                converse_event(delta, contentBlockIndex=2, delta={"toolUse": {"input": '{"a":'}}),
                converse_event("messageStop", stopReason="tool_use"),
                converse_event(
                    "metadata",
                    usage={"inputTokens": 10, "outputTokens": 5, "cacheReadInputTokens": 7, "cacheWriteInputTokens": 2},
                ),
            )
        )
        assert [(one.text, one.reasoning) for one in completion.events] == [
            ("Hm", True),
            ("Größe", False),
            ('{"a":', False),
        ]
        assert (counts(completion), completion.finish_reason) == ((19, 5, 7), "tool_use")
        assert (completion.server_request_id, completion.streamed, completion.error_class) == ("r-1", True, None)

    def test_at_once(self) -> None:
        content = [{"reasoningContent": {"reasoningText": {"text": "Hm"}}}, {"text": "Hi"}]
        usage = {"inputTokens": 3, "outputTokens": 2, "totalTokens": 5}
        said = {"output": {"message": {"content": content}}, "stopReason": "end_turn", "usage": usage}
        completion = CONVERSE.decode(whole(said))
        assert (completion.text, counts(completion)) == ("Hi", (3, 2, None))
        assert (completion.streamed, completion.finish_reason) == (False, "end_turn")

    def test_a_stream_without_its_end(self) -> None:
        begun = converse_event("contentBlockDelta", delta={"text": "Hi"})
        assert CONVERSE.decode(stream(begun)).error_class == "truncated"
        ended = CONVERSE.decode(stream(begun, converse_event("messageStop", stopReason="x"), complete=False))
        assert ended.error_class == "truncated"

    def test_an_error_in_a_200(self) -> None:
        completion = CONVERSE.decode(whole({"Output": {"__type": "com.amazon#UnknownOperationException"}}))
        assert (completion.error_class, completion.error_message) == (
            "endpoint",
            "UnknownOperationException: reported in a response with status 200",
        )


class TestInvokeModel:
    def test_claude_counts_what_its_cache_held(self) -> None:
        usage = {"input_tokens": 4, "cache_read_input_tokens": 10, "cache_creation_input_tokens": 1}
        completion = INVOKE.decode(
            stream(
                chunk(type="message_start", message={"content": [], "usage": {**usage, "output_tokens": 1}}),
                chunk(type="content_block_delta", delta={"type": "thinking_delta", "thinking": "Hm"}),
                chunk(type="content_block_delta", delta={"type": "text_delta", "text": "Hi"}),
                chunk(type="message_delta", delta={"stop_reason": "end_turn"}, usage={"output_tokens": 6}),
                chunk(type="message_stop"),
            )
        )
        assert [(one.text, one.reasoning) for one in completion.events] == [("Hm", True), ("Hi", False)]
        assert (counts(completion), completion.finish_reason, completion.error_class) == ((15, 6, 10), "end_turn", None)

    def test_the_counts_of_the_headers_where_the_body_has_none(self) -> None:
        headers = (("x-amzn-bedrock-input-token-count", "12"), ("x-amzn-bedrock-output-token-count", "3"))
        completion = INVOKE.decode(whole({"outputs": [{"text": "Hi", "stop_reason": "stop"}]}, *headers))
        assert (completion.text, counts(completion), completion.finish_reason) == ("Hi", (12, 3, None), "stop")

    def test_the_text_that_coheres_last_event_repeats_counts_once(self) -> None:
        end = chunk(event_type="stream-end", text="Hi", finish_reason="COMPLETE", response={"text": "Hi"})
        completion = INVOKE.decode(stream(chunk(event_type="text-generation", text="Hi"), end))
        assert (completion.text, completion.finish_reason) == ("Hi", "COMPLETE")

    def test_deepseek_r1(self) -> None:
        said = {"choices": [{"text": "Hi", "stop_reason": "length"}]}
        for response in (whole(said), stream(chunk(**said))):
            completion = INVOKE.decode(response)
            assert (completion.text, completion.finish_reason, completion.error_class) == ("Hi", "length", None)

    def test_jurassics_reason_is_an_object(self) -> None:
        said = {"completions": [{"data": {"text": "Hi"}, "finishReason": {"reason": "endoftext"}}]}
        assert (INVOKE.decode(whole(said)).text, INVOKE.decode(whole(said)).finish_reason) == ("Hi", "endoftext")

    @pytest.mark.parametrize("reason", ["ERROR", "ERROR_TOXIC", "ERROR_LIMIT"])
    def test_an_end_that_means_an_error(self, reason: str) -> None:
        end = {"is_finished": True, "finish_reason": reason}
        answers = [
            stream(chunk(text="Hi", is_finished=False), chunk(**end)),
            stream(chunk(event_type="text-generation", text="Hi"), chunk(event_type="stream-end", text="Hi", **end)),
            whole({"text": "Hi", "finish_reason": reason}),
            whole({"generations": [{"text": "Hi", "finish_reason": reason}]}),
        ]
        for completion in map(INVOKE.decode, answers):
            assert (completion.text, completion.error_class) == ("Hi", "endpoint")
            assert completion.error_message == f"the server ended the answer with finish_reason `{reason}`"

    def test_vectors_have_no_text_and_no_tokens(self) -> None:
        completion = INVOKE.decode(whole({"embedding": [0.5], "inputTextTokenCount": 4}))
        assert (texts(completion), counts(completion), completion.error_class) == ([""], (4, 0, None), None)

    def test_a_chunk_without_bytes(self) -> None:
        assert INVOKE.decode(stream(event("chunk", b"{}"))).error_class == "decode"


LINES = b'{"token": {"id": 1, "text": " Gr"}}\n{"token": {"id": 2, "text": "\xc3\xbc\xc3\x9fe"}, "generated_text": ' + (
    b'" Gr\xc3\xbc\xc3\x9fe", "details": {"finish_reason": "length", "generated_tokens": 2}}\n'
)


class TestSageMaker:
    @given(st.lists(st.integers(min_value=1, max_value=len(LINES) - 1), max_size=6))
    def test_lines_cut_over_parts_anywhere(self, cuts: list[int]) -> None:
        edges = [0, *sorted(set(cuts)), len(LINES)]
        parts = [part(LINES[start:stop]) for start, stop in itertools.pairwise(edges)]
        completion = ENDPOINT.decode(stream(*parts))
        assert texts(completion) == [" Gr", "üße"]
        assert (counts(completion), completion.finish_reason) == ((None, 2, None), "length")
        first = LINES.index(b"\n")  # with this many bytes the first line could be read
        needed = next(number for number, edge in enumerate(edges) if edge >= first)
        assert completion.events[0].end_offset == sum(map(len, parts[:needed]))

    def test_server_sent_events_of_tgi(self) -> None:
        said = (
            b'data:{"token":{"text":" Hi","special":false},"generated_text":null,"details":null}\n\n'
            b'data:{"token":{"text":"</s>","special":true},"generated_text":" Hi","details":{"finish_reason":'
            b'"eos_token","generated_tokens":2,"input_length":7}}\n\n'
        )
        completion = ENDPOINT.decode(stream(part(said[:50]), part(said[50:])))
        assert (texts(completion), counts(completion)) == ([" Hi"], (7, 2, None))
        assert completion.finish_reason == "eos_token"

    def test_chat_completions_in_parts(self) -> None:
        said = (
            b'data: {"choices":[{"delta":{"role":"assistant","content":""}}]}\n\n'
            b'data: {"choices":[{"delta":{"content":"Hi"},"finish_reason":"stop"}]}\n\n'
            b'data: {"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":1}}\n\ndata: [DONE]\n\n'
        )
        completion = ENDPOINT.decode(stream(part(said)))
        assert (completion.text, counts(completion), completion.finish_reason) == ("Hi", (3, 1, None), "stop")

    @pytest.mark.parametrize(
        ("said", "end"),
        [
            (b'data:{"token":{"text":" Hi"},"generated_text":null,"details":null}\n\n', b'"generated_text":" Hi"'),
            (b'{"token": {"text": " Hi"}}\n', b'"details": {"generated_tokens": 1}'),
            (b'data: {"choices":[{"delta":{"content":" Hi"}}]}\n\n', b'"choices":[{"finish_reason":"stop"}]'),
            (b'{"choices":[{"text":" Hi","finish_reason":null}]}\n', b'"choices":[{"finish_reason":"length"}]'),
        ],
    )
    def test_a_stream_without_the_end_that_its_form_has(self, said: bytes, end: bytes) -> None:
        early = ENDPOINT.decode(stream(part(said)))
        assert (early.text, early.error_class) == (" Hi", "truncated")
        last = said[: said.index(b"{")] + b"{" + end + b"}\n\n"
        assert ENDPOINT.decode(stream(part(said), part(last))).error_class is None

    def test_the_last_chat_message_may_only_say_done(self) -> None:
        said = b'data: {"choices":[{"delta":{"content":"Hi"}}]}\n\n'
        assert ENDPOINT.decode(stream(part(said), part(b"data: [DONE]\n\n"))).error_class is None

    def test_older_lmi_without_an_end(self) -> None:
        completion = ENDPOINT.decode(stream(part(b'{"outputs": ["This"]}\n'), part(b'{"outputs": [" is"]}')))
        assert (texts(completion), completion.error_class) == (["This", " is"], None)

    @pytest.mark.parametrize(
        ("said", "text"),
        [
            ([{"generated_text": "Hi", "details": {"generated_tokens": 1}}], "Hi"),
            ({"generated_text": "Hi"}, "Hi"),
            ([[{"generation": {"role": "assistant", "content": "Hi"}}]], "Hi"),
            ([{"generation": "Hi"}, {"generation": "no"}], "Hi"),
            ({"predicted_label": "positive"}, "positive"),
            (["Hi", "no"], "Hi"),
            ({"choices": [{"message": {"content": "Hi"}}]}, "Hi"),
            (b"Hi there", "Hi there"),
        ],
    )
    def test_answers_at_once(self, said: Any, text: str) -> None:
        completion = ENDPOINT.decode(whole(said))
        assert (completion.text, completion.streamed, completion.error_class) == (text, False, None)

    @pytest.mark.parametrize("said", [{"embedding": [[0.5, 1]]}, [[0.5, 1]], [0.5, 1]])
    def test_vectors(self, said: Any) -> None:
        completion = ENDPOINT.decode(whole(said))
        assert (texts(completion), completion.completion_tokens, completion.error_class) == ([""], 0, None)

    def test_start_and_stop_tokens_are_not_content(self) -> None:
        codec = SageMakerPredictor("http://h", start_token="<s>", stop_token="<|eot_id|>")
        tokens = ["<s>Hi", " <s>", "there<|eot_id|>", " more"]
        lines = [part(json.dumps({"token": {"text": token}}).encode() + b"\n") for token in tokens]
        end = part(json.dumps({"token": {"text": "!"}, "details": {"generated_tokens": 5}}).encode() + b"\n")
        completion = codec.decode(stream(*lines, end))
        assert (texts(completion), completion.completion_tokens) == (["Hi", " <s>", "there"], 5)

    @pytest.mark.parametrize(
        "said",
        [
            {"error": "CUDA out of memory", "error_type": "generation"},
            {"code": 424, "message": "prediction failure"},
            {"error": {"message": "too long"}},
        ],
    )
    def test_a_containers_error_in_a_200(self, said: Any) -> None:
        assert ENDPOINT.decode(whole(said)).error_class == "endpoint"
        line = json.dumps(said).encode() + b"\n"
        assert ENDPOINT.decode(stream(part(line))).error_class == "endpoint"

    @pytest.mark.parametrize(
        "said",
        [
            {"choices": [{"message": {"content": "Hi"}, "finish_reason": "abort"}]},
            {"choices": [{"text": "Hi", "finish_reason": "error"}]},
            {"token": {"text": "!"}, "generated_text": "Hi!", "details": {"finish_reason": "abort"}},
        ],
    )
    def test_an_end_that_means_an_error(self, said: Any) -> None:
        line = json.dumps(said).encode() + b"\n"
        for response in (whole(said), stream(part(line)), stream(part(b"data: " + line + b"\n"))):
            assert ENDPOINT.decode(response).error_class == "endpoint"

    def test_a_line_that_ends_too_early(self) -> None:
        assert ENDPOINT.decode(stream(part(LINES[:20]))).error_class == "decode"
        assert ENDPOINT.decode(stream(part(LINES), part(b"x")[:20])).error_class == "truncated"


class TestErrors:
    @pytest.mark.parametrize(
        ("name", "error_class"),
        [
            ("throttlingException", "http_429"),
            ("ThrottlingException", "http_429"),
            ("modelStreamErrorException", "endpoint"),
            ("modelTimeoutException", "endpoint"),
            ("internalServerException", "endpoint"),
            ("serviceUnavailableException", "endpoint"),
            ("validationException", "endpoint"),
            ("ModelStreamError", "endpoint"),
            ("InternalStreamFailure", "endpoint"),
        ],
    )
    def test_exceptions_in_mid_stream(self, name: str, error_class: str) -> None:
        begun = [
            converse_event("contentBlockDelta", delta={"text": "Hi"}),
            chunk(generation="Hi"),
            part(b'{"token": {"text": "Hi"}}\n'),
        ]
        for codec, event_before in zip(CODECS, begun, strict=True):
            completion = codec.decode(stream(event_before, exception(name, b'{"message": "it broke"}')))
            assert (completion.error_class, completion.error_message) == (error_class, f"{name}: it broke")
            assert completion.text == "Hi"

    def test_an_unmodelled_error(self) -> None:
        headers = {":message-type": "error", ":error-code": "InternalError", ":error-message": "it broke"}
        completion = CONVERSE.decode(stream(message(headers, b"")))
        assert (completion.error_class, completion.error_message) == ("endpoint", "InternalError: it broke")

    @pytest.mark.parametrize(
        ("response", "error_class", "message"),
        [
            (refused(429, "ThrottlingException", message="slow"), "http_429", "HTTP 429: ThrottlingException: slow"),
            (refused(400, "ThrottlingException", message="slow"), "http_429", "HTTP 400: ThrottlingException: slow"),
            (
                refused(400, "ServiceQuotaExceededException", message="m"),
                "http_429",
                "HTTP 400: ServiceQuotaExceededException: m",
            ),
            (refused(429, "ModelNotReadyException", message="m"), "http_429", "HTTP 429: ModelNotReadyException: m"),
            (refused(400, "ValidationException", message="m"), "http_4xx", "HTTP 400: ValidationException: m"),
            (refused(403, "ExpiredTokenException", message="m"), "http_4xx", "HTTP 403: ExpiredTokenException: m"),
            (refused(408, "ModelTimeoutException", message="m"), "timeout", "HTTP 408: ModelTimeoutException: m"),
            (refused(503, "ServiceUnavailableException", message="m"), "http_5xx", "HTTP 503: ServiceUnav"),
            (
                refused(424, "ModelError", Message="m", OriginalStatusCode=500, OriginalMessage="o"),
                "http_5xx",
                "HTTP 500: ModelError: m",
            ),
            (refused(424, "ModelError", Message="m", OriginalStatusCode=429), "http_429", "HTTP 429: ModelError: m"),
            (refused(424, "ModelErrorException", message="m"), "http_4xx", "HTTP 424: ModelErrorException: m"),
            (
                HttpResponse(400, JSON, b'{"__type": "a.b#ThrottlingException", "message": "slow"}'),
                "http_429",
                "HTTP 400: ThrottlingException: slow",
            ),
        ],
    )
    def test_refusals(self, response: HttpResponse, error_class: str, message: str) -> None:
        for codec in CODECS:
            completion = codec.decode(response)
            assert completion.error_class == error_class
            assert (completion.error_message or "").startswith(message)
            assert completion.server_request_id == "r-1"


def emulated(path: str, asked: dict[str, Any]) -> HttpResponse:
    """A whole stream of the emulator's, without a server."""
    behaviour = Behaviour(reasoning_tokens=2)
    wire: Any = SageMaker(behaviour) if path.startswith("/endpoints") else Bedrock(behaviour)
    request = Request("POST", path, "", {"content-type": "application/json"}, json.dumps(asked).encode(), True)
    ask = wire.read_object(asked, request)
    plan = Planner(behaviour).plan(ask, "r-1", 1, 0.0)
    answer = wire.answer(ask, plan, "close")
    events = b"".join(map(answer.event, range(plan.events)))
    return HttpResponse(200, STREAM, answer.opening() + events + answer.tail())


ASKED = {"messages": [{"role": "user", "content": [{"text": "x"}]}], "inferenceConfig": {"maxTokens": 4}}
STREAMS = [
    (CONVERSE, emulated("/model/m/converse-stream", ASKED)),
    (INVOKE, emulated("/model/meta.x/invoke-with-response-stream", {"prompt": "x", "max_gen_len": 4})),
    (
        INVOKE,
        emulated(
            "/model/anthropic.x/invoke-with-response-stream",
            {"anthropic_version": "x", "max_tokens": 4, "messages": [{"content": "x"}]},
        ),
    ),
    *(
        (
            ENDPOINT,
            emulated(
                f"/endpoints/{name}/invocations-response-stream", {"inputs": "x", "parameters": {"max_new_tokens": 4}}
            ),
        )
        for name in ("lmi", "lmi-split", "tgi", "tgi-split")
    ),
    (
        ENDPOINT,
        emulated(
            "/endpoints/chat/invocations-response-stream",
            {"messages": [{"role": "user", "content": "x"}], "max_tokens": 4},
        ),
    ),
]
NAMES = ["converse", "llama", "claude", "lmi", "lmi-split", "tgi", "tgi-split", "chat"]


@pytest.mark.parametrize(("codec", "response"), STREAMS, ids=NAMES)
def test_a_stream_cut_anywhere_gives_the_events_that_had_arrived(codec: Predictor, response: HttpResponse) -> None:
    events = codec.decode(response).events
    assert codec.decode(response).error_class is None
    assert len(events) == 4
    for cut in range(len(response.body)):
        completion = codec.decode(HttpResponse(200, STREAM, response.body[:cut], complete=False))
        assert completion.error_class == "truncated"
        assert completion.events == tuple(one for one in events if one.end_offset <= cut)


@pytest.mark.parametrize(("codec", "response"), STREAMS, ids=NAMES)
@given(place=st.integers(min_value=0, max_value=10_000), damage=st.binary(min_size=1, max_size=4))
def test_a_stream_damaged_anywhere(codec: Predictor, response: HttpResponse, place: int, damage: bytes) -> None:
    place %= len(response.body)
    body = response.body[:place] + damage + response.body[place + len(damage) :]
    sound(codec.decode(HttpResponse(200, STREAM, body)))


KEYS = st.sampled_from(
    (
        *("content", "text", "delta", "message", "usage", "output", "choices", "outputs", "generations", "completions"),
        *("results", "data", "token", "details", "embedding", "generation", "metadata", "messageStop", "error", "code"),
        *("contentBlockDelta", "amazon-bedrock-invocationMetrics", "inputTokens", "inputTokenCount", "Output"),
        *("__type", "finishReason", "stop_reason", "reasoningContent", "toolUse", "input", "prefill", "generated_text"),
    )
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)


@given(value=VALUES, kind=st.sampled_from(("contentBlockDelta", "messageStop", "metadata", "messageStart")))
def test_any_object(value: Any, kind: str) -> None:
    data = json.dumps(value).encode()
    inner = json.dumps({"bytes": base64.b64encode(data).decode()}).encode()
    for codec in CODECS:
        sound(codec.decode(whole(data)))
        for body in (event(kind, data), event("chunk", inner), part(data + b"\n"), part(b"data: " + data + b"\n\n")):
            sound(codec.decode(stream(body)))


@given(body=st.binary(), status=st.sampled_from([200, 302, 400, 424, 429, 500]), complete=st.booleans())
def test_any_bytes(body: bytes, status: int, complete: bool) -> None:
    for codec in CODECS:
        for headers in (STREAM, JSON):
            sound(codec.decode(HttpResponse(status, headers, body, complete)))


@pytest.mark.parametrize("depth", [1_500, 100_000])
def test_nesting_without_end(depth: int) -> None:
    nested = b"[" * depth + b"]" * depth
    for codec in CODECS:
        for status in (200, 424):
            sound(codec.decode(HttpResponse(status, JSON, nested)))
            sound(codec.decode(HttpResponse(status, STREAM, part(nested + b"\n") + event("chunk", nested))))


def sound(completion: Completion) -> None:
    """It is a completion as the recorder expects one: whatever it holds can be stored."""
    assert completion.error_class is None or completion.error_class in ERROR_CLASSES
    assert (completion.error_class is None) == (completion.error_message is None)
    strings = [completion.text, completion.error_message, completion.finish_reason, completion.server_request_id]
    for string in [*strings, *(one.text for one in completion.events)]:
        assert string is None or isinstance(string.encode(), bytes)
    for tokens in (completion.prompt_tokens, completion.completion_tokens, completion.cached_tokens):
        assert tokens is None or 0 <= tokens < 2**63
