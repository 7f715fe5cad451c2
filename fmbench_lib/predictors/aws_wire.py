"""What the codecs for AWS share: requests to be signed, event streams, error responses."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote, urlsplit

from fmbench_lib.aws.signing import Signing
from fmbench_lib.config.schema.api_key import key_header
from fmbench_lib.predictors.answer import Answer, content_type, json_object
from fmbench_lib.predictors.base import Completion, HttpRequest, HttpResponse, http_error
from fmbench_lib.predictors.server_errors import error_text

REQUEST_ID_HEADER = "x-amzn-requestid"
EVENT_STREAM = "application/vnd.amazon.eventstream"
JSON = "application/json"

_THROTTLING = frozenset(
    {"throttlingexception", "throttling", "toomanyrequestsexception", "servicequotaexceededexception"}
)
_MODEL_FAILED = 424
_TIMED_OUT = 408
_SHORTEST_MESSAGE = 16
OPERATIONS = ("converse", "converse-stream", "invoke", "invoke-with-response-stream")
"""What a Bedrock address ends with, after the model."""


@dataclass(frozen=True, slots=True)
class Message:
    """One message of an event stream: headers, payload, and the offset just after it."""

    end_offset: int
    headers: Mapping[str, Any]
    payload: bytes

    @property
    def event(self) -> str:
        """The event type; "" for an exception."""
        return str(self.headers.get(":event-type") or "")

    @property
    def error(self) -> tuple[str, str] | None:
        """Error class and message of an exception in mid-stream; None for an event."""
        name = self.headers.get(":exception-type") or self.headers.get(":error-code")
        if name is None and self.event.endswith("Exception"):
            name = self.event
        if name is None and self.headers.get(":message-type") in ("exception", "error"):
            name = self.headers[":message-type"]
        if name is None:
            return None
        text = str(self.headers.get(":error-message") or "") or error_text(self.payload)
        return ("http_429" if is_throttling(str(name)) else "endpoint"), f"{name}: {text}"


def messages(body: bytes) -> Iterator[Message]:
    """The complete messages of an event stream, by botocore's parser.

    :raises ValueError: a message is damaged.
    """
    from botocore.eventstream import EventStreamBuffer, ParserError

    buffer = EventStreamBuffer()
    start = 0
    try:
        while start < len(body):
            # One message at a time: each call of the parser copies all that it has not read yet.
            end = start + max(int.from_bytes(body[start : start + 4]), _SHORTEST_MESSAGE)
            buffer.add_data(body[start:end])
            message = next(buffer, None)
            if message is None:
                return
            yield Message(end, message.headers, message.payload)
            start = end
    except (ParserError, struct.error, KeyError, UnicodeDecodeError) as error:
        raise ValueError(f"event stream: {type(error).__name__}: {error}") from None


def within(value: Any, *keys: str) -> Any:
    """The value under these keys in nested objects; None if one of them is missing."""
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def take_error_in_200(message: Mapping[str, Any], answer: Answer) -> None:
    """Record an error sent with status 200, such as Bedrock's `{"Output": {"__type": "…#InternalFailure"}}`."""
    name = within(message, "Output", "__type")
    if isinstance(name, str):
        text = within(message, "Output", "message") or "reported in a response with status 200"
        answer.fail("endpoint", f"{name.rpartition('#')[2]}: {text}")
    else:
        answer.failed_by(message)


def is_event_stream(response: HttpResponse) -> bool:
    """Whether a response's body is an event stream."""
    return content_type(response).startswith(EVENT_STREAM)


def is_throttling(name: str) -> bool:
    """Whether the name of an AWS error means throttling, whatever its status is."""
    return name.partition(":")[0].rpartition("#")[2].lower() in _THROTTLING


def aws_error(response: HttpResponse) -> Completion:
    """The completion of a response whose status is not 200.

    An error of the model's server is classed by that server's status, which AWS passes on.
    """
    text = error_text(response.body)
    name = (response.header("x-amzn-errortype") or _named_in(response.body)).partition(":")[0].rpartition("#")[2]
    status = _original_status(response.body) if response.status == _MODEL_FAILED else None
    completion = http_error(replace(response, status=status or response.status), f"{name}: {text}" if name else text)
    completion = replace(completion, server_request_id=response.header(REQUEST_ID_HEADER))
    if is_throttling(name):
        return replace(completion, error_class="http_429")
    if _timed_out(response, name, text, status):
        return replace(completion, error_class="timeout")
    return completion


def _timed_out(response: HttpResponse, name: str, text: str, status: int | None) -> bool:
    """Whether the model took too long: Bedrock's 408, or SageMaker's 424 about a container that gave no status."""
    if response.status == _TIMED_OUT or name.lower() == "modeltimeoutexception":
        return True
    return response.status == _MODEL_FAILED and status is None and "timed out" in text.lower()


def _named_in(body: bytes) -> str:
    try:
        return str(json_object(body).get("__type") or "")
    except (ValueError, RecursionError):
        return ""


def _original_status(body: bytes) -> int | None:
    try:
        error = json_object(body)
    except (ValueError, RecursionError):
        return None
    status = error.get("OriginalStatusCode", error.get("originalStatusCode"))
    return status if isinstance(status, int) and 400 <= status < 600 else None


def aws_request(
    url: str,
    body: Mapping[str, Any] | bytes,
    defaults: Mapping[str, str],
    headers: Mapping[str, str],
    signing: Signing | None,
    api_key: str | None,
) -> HttpRequest:
    """A POST that is signed, or carries a key instead; the experiment's `headers` override `defaults`."""
    sent = {"content-type": JSON, **defaults, **{name.lower(): value for name, value in headers.items()}}
    if api_key is not None:
        name, value = key_header(api_key, url)
        sent[name] = value
        signing = None
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return HttpRequest("POST", url, tuple(sent.items()), data, signing)


def model_address(url: str, model: str | None) -> str:
    """The address of one Bedrock model, `…/model/<id>`, to which operations are added.

    An operation at the end of `url` is taken off, and the base of an address is completed with the model's id.
    """
    base, _, last = url.rstrip("/").rpartition("/")
    if last in OPERATIONS:
        return base
    bare = not urlsplit(url).path.strip("/")
    return f"{url.rstrip('/')}/model/{quote(model, safe='')}" if bare and model else url


def accepting(stream: bool, content_header: str) -> dict[str, str]:
    """The headers that request JSON, or for a stream JSON within an event stream."""
    return {"accept": EVENT_STREAM, content_header: JSON} if stream else {"accept": JSON}
