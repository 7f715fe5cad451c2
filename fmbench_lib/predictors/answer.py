"""What all codecs share: collecting the contents of a response, and JSON from the wire."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any

from fmbench_lib.config.schema.api_key import key_header
from fmbench_lib.predictors.base import Completion, Event, HttpRequest, HttpResponse, http_error
from fmbench_lib.predictors.cumulative import without_repetition
from fmbench_lib.predictors.finish_reasons import is_no_reason, means_failure
from fmbench_lib.predictors.server_errors import error_text, failure_in, first_words, message_of
from fmbench_lib.predictors.streams import (
    behind_events,
    form_of,
    is_end,
    is_keep_alive,
    is_plain_text,
    is_stream_text,
    json_lines,
    sse_data,
)
from fmbench_lib.predictors.usage import count, settle_counts

_TEXT, _REASONING = itemgetter(1), itemgetter(2)
_BLANK = b"\xef\xbb\xbf \r\n\t"
_BEGINNINGS_OF_JSON = (b"{", b"[", b'"')
_COUNTED = ("prompt", "completion", "cached", "cache_write", "total", "reasoning")
_COUNTS = tuple(f"{what}_tokens" for what in _COUNTED)
_MOST_CHOICES = 1024
_GROWING = frozenset(("completion_tokens", "total_tokens", "reasoning_tokens"))
MOST_EVENTS = 500_000
"""Of one response: more than any model writes, and few enough to be held in memory."""


@dataclass(slots=True)
class Answer:
    """Collects the contents of one response; `done` is set by the message that ends the answer.

    `open_ended`: the stream's format has no such message, and complete framing is the only sign of its end.

    Token counts are the server's, validated by `count`; one that it does not send stays None. `total_tokens` is that of
    prompt and completion, `indexes` are those of the answers to the one prompt.
    """

    streamed: bool
    events: list[Event] = field(default_factory=list)
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None
    total_tokens: int | None = None
    reasoning_tokens: int | None = None
    indexes: set[Any] = field(default_factory=set, compare=False)
    finish_reason: str | None = None
    response_id: str | None = None
    done: bool = False
    open_ended: bool = False
    error: tuple[str, str] | None = None
    texts: int | None = None
    scores: tuple[float, ...] = ()
    vectors: Sequence[Any] = ()

    @property
    def choices(self) -> int:
        """How many answers to the one prompt there are."""
        return max(1, min(len(self.indexes), _MOST_CHOICES))

    def add_counts(self, **counts: Any) -> None:
        """Add token counts by field. An absent or invalid one erases none that is known, nor does a zero.

        What was generated grows while it streams: a smaller count of it that comes later is that of one message.
        """
        for name, value in counts.items():
            number = count(value)
            known = getattr(self, name)
            if number is not None and (known is None or (number and (number > known or name not in _GROWING))):
                setattr(self, name, number)

    def add_text(self, content: Any, end_offset: int, *, reasoning: bool = False) -> None:
        """Add a content event, unless the content is empty or not text."""
        piece = text(content)
        if piece:
            self.events.append(Event(end_offset, piece, reasoning=reasoning))

    say = add_text  # its name in users' codecs of earlier versions

    def add_media(self, end_offset: int) -> None:
        """Add content that is not text, such as sound or an image: it has an arrival time."""
        self.events.append(Event(end_offset, ""))

    def add_vector(self, end_offset: int, vectors: Sequence[Any] = (None,)) -> None:
        """Add embeddings, as they were sent: content other than text has an arrival time, and no tokens were
        generated."""
        self.events.append(Event(end_offset, ""))
        self.completion_tokens, self.texts, self.vectors = 0, len(vectors), vectors

    def add_scores(self, scores: tuple[float, ...], end_offset: int) -> None:
        """Add the relevance of each document, NaN for one without."""
        self.events.append(Event(end_offset, ""))
        self.completion_tokens, self.texts, self.scores = 0, len(scores), scores

    def finish(self, reason: Any) -> None:
        """Record the finish reason, if there is one; some reasons mean that the answer failed."""
        name = text(reason)
        if is_no_reason(name) or name == self.finish_reason:
            return
        self.finish_reason = name
        if means_failure(name):
            self.fail("endpoint", f"the server ended the answer with finish_reason `{name}`")

    def fail(self, error_class: str, message: str) -> None:
        """Record an error, unless one is recorded already."""
        if self.error is None:
            self.error = (error_class, message)

    def is_too_long(self) -> bool:
        """Whether there are more events than are held in memory, which is recorded as an error then."""
        if len(self.events) <= MOST_EVENTS:
            return False
        self.fail("protocol", f"the response has more than {MOST_EVENTS:,} pieces of content")
        return True

    def failed_by(self, message: Mapping[str, Any]) -> bool:
        """Whether a message of the answer reports an error, which is recorded then."""
        failure = failure_in(message)
        if failure is not None:
            self.fail("endpoint", message_of(failure))
        return failure is not None

    def is_over(self) -> bool:
        """Whether the answer has content and the message that ends it: what comes now is no part of it."""
        return self.done and bool(self.events)

    def completion(self, response: HttpResponse, request_id_header: str = "x-request-id") -> Completion:
        """The completion, with an error class unless it is a success."""
        if not response.complete or (self.streamed and not (self.done or self.open_ended)):
            said = "" if self.events or not response.complete else first_words(response.body)
            ended = "the response ended before its last event"
            self.fail("truncated", f"{ended}; it begins: {said}" if said else ended)
        if not self.events:
            said = first_words(response.body)
            self.fail("empty", f"the response has no content: {said}" if said else "the response has no content")
        events, cumulative = without_repetition(self.events)
        unknown_zeros = settle_counts(self)
        error_class, error_message = self.error or (None, None)
        return Completion(
            text=_answer_text(events),
            events=tuple(events),
            streamed=self.streamed,
            prompt_tokens=self.prompt_tokens,
            completion_tokens=self.completion_tokens,
            cached_tokens=self.cached_tokens,
            cache_write_tokens=self.cache_write_tokens,
            reasoning_tokens=self.reasoning_tokens,
            choices=self.choices,
            unknown_zeros=unknown_zeros,
            cumulative=cumulative,
            finish_reason=self.finish_reason,
            server_request_id=response.header(request_id_header) or self.response_id,
            error_class=error_class,
            error_message=error_message[:500] if error_message is not None else None,
            texts=self.texts,
            scores=self.scores,
            vectors=self.vectors,
        )


def _answer_text(events: Sequence[Event]) -> str:
    if any(map(_REASONING, events)):
        return "".join(event.text for event in events if not event.reasoning)
    return "".join(map(_TEXT, events))


def decoded(response: HttpResponse, streamed: bool, read: Callable[[HttpResponse, Answer], None]) -> Completion:
    """The completion of a response: what `read` adds for status 200, else an HTTP error.

    A ValueError of `read` becomes an error that has the server's words: `endpoint` for what is no JSON at all, as a
    proxy's page is, else `decode`.
    """
    if response.status != 200:
        return http_error(response, error_text(response.body))
    answer = Answer(streamed)
    try:
        read(response, answer)
        if streamed and response.complete and not (answer.events or answer.done or is_stream_text(response.body)):
            _fail_by_page(answer, response)
        elif streamed and not (answer.done or answer.open_ended) and (said := behind_events(response.body)):
            answer.fail("endpoint", first_words(said) if said.startswith(b"<") else error_text(said))
    except (ValueError, RecursionError) as error:
        fail_unreadable(answer, response, f"the body does not follow the protocol: {error}")
    return answer.completion(response)


def fail_unreadable(answer: Answer, response: HttpResponse, reason: str) -> None:
    """Record that a body is empty, or could not be read, with its first words: as the endpoint's error where it is no
    JSON."""
    body = response.body.lstrip(_BLANK)
    if body.startswith(b"[") and (failure := _failure_in_list(body)) is not None:
        answer.fail("endpoint", message_of(failure))
    elif not body or (not answer.streamed and body[:1] not in _BEGINNINGS_OF_JSON):
        _fail_by_page(answer, response)
    else:
        said = first_words(body)
        answer.fail("decode", f"{reason}; the body begins: {said}" if said else reason)


def _fail_by_page(answer: Answer, response: HttpResponse) -> None:
    """Record that the body is none of the protocol, as a proxy's page, or that there is none."""
    body = response.body.lstrip(_BLANK)
    if not body:
        answer.fail("empty", "the response has no body")
        return
    kind = content_type(response).partition(";")[0] or "text"
    answer.fail("endpoint", f"the server answered with {kind} in place of the protocol: {first_words(body)}")


def _failure_in_list(body: bytes) -> Any:
    """What a list of one object reports as an error, as Google's servers do; None for anything else."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return None
    alone = value[0] if isinstance(value, list) and len(value) == 1 else None
    return failure_in(alone) if isinstance(alone, dict) else None


def parsed(data: bytes, answer: Answer) -> Any:
    """The JSON value of a message in a stream; None where it is plain text, which is recorded as the error it is,
    and an empty object for a word that only keeps the connection alive.

    :raises ValueError: it begins as JSON and is not.
    """
    try:
        return json.loads(data)
    except ValueError:
        if data[:1] in _BEGINNINGS_OF_JSON or not is_plain_text(data):
            raise
        if is_keep_alive(data):
            return {}
        answer.fail("endpoint", first_words(data))
        return None


def read_messages(
    response: HttpResponse,
    answer: Answer,
    pieces: Iterable[tuple[int, bytes]],
    take: Callable[[dict[str, Any], int, Answer], None],
    needed: str | None = None,
) -> None:
    """Pass the JSON objects of an answer to `take`: those in the `pieces` of a stream, up to its first error, else the
    whole body, which must have the key `needed`.

    :raises ValueError: something is not a JSON object, or the key is missing.
    """
    if answer.streamed:
        rest = iter(pieces)
        for end_offset, data in rest:
            if is_end(data):
                answer.done = True
            else:
                message = parsed(data, answer)
                if isinstance(message, dict):
                    take(message, end_offset, answer)
                elif answer.error is None:
                    raise ValueError(f"expected an object, not {data[:80]!r}")
            if answer.error is not None or answer.is_too_long():
                return
            if answer.is_over():
                take_trailing_counts(rest, answer, take)
    elif response.complete:
        message = json_object(response.body)
        take(message, len(response.body), answer)
        if needed is not None and needed not in message and answer.error is None:
            raise ValueError(f"{needed} is missing")


def is_streamed(response: HttpResponse) -> bool:
    """Whether a body is a stream of messages, by its shape or its content type."""
    return form_of(content_type(response), response.body) != "whole"


def pieces_of(response: HttpResponse) -> Iterator[tuple[int, bytes]]:
    """The messages of a stream, each with the offset just after it."""
    if form_of(content_type(response), response.body) == "events":
        return sse_data(response.body, complete=response.complete)
    return json_lines(response.body, complete=response.complete)


def take_trailing_counts(
    pieces: Iterable[tuple[int, bytes]], answer: Answer, take: Callable[[dict[str, Any], int, Answer], object]
) -> None:
    """Read what follows the end of an answer: token counts are added, and nothing else makes a difference to it."""
    for end_offset, data in pieces:
        trailing = Answer(answer.streamed)
        try:
            message = json.loads(data)
            if isinstance(message, dict):
                take(message, end_offset, trailing)
        except (ValueError, RecursionError):
            continue
        if trailing.error is None:
            answer.add_counts(**{name: getattr(trailing, name) for name in _COUNTS})


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
        name, value = key_header(api_key, url)
        sent[name] = value
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


def is_true(value: Any) -> bool:
    """Whether a flag is set; some servers send `"false"` as text."""
    return bool(value) and not (isinstance(value, str) and value.strip().lower() in ("false", "0", "no"))


def text(value: Any) -> str:
    """The value if it is a string, without lone surrogates, which JSON can spell but no file can hold; else ""."""
    if not isinstance(value, str):
        return ""
    return value if value.isascii() else value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
