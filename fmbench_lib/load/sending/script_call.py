"""A user script that a level is sent through, and its answers in the form that workers spool."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import IO, Any

from fmbench_lib.predictors.user_script import FIRST_TOKEN
from fmbench_lib.user_scripts.fmbench2_names import TokenEstimate

Predict = Callable[[Mapping[str, Any]], Any]

_LONGEST_S = 86_400.0
LONGEST_MESSAGE = 20_000
"""The most characters of an error's text that leave a worker; the recorder keeps far less, once secrets are removed."""

CREATION_TIMEOUT = 300.0
"""Seconds that a script may take to create its predictor where the experiment gives it no more: it may load much."""

_RETURNED = ("response_json", "prompt_tokens", "completion_tokens")


@dataclass(frozen=True, slots=True)
class UserScript:
    """The file, and the arguments of its `create_predictor`: the endpoint's name, inference spec, and experiment.

    Loading the file and that call may take `creation_timeout` (s).
    """

    path: str
    endpoint: str
    inference_spec: Mapping[str, Any] = field(repr=False)
    experiment: Mapping[str, Any] = field(repr=False)
    creation_timeout: float = CREATION_TIMEOUT

    def append_to(self, file: IO[bytes]) -> tuple[int, int]:
        """Write it after the requests, in a file without a name as it may hold keys; returns offset and length."""
        text = json.dumps(asdict(self)).encode()
        offset = file.tell()
        file.write(text)
        file.flush()
        return offset, len(text)


@dataclass(frozen=True, slots=True)
class Answered:
    """The outcome of a call. `pieces` make an HTTP response. `first_token_s` is when, after the call began, the script
    says that the first token came; there are two pieces then. `error` is the class of an error that only a client can
    see, such as a timeout; there is no response then."""

    pieces: tuple[bytes, ...]
    first_token_s: float | None = None
    error: str | None = None
    message: str = ""


def answer_to(predict: Predict, payload: Mapping[str, Any]) -> Callable[[], Answered]:
    """Call the script; returns what converts its answer, which can be done after the clock has been read."""
    try:
        response = predict(payload)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever a script raises is an error of its request
        failure = error  # Python deletes the name after the block
        return lambda: _failed(failure)
    return lambda: _converted(response)


def _converted(response: Any) -> Answered:
    """The answer as an HTTP response; an object that cannot be converted is an error of its request."""
    try:
        return _succeeded(response)
    except Exception as error:  # noqa: BLE001 - the objects of a script may do anything when they are looked at
        return _failed(ValueError(f"the answer cannot be written as JSON: {type(error).__name__}"))


def _succeeded(response: Any) -> Answered:
    first = _part(response, "time_to_first_token")
    told = {name: _part(response, name) for name in _RETURNED}
    counted = {name: value for name, value in told.items() if not isinstance(value, TokenEstimate)}
    body = json.dumps(counted, default=_plain).encode()
    if isinstance(first, int | float) and 0 < first < _LONGEST_S:
        return Answered((_head(200, len(body) + len(FIRST_TOKEN)) + FIRST_TOKEN, body), float(first))
    return Answered((_head(200, len(body)) + body,))


def _part(response: Any, name: str) -> Any:
    return response.get(name) if isinstance(response, Mapping) else getattr(response, name, None)


def _failed(error: BaseException) -> Answered:
    message = f"{type(error).__name__}: {said(error)}"[:LONGEST_MESSAGE]
    status = _status(error)
    body = json.dumps({"error": {"message": message}}).encode()
    if status is None and (isinstance(error, TimeoutError) or "timeout" in type(error).__name__.lower()):
        return Answered((), error="timeout", message=message)
    if status is None and isinstance(error, ConnectionError):
        return Answered((), error="connect", message=message)
    return Answered((_head(status or 200, len(body)) + body,))


def said(error: BaseException) -> str:
    """The text of an error that a script raises."""
    try:
        return str(error)
    except Exception:  # noqa: BLE001 - an error of a script's own class may fail to say what it is
        return "it cannot be shown"


def _status(error: BaseException) -> int | None:
    """The HTTP status that an error of the usual client libraries carries."""
    response = getattr(error, "response", None)
    if isinstance(response, Mapping):  # botocore
        if "Throttl" in str(response.get("Error", {}).get("Code", "")):
            return 429
        status = response.get("ResponseMetadata", {}).get("HTTPStatusCode")
    else:
        status = getattr(response, "status_code", None) or getattr(error, "status_code", None)
        status = status or getattr(error, "code", None)
    return status if isinstance(status, int) and 400 <= status < 600 else None


def _head(status: int, length: int) -> bytes:
    return f"HTTP/1.1 {status} -\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n".encode()


def _plain(value: Any) -> Any:
    """A value that JSON cannot hold: numpy's numbers as numbers, anything else as its text."""
    return value.item() if hasattr(value, "item") else str(value)
