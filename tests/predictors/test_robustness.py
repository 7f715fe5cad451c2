"""No bytes make a codec raise, a stream that is cut anywhere gives the start of its text, and offsets only grow."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fmbench_lib.errors import ERROR_CLASSES
from fmbench_lib.load.recording.parsed_response import parse_response
from fmbench_lib.predictors.base import Completion, HttpResponse, Predictor
from fmbench_lib.predictors.generate import GeneratePredictor
from fmbench_lib.predictors.llama_cpp import LlamaCppPredictor
from fmbench_lib.predictors.ollama import OllamaPredictor
from fmbench_lib.predictors.openai import OpenAiPredictor
from fmbench_lib.predictors.rest import COMPLETIONS, SENTENCE, RestPredictor
from fmbench_lib.predictors.triton import TritonPredictor

DATA = Path(__file__).parent / "data"
TGI = GeneratePredictor("http://h/generate", "tgi")
OPENAI = OpenAiPredictor("http://h/v1/chat/completions")
STREAMS: list[tuple[Predictor, str]] = [
    (TGI, "tgi-stream"),
    (GeneratePredictor("http://h/invocations", "djl"), "djl-stream"),
    (TritonPredictor("http://h/v2/models/m/generate"), "triton-counted-stream"),
    (OllamaPredictor("http://h/api/generate"), "ollama-stream"),
    (OllamaPredictor("http://h/api/chat"), "ollama-chat-stream"),
    (LlamaCppPredictor("http://h/completion"), "llamacpp-native-stream"),
    (OPENAI, "llamacpp-chat-stream"),
    (OPENAI, "vllm-reasoning-stream"),
    (OPENAI, "openai-tools-stream"),
]
CODECS = [
    *{type(codec): codec for codec, _ in STREAMS}.values(),
    RestPredictor("http://h/v2/completions", COMPLETIONS),
    RestPredictor("http://h/serve", SENTENCE),
]
KINDS = ("text/event-stream", "application/x-ndjson", "application/jsonlines", "application/json", "text/plain", "")
KEYS = st.sampled_from(
    (
        *("token", "text", "special", "generated_text", "details", "generated_tokens", "finish_reason", "outputs"),
        *("text_output", "num_output_tokens", "response", "message", "content", "thinking", "done", "eval_count"),
        *("stop", "stop_type", "timings", "cache_n", "completions", "usage", "error", "code", "prefill", "data"),
        *("embedding", "choices", "id"),
    )
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)


def recorded(name: str) -> HttpResponse:
    parsed = parse_response((DATA / f"{name}.http").read_bytes(), closed=True)
    return HttpResponse(parsed.status, parsed.headers, parsed.body, parsed.complete)


def sound(completion: Completion) -> None:
    """It is a completion as the recorder expects one: whatever it holds can be stored."""
    assert completion.error_class is None or completion.error_class in ERROR_CLASSES
    assert (completion.error_class is None) == (completion.error_message is None)
    assert completion.error_class is not None or completion.events
    strings = [completion.text, completion.error_message, completion.finish_reason, completion.server_request_id]
    for string in [*strings, *(event.text for event in completion.events)]:
        assert string is None or isinstance(string.encode(), bytes)
    for tokens in (completion.prompt_tokens, completion.completion_tokens, completion.cached_tokens):
        assert tokens is None or 0 <= tokens < 2**63
    offsets = [event.end_offset for event in completion.events]
    assert offsets == sorted(offsets)


def response(kind: str, body: bytes, *, status: int = 200, complete: bool = True) -> HttpResponse:
    return HttpResponse(status, (("content-type", kind),) if kind else (), body, complete)


@pytest.mark.parametrize(("codec", "name"), STREAMS, ids=[name for _, name in STREAMS])
def test_a_stream_cut_anywhere_gives_the_events_that_had_arrived(codec: Predictor, name: str) -> None:
    whole = recorded(name)
    events = codec.decode(whole).events
    assert len(events) > 1
    for cut in range(len(whole.body)):
        completion = codec.decode(HttpResponse(200, whole.headers, whole.body[:cut], complete=False))
        assert completion.error_class == "truncated"
        assert completion.events == tuple(event for event in events if event.end_offset <= cut)


@pytest.mark.parametrize(("codec", "name"), STREAMS, ids=[name for _, name in STREAMS])
@given(place=st.integers(min_value=0, max_value=10_000), damage=st.binary(min_size=1, max_size=4))
def test_a_stream_damaged_anywhere(codec: Predictor, name: str, place: int, damage: bytes) -> None:
    whole = recorded(name)
    place %= len(whole.body)
    body = whole.body[:place] + damage + whole.body[place + len(damage) :]
    sound(codec.decode(HttpResponse(200, whole.headers, body)))


@given(
    body=st.binary(), kind=st.sampled_from(KINDS), status=st.sampled_from([200, 204, 302, 429, 500]), all=st.booleans()
)
def test_any_bytes(body: bytes, kind: str, status: int, all: bool) -> None:
    for codec in CODECS:
        sound(codec.decode(response(kind, body, status=status, complete=all)))


@given(values=st.lists(VALUES, min_size=1, max_size=4), kind=st.sampled_from(KINDS))
def test_any_objects(values: list[Any], kind: str) -> None:
    prefix, end = (b"data: ", b"\n\n") if kind == "text/event-stream" else (b"", b"\n")
    body = b"".join(prefix + json.dumps(value).encode() + end for value in values)
    for codec in CODECS:
        sound(codec.decode(response(kind, body)))


@pytest.mark.parametrize("depth", [1_500, 100_000])
def test_nesting_without_end(depth: int) -> None:
    nested = b"[" * depth + b"]" * depth
    for codec in CODECS:
        for kind in KINDS:
            body = b"data: " + nested + b"\n\n" if kind == "text/event-stream" else nested + b"\n"
            sound(codec.decode(response(kind, body)))
