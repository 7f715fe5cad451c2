"""The OpenAI protocol: chat completions and completions, streamed (server-sent events) or not.

Spoken by vLLM, SGLang, llama.cpp, NIM, TGI's messages API and many others; what they add to the body goes into the
experiment's parameters and is sent as it is.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from fmbench_lib.predictors.base import Completion, Event, HttpRequest, HttpResponse, http_error

_ANSWER_KEYS = ("content", "text", "refusal")
_REASONING_KEYS = ("reasoning_content", "reasoning")
_MOST_TOKENS = 2**53


@dataclass(frozen=True, slots=True)
class OpenAiPredictor:
    """Codec for one endpoint address. Which of the two request forms is meant follows from the address's path."""

    url: str
    model: str | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    stream: bool = True
    api_key: str | None = field(default=None, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)

    def encode(self, prompt: str, max_tokens: int | None = None) -> HttpRequest:
        body: dict[str, Any] = {} if self.model is None else {"model": self.model}
        if urlsplit(self.url).path.endswith("/chat/completions"):
            body["messages"] = [{"role": "user", "content": prompt}]
        else:
            body["prompt"] = prompt
        body.update(self.parameters)
        if max_tokens is not None:
            body["max_completion_tokens" if "max_completion_tokens" in body else "max_tokens"] = max_tokens
        body["stream"] = self.stream
        options = body.pop("stream_options", {})
        if self.stream and options is not None:  # null: the server knows no such thing
            body["stream_options"] = {"include_usage": True, **options}
        headers = {
            "content-type": "application/json",
            "accept": "text/event-stream" if self.stream else "application/json",
            **{name.lower(): value for name, value in self.headers.items()},
        }
        if self.api_key is not None:
            headers["authorization"] = f"Bearer {self.api_key}"
        return HttpRequest("POST", self.url, tuple(headers.items()), json.dumps(body).encode())

    def decode(self, response: HttpResponse) -> Completion:
        if response.status != 200:
            return http_error(response, _error_text(response.body))
        kind = (response.header("content-type") or "").lower()
        streamed = kind.startswith("text/event-stream") or response.body.startswith(b"data:")
        answer = _Answer(streamed=streamed)
        try:
            if streamed:
                _read_stream(response.body, answer)
            elif response.complete:
                answer.take(json.loads(response.body), len(response.body))
                answer.done = True
        except (ValueError, RecursionError) as error:
            answer.fail("decode", f"the body is not what the protocol allows: {error}")
        return answer.completion(response)


@dataclass(slots=True)
class _Answer:
    """Collects what the objects of one response say."""

    streamed: bool
    events: list[Event] = field(default_factory=list)
    usage: Mapping[str, Any] = field(default_factory=dict)
    cached_tokens: int | None = None
    finish_reason: str | None = None
    response_id: str | None = None
    done: bool = False
    error: tuple[str, str] | None = None

    def fail(self, error_class: str, message: str) -> None:
        """Keep the first thing that went wrong."""
        if self.error is None:
            self.error = (error_class, message)

    def take(self, message: Any, end_offset: int) -> None:
        """Add one JSON object whose last byte is at `end_offset`; raises ValueError when it has another shape."""
        if not isinstance(message, dict):
            raise ValueError(f"an object was expected, not {json.dumps(message)[:80]}")
        error = message if message.get("object") == "error" else message.get("error")  # the former: older vLLM
        if error is not None:
            self.fail("endpoint", _message_of(error))
            return
        self.response_id = self.response_id or _text(message.get("id")) or None
        self._take_usage(message)
        choices = message.get("choices") or []
        if not isinstance(choices, list):
            raise ValueError("`choices` is not a list")
        for choice in choices:
            if not isinstance(choice, dict):
                raise ValueError("a choice is not an object")
            self._take_choice(choice, end_offset)

    def _take_usage(self, message: Mapping[str, Any]) -> None:
        usage = message.get("usage")
        if isinstance(usage, dict):
            self.usage = usage
            details = usage.get("prompt_tokens_details")
            if isinstance(details, dict):
                self.cached_tokens = _count(details.get("cached_tokens"))
        timings = message.get("timings")  # llama.cpp says here how much of the prompt its cache held
        if self.cached_tokens is None and isinstance(timings, dict):
            self.cached_tokens = _count(timings.get("cache_n"))

    def _take_choice(self, choice: Mapping[str, Any], end_offset: int) -> None:
        self.finish_reason = _text(choice.get("finish_reason")) or self.finish_reason
        delta = choice.get("delta") or choice.get("message") or choice
        if not isinstance(delta, dict):
            raise ValueError("a choice holds no object")
        answer = next(filter(None, (_text(delta.get(key)) for key in _ANSWER_KEYS)), "")
        answer = answer or _tool_text(delta.get("tool_calls"))
        reasoning = next(filter(None, (_text(delta.get(key)) for key in _REASONING_KEYS)), "")
        if reasoning and not (answer and self.streamed):  # both in one chunk arrive as one event
            self.events.append(Event(end_offset, reasoning, reasoning=True))
        if answer:
            self.events.append(Event(end_offset, answer))

    def completion(self, response: HttpResponse) -> Completion:
        """The whole, with the error class that fits when it is no success."""
        if not response.complete or (self.streamed and not self.done and self.finish_reason is None):
            self.fail("truncated", "the response ended before its last event")
        if not self.events:
            self.fail("empty", "the response holds no content")
        error_class, error_message = self.error or (None, None)
        return Completion(
            text="".join(event.text for event in self.events if not event.reasoning),
            events=tuple(self.events),
            streamed=self.streamed,
            prompt_tokens=_count(self.usage.get("prompt_tokens")),
            completion_tokens=_count(self.usage.get("completion_tokens")),
            cached_tokens=self.cached_tokens,
            finish_reason=self.finish_reason,
            server_request_id=response.header("x-request-id") or self.response_id,
            error_class=error_class,
            error_message=error_message[:500] if error_message is not None else None,
        )


def _read_stream(body: bytes, answer: _Answer) -> None:
    for end_offset, data in _data_lines(body):
        if data == b"[DONE]":
            answer.done = True
            return
        answer.take(json.loads(data), end_offset)
        if answer.error is not None:
            return


def _data_lines(body: bytes) -> Iterator[tuple[int, bytes]]:
    """The `data:` lines of an event stream with the offset just behind each; an unfinished last line is left out."""
    start = 0
    while (end := body.find(b"\n", start)) >= 0:
        line = body[start:end].rstrip(b"\r")
        start = end + 1
        if line.startswith(b"data:"):
            data = line[5:].strip()
            if data:
                yield start, data
        elif line.startswith(b"error:"):  # llama.cpp's older form of an error in mid-stream
            yield start, b'{"error":' + line[6:].strip() + b"}"


def _tool_text(calls: Any) -> str:
    """The text of tool-call deltas: they are generated tokens like any other content."""
    if not isinstance(calls, list):
        return ""
    functions = (call.get("function") for call in calls if isinstance(call, dict))
    return "".join(
        _text(function.get("name")) + _text(function.get("arguments"))
        for function in functions
        if isinstance(function, dict)
    )


def _text(value: Any) -> str:
    """A string that can be encoded: JSON can spell half a surrogate pair, which no file takes; "" for anything else."""
    if not isinstance(value, str):
        return ""
    return value if value.isascii() else value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _count(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < _MOST_TOKENS else None


def _message_of(error: Any) -> str:
    if isinstance(error, dict):
        return _text(error.get("message")) or json.dumps(error)
    return _text(error) or json.dumps(error)


def _error_text(body: bytes) -> str:
    """The readable part of an error response."""
    try:
        message = json.loads(body)
        if isinstance(message, dict) and message.get("error") is not None:
            return _message_of(message["error"])
        return _message_of(message)
    except (ValueError, RecursionError):
        return body[:300].decode(errors="replace").strip()
