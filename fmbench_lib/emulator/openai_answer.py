"""An answer's bytes in OpenAI's protocol.

Answers of one model differ in their ids, their usage and the order of their words alone, so everything around those
is rendered once: sending an event must cost little more than the system call.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from fmbench_lib.emulator.behaviour import Ask, Plan
from fmbench_lib.emulator.framing import LAST_CHUNK, chunk, head
from fmbench_lib.emulator.wire import Framing

CREATED = 1_700_000_000
_ID_PLACE = "0" * 16
_REQUEST_ID_PLACE = "<request id>"
_DONE = b"data: [DONE]\n\n"
_FAILED = "the emulated server failed, as it was asked to"
_TEXT = (
    "the of and to in is that for it as was with be by on not he his but at are this have from or had an they "
    "which one you were her all she there would their we him been has when who will more no if out so said what "
    "up its about into than them can only other naïve 東京 größe 🙂"
)
WORDS: tuple[str, ...] = tuple(f" {word}" for word in _TEXT.split())
"""What answers are made of: each is one token by the emulator's count, a few are outside ASCII, as in real ones."""

Around = tuple[bytes, bytes]
"""What stands before and after the one thing that varies."""


@dataclass(frozen=True, slots=True)
class Template:
    """The rendered parts of all answers of one kind and model in one framing, around the place of the answer's id."""

    head: Around
    opening: Around
    events: tuple[Around, ...]
    """By the index in `WORDS` of the event's first word."""
    reasoning_events: tuple[Around, ...]
    finish: dict[str, Around]


def render_template(ask: Ask, tokens_per_event: int, framing: Framing) -> Template:
    """What all answers to requests like this one have in common."""

    def around(value: dict[str, Any]) -> Around:
        before, _, after = _framed(sse(value), framing).partition(_ID_PLACE.encode())
        return before, after

    def events(kind: str) -> tuple[Around, ...]:
        texts = (words_from(first, tokens_per_event) for first in range(len(WORDS)))
        return tuple(around(_event_object(ask, _ID_PLACE, {kind: text})) for text in texts)

    before, _, after = _head(_REQUEST_ID_PLACE, framing).partition(_REQUEST_ID_PLACE.encode())
    chat = ask.variant == "chat"
    opening = around(_event_object(ask, _ID_PLACE, {"role": "assistant", "content": ""})) if chat else (b"", b"")
    return Template(
        head=(before, after),
        opening=opening,
        events=events("content"),
        reasoning_events=events("reasoning_content" if chat else "content"),
        finish={reason: around(_event_object(ask, _ID_PLACE, {}, reason)) for reason in ("stop", "length")},
    )


class OpenAIAnswer:
    """One answer's bytes."""

    __slots__ = ("_ask", "_framing", "_id", "_plan", "_reasoning_events", "_salt", "_special", "_template")

    def __init__(self, ask: Ask, plan: Plan, framing: Framing, template: Template) -> None:
        self._ask = ask
        self._plan = plan
        self._framing = framing
        self._template = template
        self._id = b"%016x" % plan.salt
        self._salt = plan.salt % len(WORDS)
        self._reasoning_events = plan.reasoning_events
        self._special = _special_texts(plan, self._salt)

    def head(self, content_length: int | None = None) -> bytes:
        if content_length is not None:
            return _head(self._plan.request_id, self._framing, content_length)
        before, after = self._template.head
        return before + self._plan.request_id.encode("latin-1", "replace") + after

    def opening(self) -> bytes:
        return self._identified(self._template.opening)

    def event(self, index: int) -> bytes:
        reasoning = index < self._reasoning_events
        if index in self._special:
            kind = "reasoning_content" if reasoning and self._ask.variant == "chat" else "content"
            return self._frame(sse(_event_object(self._ask, self._id.decode(), {kind: self._special[index]})))
        events = self._template.reasoning_events if reasoning else self._template.events
        before, after = events[(self._salt + index) % len(WORDS)]
        return before + self._id + after

    def malformed_event(self) -> bytes:
        return self._frame(b'data: {"id":"' + self._id + b'","choices":[{"index":0,"delta":{"content":\n\n')

    def error_event(self) -> bytes:
        return self._frame(sse(error_object(_FAILED, 500)))

    def tail(self) -> bytes:
        finish = self._identified(self._template.finish[self._plan.finish_reason])
        if not self._plan.usage:
            return finish + self.end()
        made = _event_object(self._ask, self._id.decode(), {})
        usage = sse({**made, "choices": [], "usage": self._usage(self._plan.tokens)})
        return finish + self._frame(usage) + self.end()

    def end(self) -> bytes:
        return self._frame(_DONE) + (LAST_CHUNK if self._framing == "chunked" else b"")

    def body(self) -> bytes:
        texts = [self._text(index) for index in range(self._plan.events)]
        reasoning, text = "".join(texts[: self._reasoning_events]), "".join(texts[self._reasoning_events :])
        return self._body(text, reasoning, self._plan.tokens)

    def empty_body(self) -> bytes:
        return self._body("", "", 0)

    def error_body(self) -> bytes:
        return dump(error_object(_FAILED, 500))

    def whole(self, body: bytes, length_offset: int = 0) -> bytes:
        headers = {"Content-Type": "application/json", "x-request-id": self._plan.request_id}
        return head(200, {**headers, "Content-Length": str(max(0, len(body) + length_offset))}) + body

    def _identified(self, part: Around) -> bytes:
        before, after = part
        return before + self._id + after if before else b""

    def _frame(self, data: bytes) -> bytes:
        return _framed(data, self._framing)

    def _text(self, index: int) -> str:
        if index in self._special:
            return self._special[index]
        return words_from((self._salt + index) % len(WORDS), self._plan.tokens_per_event)

    def _body(self, text: str, reasoning: str, tokens: int) -> bytes:
        chat = self._ask.variant == "chat"
        made = _event_object(self._ask, self._id.decode(), {"content": text if chat else reasoning + text})
        choice = made["choices"][0]
        choice["finish_reason"] = self._plan.finish_reason
        if chat:
            made["object"] = "chat.completion"
            del choice["delta"]
            choice["message"] = {"role": "assistant", "content": text}
            if reasoning:
                choice["message"]["reasoning_content"] = reasoning
        if self._plan.usage:
            made["usage"] = self._usage(tokens)
        return dump(made)

    def _usage(self, tokens: int) -> dict[str, Any]:
        prompt_tokens = self._ask.prompt_tokens
        return {
            "prompt_tokens": prompt_tokens,
            "completion_tokens": tokens,
            "total_tokens": prompt_tokens + tokens,
            "prompt_tokens_details": {"cached_tokens": self._plan.cached_tokens},
            "completion_tokens_details": {"reasoning_tokens": self._plan.reasoning_tokens if tokens else 0},
        }


def words_from(first: int, count: int) -> str:
    """So many words, from this one on and round again."""
    return "".join(WORDS[(first + place) % len(WORDS)] for place in range(count))


def error_object(message: str, status: int) -> dict[str, Any]:
    """An error as OpenAI's protocol says it."""
    kind = {429: "rate_limit_error", 400: "invalid_request_error", 404: "not_found_error"}.get(status, "server_error")
    return {"error": {"message": message, "type": kind, "param": None, "code": status}}


def dump(value: Any) -> bytes:
    """Compact JSON in UTF-8."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def sse(value: Any) -> bytes:
    """A server-sent event."""
    return b"data: " + dump(value) + b"\n\n"


def _framed(data: bytes, framing: Framing) -> bytes:
    return chunk(data) if framing == "chunked" else data


def _head(request_id: str, framing: Framing, content_length: int = 0) -> bytes:
    end = {
        "chunked": ("Transfer-Encoding", "chunked"),
        "close": ("Connection", "close"),
        "length": ("Content-Length", str(content_length)),
    }
    headers = {"Content-Type": "text/event-stream; charset=utf-8", "Cache-Control": "no-cache"}
    return head(200, {**headers, "x-request-id": request_id, end[framing][0]: end[framing][1]})


def _event_object(ask: Ask, answer_id: str, delta: dict[str, str], finish_reason: str | None = None) -> dict[str, Any]:
    choice: dict[str, Any] = {"index": 0}
    if ask.variant == "chat":
        made = {"id": "chatcmpl-" + answer_id, "object": "chat.completion.chunk"}
        choice["delta"] = delta
    else:
        made = {"id": "cmpl-" + answer_id, "object": "text_completion"}
        choice["text"] = delta.get("content", "")
    return {**made, "created": CREATED, "model": ask.model, "choices": [{**choice, "finish_reason": finish_reason}]}


def _special_texts(plan: Plan, salt: int) -> dict[int, str]:
    """Texts of the events that are no run of `tokens_per_event` words: the echo, and the last of each kind."""
    texts: dict[int, str] = {}
    size = plan.tokens_per_event
    for end, tokens in (
        (plan.reasoning_events, plan.reasoning_tokens),
        (plan.events, plan.tokens - plan.reasoning_tokens),
    ):
        if tokens % size:
            texts[end - 1] = words_from((salt + end - 1) % len(WORDS), tokens % size)
    if plan.echo is not None and plan.events > plan.reasoning_events:
        texts[plan.reasoning_events] = plan.echo
    return texts
