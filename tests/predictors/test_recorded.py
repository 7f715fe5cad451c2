"""What servers really send, through the codecs that read it: text, counts, and what went wrong."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import pytest

from fmbench_lib.predictors.base import HttpResponse, Predictor
from fmbench_lib.predictors.generate import GeneratePredictor
from fmbench_lib.predictors.llama_cpp import LlamaCppPredictor
from fmbench_lib.predictors.ollama import OllamaPredictor
from fmbench_lib.predictors.openai import OpenAiPredictor
from fmbench_lib.predictors.triton import TritonPredictor

TGI = GeneratePredictor("http://h/generate", "tgi")
DJL = GeneratePredictor("http://h/invocations", "djl")
TRITON = TritonPredictor("http://h/v2/models/ensemble/generate")
OLLAMA = OllamaPredictor("http://h/api/generate")
LLAMA_CPP = LlamaCppPredictor("http://h/completion")
OPENAI = OpenAiPredictor("http://h/v1/embeddings")

Counts = tuple[int | None, int | None]


class Case(NamedTuple):
    codec: Predictor
    name: str
    texts: list[str]
    counts: Counts
    finish_reason: str | None
    error_class: str | None = None
    message: str = ""


CASES = [
    Case(TGI, "tgi-stream", [" Grüße", " aus", " Ulm"], (9, 4), "eos_token"),
    Case(TGI, "tgi", [" Grüße aus Ulm"], (None, 3), "length"),
    Case(TGI, "tgi-error-midstream", [" Gr"], (None, None), None, "endpoint", "Server error: CUDA out of memory"),
    Case(TGI, "tgi-overloaded", [], (None, None), None, "http_429", "HTTP 429: Model is overloaded"),
    Case(DJL, "djl-stream", ["Deep ", "learning", " is fun"], (None, 3), "length"),
    Case(DJL, "djl", ["Deep learning is fun"], (None, None), None),
    Case(DJL, "djl-tgi-compatible", ["Deep learning is fun"], (2, 4), "length"),
    Case(DJL, "djl-outputs-stream", ["This", " is it"], (None, None), None),
    Case(DJL, "djl-error-midstream", ["Deep "], (None, None), "error", "endpoint", "finish_reason `error`"),
    Case(DJL, "djl-error-in-200", [], (None, None), None, "endpoint", "prediction failure"),
    Case(TRITON, "triton-stream", [" Machine", " learning"], (None, None), None),
    Case(TRITON, "triton-counted-stream", [" Machine", " learning is"], (6, 3), "length"),
    Case(TRITON, "triton", ["What is it? Machine learning"], (None, None), None),
    Case(TRITON, "triton-error-midstream", [" Machine"], (None, None), None, "endpoint", "CUDA error"),
    Case(TRITON, "triton-refused", [], (None, None), None, "http_4xx", "max_tokens is missing"),
    Case(OLLAMA, "ollama-stream", ["Hm", "Once", " größer"], (14, 3), "length"),
    Case(OLLAMA, "ollama-chat-stream", ["Once", " upon"], (20, 3), "stop"),
    Case(OLLAMA, "ollama", ["Once upon a time"], (14, 4), "stop"),
    Case(OLLAMA, "ollama-error-midstream", ["Once"], (None, None), None, "endpoint", "an error was encountered"),
    Case(OLLAMA, "ollama-no-model", [], (None, None), None, "http_4xx", "model 'llama9' not found"),
    Case(LLAMA_CPP, "llamacpp-native-stream", [" Paris", ".", "\n", "\n", "The"], (5, 5), "length"),
    Case(LLAMA_CPP, "llamacpp-native", [" Paris.\n\nThe"], (5, 5), "length"),
    Case(LLAMA_CPP, "llamacpp-native-too-long", [], (None, None), None, "http_4xx", "exceeds the available context"),
    Case(OPENAI, "openai-embeddings", [""], (8, 0), None),
]
WHOLE_STREAMS = [case for case in CASES if case.name.endswith("stream") and case.error_class is None]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_recorded(recorded: Callable[[str], HttpResponse], case: Case) -> None:
    response = recorded(case.name)
    completion = case.codec.decode(response)
    assert completion.error_class == case.error_class
    assert case.message in (completion.error_message or "")
    assert [event.text for event in completion.events] == case.texts
    assert completion.text == "".join(event.text for event in completion.events if not event.reasoning)
    assert (completion.prompt_tokens, completion.completion_tokens) == case.counts
    assert completion.finish_reason == case.finish_reason
    assert completion.streamed == (case.name.endswith(("stream", "midstream")))


def test_an_event_ends_with_the_line_that_holds_it(recorded: Callable[[str], HttpResponse]) -> None:
    for codec, name in ((TGI, "tgi-stream"), (OLLAMA, "ollama-stream"), (DJL, "djl-stream")):
        body = recorded(name).body
        for event in codec.decode(recorded(name)).events:
            line_start = body.rfind(b"\n", 0, event.end_offset - 1) + 1
            assert event.text.encode() in body[line_start : event.end_offset]
            assert body[event.end_offset - 1 : event.end_offset] == b"\n"


def test_ollamas_thinking_is_not_the_answer(recorded: Callable[[str], HttpResponse]) -> None:
    completion = OLLAMA.decode(recorded("ollama-stream"))
    assert [event.reasoning for event in completion.events] == [True, False, False]
    assert completion.text == "Once größer"


def test_ollamas_thinking_and_content_in_one_line_are_one_event() -> None:
    line = b'{"response": "a", "thinking": "b", "done": true}'
    streamed = OLLAMA.decode(HttpResponse(200, (("content-type", "application/x-ndjson"),), line + b"\n"))
    assert [(event.text, event.reasoning) for event in streamed.events] == [("a", False)]
    whole = OLLAMA.decode(HttpResponse(200, (("content-type", "application/json"),), line))
    assert [(event.text, event.reasoning) for event in whole.events] == [("b", True), ("a", False)]


def test_the_servers_own_request_id(recorded: Callable[[str], HttpResponse]) -> None:
    assert TGI.decode(recorded("tgi-stream")).server_request_id == "req-7"


def test_llamacpp_says_how_much_its_cache_held(recorded: Callable[[str], HttpResponse]) -> None:
    assert LLAMA_CPP.decode(recorded("llamacpp-native")).cached_tokens == 4


@pytest.mark.parametrize("case", WHOLE_STREAMS, ids=lambda case: case.name)
def test_a_stream_that_breaks_off_is_truncated(recorded: Callable[[str], HttpResponse], case: Case) -> None:
    body = recorded(case.name).body
    completion = case.codec.decode(HttpResponse(200, recorded(case.name).headers, body[:-4], complete=False))
    assert completion.error_class == "truncated"
    assert case.texts[0] in [event.text for event in completion.events]


@pytest.mark.parametrize(
    ("codec", "body"),
    [
        (TGI, b'{"text": "elsewhere"}'),
        (DJL, b'[{"generated_text": "a"}, {"generated_text": "b"}]'),
        (DJL, b'{"generated_text": null}'),
        (TRITON, b'{"outputs": []}'),
        (LLAMA_CPP, b'{"choices": []}'),
        (OLLAMA, b"[]"),
    ],
)
def test_another_shape_is_a_decode_error(codec: Predictor, body: bytes) -> None:
    completion = codec.decode(HttpResponse(200, (("content-type", "application/json"),), body))
    assert completion.error_class == "decode"


@pytest.mark.parametrize(
    ("codec", "body"),
    [
        (TGI, b'{"generated_text": ""}'),
        (TRITON, b'{"text_output": ""}'),
        (OLLAMA, b'{"response": "", "done": true}'),
        (LLAMA_CPP, b'{"content": "", "stop": true}'),
        (OPENAI, b'{"object": "list", "data": []}'),
        (OPENAI, b'{"object": "list", "data": [{"embedding": []}]}'),
    ],
)
def test_nothing_said_is_empty(codec: Predictor, body: bytes) -> None:
    completion = codec.decode(HttpResponse(200, (("content-type", "application/json"),), body))
    assert completion.error_class == "empty"


@pytest.mark.parametrize("codec", [TGI, DJL, TRITON, OLLAMA, LLAMA_CPP])
def test_an_error_in_a_200(codec: Predictor) -> None:
    body = b'{"error": "out of memory"}'
    completion = codec.decode(HttpResponse(200, (("content-type", "application/json"),), body))
    assert (completion.error_class, completion.error_message) == ("endpoint", "out of memory")
