"""Raw responses without secrets: as long as before, and decoded as before."""

from __future__ import annotations

import base64
import gzip
import json
from typing import Any

import pytest

from fmbench_lib.config.redactor import Redactor
from fmbench_lib.config.secret_spellings import spellings
from fmbench_lib.emulator.wires.event_stream import message
from fmbench_lib.load.recording.masked_raw import masked_raw
from fmbench_lib.load.recording.parsed_response import parse_response
from fmbench_lib.predictors.base import Completion, HttpResponse, Predictor
from fmbench_lib.predictors.bedrock import ConversePredictor
from fmbench_lib.predictors.bedrock_invoke import InvokeModelPredictor
from fmbench_lib.predictors.openai import OpenAiPredictor
from fmbench_lib.predictors.sagemaker import SageMakerPredictor

KEY = "42plumKestrel/of-no-known-form"
STARS = "*" * len(KEY)
REDACTOR = Redactor.of([KEY])
OPENAI = OpenAiPredictor("http://h/v1/chat/completions")
"""An answer says the key whole, and then in pieces of some letters."""
PIECES = ["so ", KEY, " and ", KEY[:5], KEY[5:19], KEY[19:], "."]
SAID = "".join(PIECES).replace(KEY, STARS)


def chunked(pieces: list[bytes], kind: str, *more: str) -> bytes:
    head = "\r\n".join((f"HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ntransfer-encoding: chunked", *more, "", ""))
    return head.encode() + b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


def decoded(raw: bytes, predictor: Predictor) -> Completion:
    response = parse_response(raw, closed=True)
    return predictor.decode(HttpResponse(response.status, response.headers, response.body, response.complete))


def sse(*contents: str) -> list[bytes]:
    events: list[Any] = [{"choices": [{"index": 0, "delta": {"content": content}}]} for content in contents]
    events.append({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
    return [b"data: " + json.dumps(event).encode() + b"\n\n" for event in events]


def is_clean(masked: bytes) -> bool:
    return not any(form in masked.lower() for form in spellings(KEY))


@pytest.mark.parametrize("size", [0, 1, 7])
def test_a_stream_in_chunks_of_any_size(size: int) -> None:
    body = b"".join(sse(*PIECES))
    pieces = [body[at : at + size] for at in range(0, len(body), size)] if size else sse(*PIECES)
    raw = chunked(pieces, "text/event-stream")
    masked = masked_raw(raw, REDACTOR, OPENAI)
    assert len(masked) == len(raw)
    assert decoded(masked, OPENAI).text == SAID
    assert [event.end_offset for event in decoded(masked, OPENAI).events] == [
        event.end_offset for event in decoded(raw, OPENAI).events
    ]
    assert is_clean(parse_response(masked, closed=True).body)


def test_a_whole_secret_beside_its_pieces_is_found() -> None:
    """A piece's letters, which may be few, are also part of the whole one."""
    events = [{"id": KEY, "choices": [{"delta": {"content": KEY[at : at + 3]}}]} for at in range(0, len(KEY), 3)]
    raw = chunked([b"data: " + json.dumps(event).encode() + b"\n\n" for event in (*events, {})], "text/event-stream")
    masked = masked_raw(raw, REDACTOR, OPENAI)
    assert masked.count(STARS.encode()) == len(events)
    assert decoded(masked, OPENAI).text == STARS


def test_letters_that_json_escapes() -> None:
    key = 'pä"42plum€Kestrel\\of-no-form'
    redactor = Redactor.of([key])
    for ascii_only in (True, False):
        texts = [key[:6], key[6:15], key[15:]]
        events = [json.dumps({"choices": [{"delta": {"content": text}}]}, ensure_ascii=ascii_only) for text in texts]
        raw = chunked([f"data: {event}\n\n".encode() for event in (*events, "[DONE]")], "text/event-stream")
        masked = masked_raw(raw, redactor, OPENAI)
        assert len(masked) == len(raw)
        assert set(decoded(masked, OPENAI).text) == {"*"}


def converse() -> list[bytes]:
    deltas = [json.dumps({"delta": {"text": piece}}).encode() for piece in PIECES]
    return [
        *(message({":message-type": "event", ":event-type": "contentBlockDelta"}, delta) for delta in deltas),
        message({":message-type": "event", ":event-type": "messageStop"}, b'{"stopReason": "end_turn"}'),
    ]


def invoke() -> list[bytes]:
    events: list[Any] = [{"type": "content_block_delta", "delta": {"text": piece}} for piece in PIECES]
    events.append({"type": "message_delta", "delta": {"stop_reason": "end_turn"}})
    coded = [base64.b64encode(json.dumps(event).encode()).decode() for event in events]
    return [
        message({":message-type": "event", ":event-type": "chunk"}, json.dumps({"bytes": text, "p": "abc"}).encode())
        for text in coded
    ]


def payload_parts() -> list[bytes]:
    body = b"".join([*sse(*PIECES), b"data: [DONE]\n\n"])
    cut = [body[at : at + 23] for at in range(0, len(body), 23)]
    return [message({":message-type": "event", ":event-type": "PayloadPart"}, part) for part in cut]


@pytest.mark.parametrize(
    ("frames", "predictor"),
    [
        (converse(), ConversePredictor("http://h/model/m/converse-stream")),
        (invoke(), InvokeModelPredictor("http://h/model/anthropic.claude-x")),
        (payload_parts(), SageMakerPredictor("http://h/endpoints/e/invocations")),
    ],
    ids=["Converse", "InvokeModel", "SageMaker"],
)
def test_checksums_of_event_streams_hold(frames: list[bytes], predictor: Any) -> None:
    raw = chunked(frames, "application/vnd.amazon.eventstream")
    assert decoded(raw, predictor).text == "".join(PIECES)
    masked = masked_raw(raw, REDACTOR, predictor)
    assert len(masked) == len(raw)
    assert (decoded(masked, predictor).error_class, decoded(masked, predictor).text) == (None, SAID)


def test_a_message_that_was_damaged_stays_damaged() -> None:
    frames = converse()
    damaged = frames[1][:-1] + bytes([frames[1][-1] ^ 1])
    raw = chunked([frames[0], damaged, *frames[2:]], "application/vnd.amazon.eventstream")
    predictor = ConversePredictor("http://h/model/m/converse-stream")
    assert decoded(raw, predictor).error_class == "decode"
    masked = masked_raw(raw, REDACTOR)
    assert decoded(masked, predictor).error_class == "decode"
    assert KEY.encode() not in masked


def test_a_packed_body_with_a_secret_is_blotted_out() -> None:
    for said, kept in (("no secret", True), (KEY, False)):
        body = gzip.compress(json.dumps({"choices": [{"message": {"content": said}}]}).encode())
        raw = b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body)
        masked = masked_raw(raw, REDACTOR)
        assert len(masked) == len(raw)
        assert (masked == raw) is kept
        assert parse_response(masked, closed=True).body == (body if kept else b"*" * len(body))


def test_what_is_no_response_is_masked_as_it_is() -> None:
    assert masked_raw(f"oh {KEY}".encode(), REDACTOR) == f"oh {STARS}".encode()
