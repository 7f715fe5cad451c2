"""What a codec is: it turns a prompt into a request's bytes and a response's bytes into text, tokens and events.

A codec never touches a socket and never sees a clock. The engine stamps raw reads; a codec says at which byte of the
body each event was complete, and the recorder puts the two together.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, Protocol

from fmbench_lib.aws.signing import Signing


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """One request as the engine sends it; `url` is absolute, `headers` leaves out Host and Content-Length.

    `signing` says what AWS is to have it signed for, by whoever sends it and just before.
    """

    method: str
    url: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    signing: Signing | None = None


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """One response with its transfer coding undone. `complete` is False where the connection ended too early.

    `headers` holds lower-case names.
    """

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes
    complete: bool = True

    def header(self, name: str) -> str | None:
        """The first value of a header, or None."""
        return next((value for key, value in self.headers if key == name), None)


class Event(NamedTuple):
    """A piece of content that became readable when byte `end_offset` of the body had arrived."""

    end_offset: int
    text: str
    reasoning: bool = False


@dataclass(frozen=True, slots=True)
class Completion:
    """What a response says. Token counts are the server's own and None where it gave none.

    `error_class` is None for a success; text and events that came before an error are kept as evidence. `every_event`
    is False where `events` are only the first and the last of what was read: then what lies between them is no ITL.
    """

    text: str = ""
    events: tuple[Event, ...] = ()
    streamed: bool = False
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    cached_tokens: int | None = None
    finish_reason: str | None = None
    server_request_id: str | None = None
    error_class: str | None = None
    error_message: str | None = None
    every_event: bool = True


@dataclass(frozen=True, slots=True)
class Sent:
    """What every request of an experiment carries beside its prompt.

    `signing` is set for protocols of AWS when there is no API key.
    """

    parameters: Mapping[str, Any]
    api_key: str | None = field(default=None, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    signing: Signing | None = None


class Predictor(Protocol):
    """A codec for one wire protocol and one experiment's parameters.

    One whose endpoint may begin its answers with the prompt says so with an attribute `echoes_prompt` that is true.
    """

    def encode(self, prompt: str, max_tokens: int | None = None) -> HttpRequest:
        """The request that asks for the completion of `prompt`.

        `max_tokens`, where given, takes the place of the experiment's own limit of the answer's tokens.
        """

    def decode(self, response: HttpResponse) -> Completion:
        """What the response says; never raises: bytes that make no sense are an `error_class` of the completion."""


def http_error(response: HttpResponse, message: str) -> Completion:
    """The completion of a response whose status is not 200.

    429 has a class of its own; a redirect is refused, since following it would measure another address than asked.
    """
    status = response.status
    if status == 429:
        error_class = "http_429"
    elif 400 <= status < 500:
        error_class = "http_4xx"
    elif status >= 500:
        error_class = "http_5xx"
    else:
        error_class = "protocol"
        target = response.header("location")
        if target is not None:
            message = f"redirect to {target} refused: give the final address as ep_name"
    return Completion(error_class=error_class, error_message=f"HTTP {status}: {message}"[:500])


def may_echo_prompt(predictor: Predictor) -> bool:
    """Whether a codec says that its endpoint may begin its answers with the prompt."""
    return bool(getattr(predictor, "echoes_prompt", False))


def without_prompt(completion: Completion, prompt: str) -> Completion:
    """A completion without the prompt that its first event begins with; the same where it begins otherwise."""
    if not completion.events or not prompt or not completion.events[0].text.startswith(prompt):
        return completion
    first, *others = completion.events
    rest = first.text.removeprefix(prompt)
    events = (*([first._replace(text=rest)] if rest else []), *others)
    shorter = replace(completion, text=completion.text.removeprefix(prompt), events=events)
    if events or completion.error_class is not None:
        return shorter
    return replace(shorter, error_class="empty", error_message="the response holds nothing but the prompt")
