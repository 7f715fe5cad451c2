"""An answer's bytes in OpenAI's protocol.

Answers of one model differ only in their ids, their usage and their words, so everything around these is rendered once:
sending an event must cost little more than the system call.
"""

from __future__ import annotations

from dataclasses import dataclass

from fmbench_lib.emulator.behaviour import Plan, Task
from fmbench_lib.emulator.framing import LAST_CHUNK, head
from fmbench_lib.emulator.wires.base import Framing
from fmbench_lib.emulator.wires.content import WORDS, special_texts, words_from
from fmbench_lib.emulator.wires.messages import FAILED, SSE, JsonObject, dump, framed, sse, stream_head

CREATED = 1_700_000_000
_ID_PLACEHOLDER = "0" * 16
_REQUEST_ID_PLACEHOLDER = "<request id>"
_DONE = b"data: [DONE]\n\n"
Around = tuple[bytes, bytes]
"""The bytes before and after the part that varies."""


@dataclass(frozen=True, slots=True)
class Template:
    """The rendered parts of all answers of one kind, model and framing, split at the answer's id."""

    head: Around
    opening: Around
    events: tuple[Around, ...]
    """Indexed by the event's first word in `WORDS`."""
    reasoning_events: tuple[Around, ...]
    finish: dict[str, Around]


def render_template(task: Task, tokens_per_event: int, framing: Framing) -> Template:
    """The parts that all answers to requests like this one share."""

    def around(value: JsonObject) -> Around:
        before, _, after = framed(sse(value), framing).partition(_ID_PLACEHOLDER.encode())
        return before, after

    def events(kind: str) -> tuple[Around, ...]:
        texts = (words_from(first, tokens_per_event) for first in range(len(WORDS)))
        return tuple(around(_event_object(task, _ID_PLACEHOLDER, {kind: text})) for text in texts)

    before, _, after = _head(_REQUEST_ID_PLACEHOLDER, framing).partition(_REQUEST_ID_PLACEHOLDER.encode())
    chat = task.variant == "chat"
    opening = around(_event_object(task, _ID_PLACEHOLDER, {"role": "assistant", "content": ""})) if chat else (b"", b"")
    return Template(
        head=(before, after),
        opening=opening,
        events=events("content"),
        reasoning_events=events("reasoning_content" if chat else "content"),
        finish={reason: around(_event_object(task, _ID_PLACEHOLDER, {}, reason)) for reason in ("stop", "length")},
    )


class OpenAIAnswer:
    """One answer's bytes."""

    __slots__ = ("_framing", "_id", "_plan", "_reasoning_events", "_salt", "_special", "_task", "_template")

    def __init__(self, task: Task, plan: Plan, framing: Framing, template: Template) -> None:
        self._task = task
        self._plan = plan
        self._framing = framing
        self._template = template
        self._id = b"%016x" % plan.salt
        self._salt = plan.salt % len(WORDS)
        self._reasoning_events = plan.reasoning_events
        self._special = special_texts(plan, self._salt)

    def head(self, content_length: int | None = None) -> bytes:
        """The rendered headers with the request's id."""
        if content_length is not None:
            return _head(self._plan.request_id, self._framing, content_length)
        before, after = self._template.head
        return before + self._plan.request_id.encode("latin-1", "replace") + after

    def opening(self) -> bytes:
        """The role delta of a chat answer; nothing for completions."""
        return self._identified(self._template.opening)

    def event(self, index: int) -> bytes:
        """A rendered content event, or one built for a special text."""
        reasoning = index < self._reasoning_events
        if index in self._special:
            kind = "reasoning_content" if reasoning and self._task.variant == "chat" else "content"
            return self._frame(sse(_event_object(self._task, self._id.decode(), {kind: self._special[index]})))
        events = self._template.reasoning_events if reasoning else self._template.events
        before, after = events[(self._salt + index) % len(WORDS)]
        return before + self._id + after

    def malformed_event(self) -> bytes:
        """An event whose JSON ends too early."""
        return self._frame(b'data: {"id":"' + self._id + b'","choices":[{"index":0,"delta":{"content":\n\n')

    def error_event(self) -> bytes:
        """OpenAI's error object as an event."""
        return self._frame(sse(error_object(FAILED, 500)))

    def tail(self) -> bytes:
        """The finish reason, the usage if requested, and `[DONE]`."""
        finish = self._identified(self._template.finish[self._plan.finish_reason])
        if not self._plan.usage:
            return finish + self.end()
        event = _event_object(self._task, self._id.decode(), {})
        usage = sse({**event, "choices": [], "usage": self._usage(self._plan.tokens)})
        return finish + self._frame(usage) + self.end()

    def end(self) -> bytes:
        """`[DONE]`, and the last chunk of chunked coding."""
        return self._frame(_DONE) + (LAST_CHUNK if self._framing == "chunked" else b"")

    def body(self) -> bytes:
        """The completion object of an unstreamed answer."""
        texts = [self._text(index) for index in range(self._plan.events)]
        reasoning, text = "".join(texts[: self._reasoning_events]), "".join(texts[self._reasoning_events :])
        return self._body(text, reasoning, self._plan.tokens)

    def empty_body(self) -> bytes:
        """A completion object without text and tokens."""
        return self._body("", "", 0)

    def error_body(self) -> bytes:
        """OpenAI's error object."""
        return dump(error_object(FAILED, 500))

    def whole(self, body: bytes, length_offset: int = 0) -> bytes:
        """Headers and body, with the Content-Length off by `length_offset`."""
        headers = {"Content-Type": "application/json", "x-request-id": self._plan.request_id}
        return head(200, {**headers, "Content-Length": str(max(0, len(body) + length_offset))}) + body

    def _identified(self, part: Around) -> bytes:
        before, after = part
        return before + self._id + after if before else b""

    def _frame(self, data: bytes) -> bytes:
        return framed(data, self._framing)

    def _text(self, index: int) -> str:
        if index in self._special:
            return self._special[index]
        return words_from((self._salt + index) % len(WORDS), self._plan.tokens_per_event)

    def _body(self, text: str, reasoning: str, tokens: int) -> bytes:
        chat = self._task.variant == "chat"
        completion = _event_object(self._task, self._id.decode(), {"content": text if chat else reasoning + text})
        choice = completion["choices"][0]
        choice["finish_reason"] = self._plan.finish_reason
        if chat:
            completion["object"] = "chat.completion"
            del choice["delta"]
            choice["message"] = {"role": "assistant", "content": text}
            if reasoning:
                choice["message"]["reasoning_content"] = reasoning
        if self._plan.usage:
            completion["usage"] = self._usage(tokens)
        return dump(completion)

    def _usage(self, tokens: int) -> JsonObject:
        prompt_tokens = self._task.prompt_tokens
        return {
            "prompt_tokens": prompt_tokens,
            "completion_tokens": tokens,
            "total_tokens": prompt_tokens + tokens,
            "prompt_tokens_details": {"cached_tokens": self._plan.cached_tokens},
            "completion_tokens_details": {"reasoning_tokens": self._plan.reasoning_tokens if tokens else 0},
        }


def error_object(message: str, status: int) -> JsonObject:
    """An error in OpenAI's format."""
    kind = {429: "rate_limit_error", 400: "invalid_request_error", 404: "not_found_error"}.get(status, "server_error")
    return {"error": {"message": message, "type": kind, "param": None, "code": status}}


def _head(request_id: str, framing: Framing, content_length: int = 0) -> bytes:
    return stream_head(SSE, request_id, framing, content_length)


def _event_object(task: Task, answer_id: str, delta: dict[str, str], finish_reason: str | None = None) -> JsonObject:
    choice: JsonObject = {"index": 0}
    if task.variant == "chat":
        event = {"id": "chatcmpl-" + answer_id, "object": "chat.completion.chunk"}
        choice["delta"] = delta
    else:
        event = {"id": "cmpl-" + answer_id, "object": "text_completion"}
        choice["text"] = delta.get("content", "")
    return {**event, "created": CREATED, "model": task.model, "choices": [{**choice, "finish_reason": finish_reason}]}
