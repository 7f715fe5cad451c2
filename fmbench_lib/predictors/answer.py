"""What all codecs have in common: collecting what the messages of one response say, and JSON from the wire."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from fmbench_lib.predictors.base import Completion, Event, HttpRequest, HttpResponse, http_error

_MOST_TOKENS = 2**53
_FAILED = frozenset(("error", "abort", "error_toxic", "error_limit"))
"""Reasons for an answer's end, in lower case, that mean a failure: SGLang, OpenRouter, vLLM, TGI, LMI, Cohere."""


@dataclass(slots=True)
class Answer:
    """Collects what the messages of one response say; `done` is set by the message that ends the answer.

    Token counts are the server's own, through `count`; what it doesn't say stays None.
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

    def say(self, content: Any, end_offset: int, *, reasoning: bool = False) -> None:
        """Add a piece of content, if it is one."""
        words = text(content)
        if words:
            self.events.append(Event(end_offset, words, reasoning=reasoning))

    def add_vector(self, end_offset: int) -> None:
        """Add content that is no text, such as an embedding: it has a time of arrival, and no tokens were made."""
        self.events.append(Event(end_offset, ""))
        self.completion_tokens = 0

    def finish(self, reason: Any) -> None:
        """Take why the answer ended, if that is said; some reasons mean that it failed."""
        said = text(reason)
        self.finish_reason = said or self.finish_reason
        if said.lower() in _FAILED:
            self.fail("endpoint", f"the server ended the answer with finish_reason `{said}`")

    def fail(self, error_class: str, message: str) -> None:
        """Keep the first thing that went wrong."""
        if self.error is None:
            self.error = (error_class, message)

    def completion(self, response: HttpResponse, request_id_header: str = "x-request-id") -> Completion:
        """The whole, with the error class that fits when it is no success."""
        if not response.complete or (self.streamed and not self.done):
            self.fail("truncated", "the response ended before its last event")
        if not self.events:
            self.fail("empty", "the response holds no content")
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
    """What `read` finds in a response with status 200; where it raises ValueError, that is a `decode` error."""
    if response.status != 200:
        return http_error(response, error_text(response.body))
    answer = Answer(streamed)
    try:
        read(response, answer)
    except (ValueError, RecursionError) as error:
        answer.fail("decode", f"the body is not what the protocol allows: {error}")
    return answer.completion(response)


def read_messages(
    response: HttpResponse,
    answer: Answer,
    pieces: Iterable[tuple[int, bytes]],
    take: Callable[[dict[str, Any], int, Answer], None],
    needed: str | None = None,
) -> None:
    """Add the JSON objects of an answer by `take`: those of `pieces` of a stream, to its end or its first error, else
    the whole body, which must hold the key `needed`. Raises ValueError where they are no objects, or it does not."""
    if answer.streamed:
        for end_offset, data in pieces:
            take(json_object(data), end_offset, answer)
            if answer.error is not None or answer.done:
                return
    elif response.complete:
        message = json_object(response.body)
        take(message, len(response.body), answer)
        if needed is not None and needed not in message and answer.error is None:
            raise ValueError(f"there is no {needed}")


def json_request(
    url: str, body: Mapping[str, Any], headers: Mapping[str, str], api_key: str | None, accept: str
) -> HttpRequest:
    """A POST of a JSON object; the experiment's own headers win over the usual ones, its key wins over all."""
    sent = {
        "content-type": "application/json",
        "accept": accept,
        **{name.lower(): value for name, value in headers.items()},
    }
    if api_key is not None:
        sent["authorization"] = f"Bearer {api_key}"
    return HttpRequest("POST", url, tuple(sent.items()), json.dumps(body).encode())


def json_object(data: bytes) -> dict[str, Any]:
    """A JSON object; raises ValueError for anything else."""
    value = json.loads(data)
    if not isinstance(value, dict):
        raise ValueError(f"an object was expected, not {data[:80]!r}")
    return value


def content_type(response: HttpResponse) -> str:
    """What a response says that its body is, in lower case and with its parameters; "" where it says nothing."""
    return (response.header("content-type") or "").lower()


def text(value: Any) -> str:
    """A string that can be encoded: JSON can spell half a surrogate pair, which no file takes; "" for anything else."""
    if not isinstance(value, str):
        return ""
    return value if value.isascii() else value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def count(value: Any) -> int | None:
    """A number of tokens, None for what is none."""
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < _MOST_TOKENS else None


def message_of(error: Any) -> str:
    """What an error says, however it is wrapped."""
    if isinstance(error, dict):
        said = next(filter(None, (text(error.get(key)) for key in ("message", "Message", "error", "detail"))), "")
        return said or json.dumps(error)
    return text(error) or json.dumps(error)


def error_text(body: bytes) -> str:
    """The readable part of an error response."""
    try:
        found = json.loads(body)
        if isinstance(found, dict) and found.get("error") is not None:
            return message_of(found["error"])
        return message_of(found)
    except (ValueError, RecursionError):
        return body[:300].decode(errors="replace").strip()
