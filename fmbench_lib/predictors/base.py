"""The interface of a codec: from a prompt to the bytes of a request, from the bytes of a response to text and tokens.

A codec never touches a socket or a clock. The engine stamps raw reads, the codec gives the byte of the body at which
each event was complete, and the recorder combines the two.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

if TYPE_CHECKING:  # every decoding process imports this module, and none signs
    from fmbench_lib.aws.signing import Signing


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """One request as the engine sends it; `url` is absolute, `headers` leaves out Host and Content-Length.

    `signing` is what the request is signed for on AWS; the sender signs it just before sending.
    """

    method: str
    url: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    signing: Signing | None = None


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """One response with its transfer coding removed.

    `complete` is False if the connection ended too early. Names in `headers` are lower case.
    """

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes
    complete: bool = True

    def header(self, name: str) -> str | None:
        """The first value of a header, or None."""
        return next((value for key, value in self.headers if key == name), None)


class Event(NamedTuple):
    """A piece of content that was complete once `end_offset` bytes of the body had arrived."""

    end_offset: int
    text: str
    reasoning: bool = False


@dataclass(frozen=True, slots=True)
class Completion:
    """The contents of a response. Token counts are the server's, None for those it did not send.

    `error_class` is None for a success; text and events from before an error are kept as evidence. `every_event` is
    False if `events` are only the first and last of the response: the time between them is then not an ITL.
    `cached_tokens` of the prompt were read from a cache, `cache_write_tokens` written to it.
    `reasoning_tokens` are part of `completion_tokens`, shown or not. `choices`: how many answers came, interleaved.
    `unknown_zeros`: the sides, `prompt` or `completion`, that the server counted as 0 beside text. `cumulative` and
    `echoed`: text was removed that repeats what came before, or the prompt. `texts`: how many texts were embedded or
    ranked, None where the answer is text itself. `scores`: the relevance of each document, in their order, NaN for one
    without. `vectors`: the embeddings as the server sent them.
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
    reasoning_tokens: int | None = None
    choices: int = 1
    unknown_zeros: frozenset[str] = frozenset()
    cumulative: bool = False
    echoed: bool = False
    texts: int | None = None
    scores: tuple[float, ...] = ()
    vectors: Sequence[Any] = field(default=(), repr=False)
    cache_write_tokens: int | None = None


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

    A codec whose endpoint may begin its answers with the prompt has a true attribute `echoes_prompt`, one whose
    endpoint answers with vectors or scores a true attribute `generates_nothing`, and one whose endpoint gives the model
    the prompt as it is, without a chat template around it, a true attribute `raw_prompt`.
    """

    def encode(self, prompt: str, max_tokens: int | None = None) -> HttpRequest:
        """The request for the completion of `prompt`; `max_tokens` overrides the experiment's own limit."""

    def decode(self, response: HttpResponse) -> Completion:
        """The contents of the response. Never raises: invalid bytes give the completion an `error_class`."""


def http_error(response: HttpResponse, message: str) -> Completion:
    """The completion of a response whose status is not 200.

    429 has its own class. A redirect is refused: following it would measure another address than the configured one.
    """
    status = response.status
    if status == 429:
        error_class = "http_429"
    elif 400 <= status < 500:
        error_class = "http_4xx"
    elif 500 <= status < 600:
        error_class = "http_5xx"
    else:
        error_class = "protocol"
        target = response.header("location")
        if target is not None:
            message = f"redirect to {target} refused: give the final address as ep_name"
    return Completion(error_class=error_class, error_message=f"HTTP {status}: {message}"[:500].removesuffix(": "))


def may_echo_prompt(predictor: Predictor) -> bool:
    """Whether the answers of a codec's endpoint may begin with the prompt."""
    return bool(getattr(predictor, "echoes_prompt", False))


def needs_chat_template(predictor: Predictor) -> bool:
    """Whether a codec's endpoint gives the model the prompt as it is, so that a conversation needs the model's chat
    template around it."""
    return bool(getattr(predictor, "raw_prompt", False))


def generates_text(predictor: Predictor) -> bool:
    """Whether a codec's endpoint answers with text: not with embeddings, nor with the ranks of documents."""
    return not getattr(predictor, "generates_nothing", False)
