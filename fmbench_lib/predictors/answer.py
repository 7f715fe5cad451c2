"""What all codecs share: collecting the contents of a response, and JSON from the wire."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from fmbench_lib.predictors.base import Completion, Event, HttpRequest, HttpResponse, http_error

_MOST_TOKENS = 2**53
_FAILED = frozenset(("error", "abort", "error_toxic", "error_limit"))
"""Finish reasons, in lower case, that mean a failure: SGLang, OpenRouter, vLLM, TGI, LMI, Cohere."""


@dataclass(slots=True)
class Answer:
    """Collects the contents of one response; `done` is set by the message that ends the answer.

    Token counts are the server's, validated by `count`; one that it does not send stays None.
    """

    streamed: bool
    events: list[Event] = field(default_factory=list)
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    cached_tokens: int | None = None
    finish_reason: str | None = None
    response_id: str | None = None
    done: bool = False
    error: tuple[str, str] | None = None

    def add_text(self, content: Any, end_offset: int, *, reasoning: bool = False) -> None:
        """Add a content event, unless the content is empty or not text."""
        piece = text(content)
        if piece:
            self.events.append(Event(end_offset, piece, reasoning=reasoning))

    say = add_text  # its name in users' codecs of earlier versions

    def add_vector(self, end_offset: int) -> None:
        """Add content other than text, such as an embedding: it has an arrival time, and no tokens were generated."""
        self.events.append(Event(end_offset, ""))
        self.completion_tokens = 0

    def finish(self, reason: Any) -> None:
        """Record the finish reason, if there is one; some reasons mean that the answer failed."""
        name = text(reason)
        self.finish_reason = name or self.finish_reason
        if name.lower() in _FAILED:
            self.fail("endpoint", f"the server ended the answer with finish_reason `{name}`")

    def fail(self, error_class: str, message: str) -> None:
        """Record an error, unless one is recorded already."""
        if self.error is None:
            self.error = (error_class, message)

    def completion(self, response: HttpResponse, request_id_header: str = "x-request-id") -> Completion:
        """The completion, with an error class unless it is a success."""
        if not response.complete or (self.streamed and not self.done):
            self.fail("truncated", "the response ended before its last event")
        if not self.events:
            self.fail("empty", "the response has no content")
        error_class, error_message = self.error or (None, None)
        return Completion(
            text="".join(event.text for event in self.events if not event.reasoning),
            events=tuple(self.events),
            streamed=self.streamed,
            prompt_tokens=self.prompt_tokens,
            completion_tokens=self.completion_tokens,
            cached_tokens=self.cached_tokens,
            finish_reason=self.finish_reason,
            server_request_id=response.header(request_id_header) or self.response_id,
            error_class=error_class,
            error_message=error_message[:500] if error_message is not None else None,
        )


def decoded(response: HttpResponse, streamed: bool, read: Callable[[HttpResponse, Answer], None]) -> Completion:
    """The completion of a response: what `read` adds for status 200, else an HTTP error.

    A ValueError of `read` becomes a `decode` error.
    """
    if response.status != 200:
        return http_error(response, error_text(response.body))
    answer = Answer(streamed)
    try:
        read(response, answer)
    except (ValueError, RecursionError) as error:
        answer.fail("decode", f"the body does not follow the protocol: {error}")
    return answer.completion(response)


def read_messages(
    response: HttpResponse,
    answer: Answer,
    pieces: Iterable[tuple[int, bytes]],
    take: Callable[[dict[str, Any], int, Answer], None],
    needed: str | None = None,
) -> None:
    """Pass the JSON objects of an answer to `take`: those in the `pieces` of a stream, up to its end or first error,
    else the whole body, which must have the key `needed`.

    :raises ValueError: something is not a JSON object, or the key is missing.
    """
    if answer.streamed:
        for end_offset, data in pieces:
            take(json_object(data), end_offset, answer)
            if answer.error is not None or answer.done:
                return
    elif response.complete:
        message = json_object(response.body)
        take(message, len(response.body), answer)
        if needed is not None and needed not in message and answer.error is None:
            raise ValueError(f"{needed} is missing")


def json_request(
    url: str, body: Mapping[str, Any], headers: Mapping[str, str], api_key: str | None, accept: str
) -> HttpRequest:
    """A POST of a JSON object. The experiment's headers override the defaults, and its key overrides both."""
    sent = {
        "content-type": "application/json",
        "accept": accept,
        **{name.lower(): value for name, value in headers.items()},
    }
    if api_key is not None:
        sent["authorization"] = f"Bearer {api_key}"
    return HttpRequest("POST", url, tuple(sent.items()), json.dumps(body).encode())


def json_object(data: bytes) -> dict[str, Any]:
    """The JSON object in `data`.

    :raises ValueError: it is anything else.
    """
    value = json.loads(data)
    if not isinstance(value, dict):
        raise ValueError(f"expected an object, not {data[:80]!r}")
    return value


def content_type(response: HttpResponse) -> str:
    """The response's content type in lower case, with its parameters; "" if it has none."""
    return (response.header("content-type") or "").lower()


def text(value: Any) -> str:
    """The value if it is a string, without lone surrogates, which JSON can spell but no file can hold; else ""."""
    if not isinstance(value, str):
        return ""
    return value if value.isascii() else value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def count(value: Any) -> int | None:
    """The value if it is a valid number of tokens, else None."""
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < _MOST_TOKENS else None


def message_of(error: Any) -> str:
    """The message of an error object in one of its usual forms; any other object as JSON."""
    if isinstance(error, dict):
        message = next(filter(None, (text(error.get(key)) for key in ("message", "Message", "error", "detail"))), "")
        return message or json.dumps(error)
    return text(error) or json.dumps(error)


def error_text(body: bytes) -> str:
    """The message in the body of an error response; the start of the body if it is not JSON."""
    try:
        value = json.loads(body)
        if isinstance(value, dict) and value.get("error") is not None:
            return message_of(value["error"])
        return message_of(value)
    except (ValueError, RecursionError):
        return body[:300].decode(errors="replace").strip()
