"""Questions to a server that is to be measured, before anything is: what it answers, or why it does not, in words."""

from __future__ import annotations

import http.client
import json
import re
import socket
import ssl
from dataclasses import dataclass
from typing import Any
from urllib.parse import SplitResult, urlunsplit

from fmbench_lib.config.schema.api_key import key_header
from fmbench_lib.errors import InputError

_TIMEOUT_S = 10.0
_MOST_BYTES = 4_000_000
_MOST_SHOWN = 120


@dataclass(frozen=True, slots=True)
class Refusal:
    """An answer that is not what was asked for.

    `words` are the server's own, on one line; `page` is the title of a web page, None where it is none; `location` is
    where it redirects to; `scheme` is the authentication scheme that it asks for, in lower case.
    """

    status: int
    words: str
    page: str | None = None
    location: str | None = None
    scheme: str = ""

    @property
    def text(self) -> str:
        """The status and the server's words."""
        if self.page is not None:
            return f"a web page{f', {self.page}' if self.page else ''}"
        if self.status == 200:
            return self.words
        return f"HTTP {self.status}" + (f": {self.words}" if self.words else "")


def get_json(parts: SplitResult, path: str, api_key: str | None) -> Any:
    """The JSON at a path of the server, or a Refusal. Raises InputError where the server does not answer."""
    return _json_of(*_exchange(parts, "GET", path, api_key, None))


def answer_of_post(parts: SplitResult, path: str, body: dict[str, Any], api_key: str | None) -> Any:
    """The JSON that answers a POST of a JSON object, or a Refusal. Raises InputError where the server does not
    answer."""
    return _json_of(*_exchange(parts, "POST", path, api_key, json.dumps(body).encode()))


def _json_of(status: int, headers: http.client.HTTPMessage, body: bytes) -> Any:
    refusal = _refusal(status, headers, body)
    if refusal is not None:
        return refusal
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return Refusal(200, "an answer that is not JSON")


def refusal_of_post(parts: SplitResult, path: str, body: dict[str, Any], api_key: str | None) -> Refusal | None:
    """What the server says against a POST of a JSON object, None where it takes it. Raises InputError where it does
    not answer."""
    return _refusal(*_exchange(parts, "POST", path, api_key, json.dumps(body).encode()))


def _exchange(
    parts: SplitResult, method: str, path: str, api_key: str | None, body: bytes | None
) -> tuple[int, http.client.HTTPMessage, bytes]:
    connection: http.client.HTTPConnection
    if parts.scheme == "https":
        context = ssl.create_default_context()
        connection = http.client.HTTPSConnection(parts.hostname or "", parts.port, timeout=_TIMEOUT_S, context=context)
    else:
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=_TIMEOUT_S)
    headers = {"accept": "application/json"}
    headers |= dict([key_header(api_key, urlunsplit(parts))]) if api_key else {}
    headers |= {"content-type": "application/json"} if body is not None else {}
    try:
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read(_MOST_BYTES)
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise InputError(f"{parts.scheme}://{parts.netloc} does not answer: {_why(error, parts)}") from None
    finally:
        connection.close()


def _refusal(status: int, headers: http.client.HTTPMessage, body: bytes) -> Refusal | None:
    is_page = headers.get_content_type() == "text/html" or body[:15].lstrip().lower().startswith(
        (b"<!doctype", b"<htm")
    )
    if status == 200 and not is_page:
        return None
    location = headers.get("location") if 300 <= status < 400 else None
    scheme = (headers.get("www-authenticate") or "").partition(" ")[0].lower()
    if is_page:
        title = re.search(rb"<title[^>]*>(.*?)</title>", body, re.IGNORECASE | re.DOTALL)
        return Refusal(status, "", _line(title[1].decode(errors="replace")) if title else "", location, scheme)
    return Refusal(status, _words(body), None, location, scheme)


def _words(body: bytes) -> str:
    """What an answer says of its error, in one of the usual forms, else the beginning of it."""
    try:
        said: Any = json.loads(body)
    except (ValueError, RecursionError):
        return _line(body.decode(errors="replace"))
    for key in ("error", "detail", "message"):
        if isinstance(said, dict) and said.get(key):
            said = said[key]
    return _line(said if isinstance(said, str) else json.dumps(said))


def _line(text: str) -> str:
    line = " ".join("".join(character if character.isprintable() else " " for character in text).split())
    return line if len(line) <= _MOST_SHOWN else f"{line[:_MOST_SHOWN]}…"


def _why(error: Exception, parts: SplitResult) -> str:
    """Why a server did not answer, and what to do about it, on one line."""
    if isinstance(error, ssl.SSLCertVerificationError):
        remedy = "name the file of its authority, or its own certificate if it is self-signed, with SSL_CERT_FILE=FILE"
        return f"its certificate is not trusted ({error.verify_message}); {remedy}"
    if isinstance(error, ssl.SSLError):
        return f"it does not speak TLS ({error.reason or error}); write http://{parts.netloc}"
    if isinstance(error, ConnectionRefusedError):
        usual = 443 if parts.scheme == "https" else 80
        if parts.port is None:
            return (
                f"nothing listens at port {usual}; write the server's port, as in {parts.scheme}://{parts.netloc}:8000"
            )
        return f"nothing listens at port {parts.port}, which may be the wrong one; is the server running?"
    if isinstance(error, socket.gaierror):
        return f"the host {parts.hostname} is not known ({error.strerror}); check its name"
    if isinstance(error, TimeoutError):
        plain = f" If it does not speak TLS, write http://{parts.netloc}" if parts.scheme == "https" else ""
        return f"no answer within {_TIMEOUT_S:.0f} s; is it reachable from here, and is the port right?{plain}"
    if parts.scheme == "http" and isinstance(error, http.client.HTTPException | ConnectionResetError):
        told = str(error) or type(error).__name__
        return f"it does not speak HTTP ({told}); if it speaks TLS, write https://{parts.netloc}"
    return f"{error or type(error).__name__}; is the server running?"
