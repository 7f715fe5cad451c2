"""What a server says of a failure, wherever it stands: an error body, an answer with status 200, a stream."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

_WORDS = (
    *("message", "Message", "error", "errors", "detail", "error_message", "errorMessage", "ErrorMessage", "errorMsg"),
    *("error_msg", "errmsg", "err_msg", "error_description", "msg", "description", "reason", "title", "details"),
    *("status_msg", "statusMessage", "fault", "faultstring", "exception", "err", "body"),
)
"""Keys of an error object that hold words, the most telling first."""
_ONLY_WITHOUT_CONTENT = (
    *("detail", "message", "Message", "error_message", "errorMessage", "ErrorMessage", "errorMsg", "error_msg"),
    *("errmsg", "err_msg", "error_description", "fault", "exception"),
)
"""Keys that mean a failure in a message that has nothing else to say."""
_ERROR_CODES = ("error_code", "errorCode", "ErrorCode", "errcode", "errCode", "err_code", "errno", "err")
_CODES = (
    *("code", "Code", "ret", "retcode", "retCode", "ret_code", "returnCode", "resultCode"),
    *("status_code", "statusCode", "StatusCode"),
)
_STATES = ("status", "state", "result", "outcome")
_SUCCESSES = ("success", "Success", "ok", "succeeded", "isSuccess", "is_success")
_FAILURES = ("failed", "isError", "is_error", "hasError", "has_error")
_FINE = frozenset(("", "0", "00000", "ok", "success", "succeeded", "none", "null", "false", "no_error"))
_FINE_WORDS = _FINE - {"", "0", "00000"}
_LEAST_DIGITS = 3
_FAILED = frozenset(("error", "errored", "err", "failed", "failure", "fail", "fatal", "timeout", "unavailable"))
_HTTP_FINE, _HTTP_FAILED = range(100, 400), range(400, 600)
_CONTENT = frozenset(
    (
        *("choices", "delta", "content", "text", "token", "generated_text", "outputs", "output", "text_output"),
        *("response", "data", "embedding", "embeddings", "generation", "completion", "predicted_label", "usage"),
    )
)
"""Keys of messages that are part of an answer, where they hold anything."""
_INVISIBLE = re.compile(r"<(script|style|title|head)\b.*?</\1\s*>|<!--.*?-->|<[^>]*>", re.DOTALL | re.IGNORECASE)
_TITLE = re.compile(r"<title[^>]*>(.*?)</title", re.DOTALL | re.IGNORECASE)
_LONGEST = 300


def failure_in(message: Mapping[str, Any]) -> Any:
    """What a message of an answer reports as an error; None if it reports none.

    `error` is one unless it is empty, as some servers send `error: null` beside content. `detail` or `message` is one
    where the message has no content, and so is a code or a state that says so: `code: 50001`, `success: false`.
    """
    for key in ("error", "errors", "Error"):
        if message.get(key) and not _is_no_error(message[key]):
            return message if message[key] is True else _with_words_beside(message, key)
    if message.get("object") == "error" or message.get("type") == "error":
        return message
    if any(message[key] for key in _CONTENT.intersection(message)):
        return None
    for key in _ONLY_WITHOUT_CONTENT:
        value = message.get(key)
        if (isinstance(value, str) and value.strip()) or (value and key in ("detail", "fault", "exception")):
            return message
    if _says_that_it_failed(message):
        return message
    nested = (value for value in message.values() if isinstance(value, dict) and _says_that_it_failed(value))
    inner = next(nested, None)  # a head of its own, as `{"base_resp": {"status_code": 1004, …}}`
    return message if inner is not None and any(_words_in(message)) else inner


def _is_no_error(error: Any) -> bool:
    """Whether an error says that there is none: `"none"`, `{"code": 0, "message": "success"}`."""
    if not isinstance(error, dict):
        return isinstance(error, str) and error.strip().lower() in _FINE
    codes = [_spelt(error[key]) for key in _CODES if key in error]
    words = [value.strip().lower() for value in error.values() if isinstance(value, str)]
    if any(isinstance(value, dict | list) and value for value in error.values()):
        return False
    said = [*codes, *words] or [_spelt(value) for value in error.values() if value]
    return all(word in _FINE or word == "200" for word in said)


def _says_that_it_failed(message: Mapping[str, Any]) -> bool:
    """Whether a code, a state or a flag of a message without content means a failure."""
    if any(_is_false(message.get(key)) for key in _SUCCESSES) or "__type" in message:  # an exception of AWS
        return True
    if any(message.get(key) is True for key in _FAILURES):
        return True
    if any(_spelt(message.get(key)) not in _FINE for key in _ERROR_CODES):
        return True
    if any(_is_failing_code(_spelt(message.get(key))) for key in _CODES):
        return True
    states = [_spelt(message.get(key)) for key in _STATES]
    return any(state in _FAILED or (state.isdecimal() and int(state) in _HTTP_FAILED) for state in states)


def fails_beside_choices(message: Mapping[str, Any]) -> bool:
    """Whether a message of an answer that has choices without content says that it failed: a code of one or two digits,
    or one beside a word of success, may mean anything there."""
    if any(_spelt(message.get(key)) in _FINE_WORDS for key in ("message", "msg", *_STATES)):
        return False
    return _says_that_it_failed({
        key: value for key, value in message.items() if key not in _CODES or len(_spelt(value)) >= _LEAST_DIGITS
    })  # fmt: skip


def _is_failing_code(code: str) -> bool:
    """Whether the code of an answer means a failure: 0 and those of HTTP below 400 do not."""
    return code not in _FINE and not (code.isdecimal() and len(code) < 4 and int(code) in _HTTP_FINE)


def _is_false(value: Any) -> bool:
    return value is False or _spelt(value) == "false"


def _spelt(value: Any) -> str:
    """A number or word in lower case; "" for anything else."""
    return str(value).strip().lower() if isinstance(value, str | int) and not isinstance(value, bool) else ""


def _with_words_beside(message: Mapping[str, Any], key: str) -> Any:
    """The error itself; the whole message where the words are beside it: `{"error": "Bad Request", "message": …}`."""
    beside = any(isinstance(message.get(name), str) for name in ("message", "Message", "detail"))
    return message if beside and not isinstance(message[key], dict | list) else message[key]


def message_of(error: Any) -> str:
    """The words of an error in one of its usual forms; any other value as JSON."""
    words = list(dict.fromkeys(_words_in(error)))
    return ": ".join(words) or json.dumps(error)


def _words_in(error: Any, depth: int = 0) -> Iterator[str]:
    if isinstance(error, str):
        if text := readable(error):
            yield text
    elif depth > 4:
        return
    elif isinstance(error, dict):
        for key in _WORDS:
            yield from _words_in(error.get(key), depth + 1)
    elif isinstance(error, list):
        for entry in error[:5]:
            yield from _words_in(entry, depth + 1)


def error_text(body: bytes) -> str:
    """The words in the body of an error response: of JSON its message, of a page its text, else its beginning."""
    try:
        return message_of(json.loads(body))
    except (ValueError, RecursionError):
        return first_words(body) if len(body) > _LONGEST else body.decode(errors="replace").strip()


def first_words(body: bytes) -> str:
    """The beginning of a body as text in one line; of HTML what a person would read of it."""
    text = body[: 20 * _LONGEST].decode(errors="replace")
    if text.lstrip("\ufeff \r\n\t").startswith("<"):
        title = _TITLE.search(text)
        visible = " ".join(_INVISIBLE.sub(" ", text).split())
        text = visible or (title[1] if title else text)
    return " ".join(text.split())[:_LONGEST]


def readable(text: str) -> str:
    """A text without lone surrogates, which no file can hold."""
    text = text.strip()
    return text if text.isascii() else text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
