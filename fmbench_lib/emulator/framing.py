"""HTTP/1.1 as the emulator needs it: bytes to requests, answers to bytes. No sockets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus

from fmbench_lib.errors import ProtocolError

_MAX_HEAD_BYTES = 65_536

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
LAST_CHUNK = b"0\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Request:
    """One complete request. Header names are in lower case; `path` excludes the query."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes
    keep_alive: bool


@dataclass(slots=True)
class _Head:
    method: str
    target: str
    version: str
    headers: dict[str, str]
    body_bytes: int


class RequestReader:
    """Splits a connection's bytes into requests, one at a time; bytes after a request are kept for the next call."""

    __slots__ = ("_buffer", "_head", "wants_continue")

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._head: _Head | None = None
        self.wants_continue = False

    def __bool__(self) -> bool:
        """Whether an incomplete request has begun, or another one is waiting."""
        return bool(self._buffer) or self._head is not None

    def feed(self, data: bytes) -> None:
        """Append the bytes that the socket returned."""
        self._buffer += data

    def next(self) -> Request | None:
        """The next complete request; None while it is incomplete.

        Raises:
            ProtocolError: the bytes are not an HTTP/1.1 request with a Content-Length.
        """
        if self._head is None:
            end = self._buffer.find(b"\r\n\r\n")
            if end < 0:
                if len(self._buffer) > _MAX_HEAD_BYTES:
                    raise ProtocolError("the request's headers exceed 64 KiB")
                return None
            self._head = _parse_head(bytes(self._buffer[:end]))
            del self._buffer[: end + 4]
            self.wants_continue = self._head.headers.get("expect", "").lower() == "100-continue"
        head = self._head
        if len(self._buffer) < head.body_bytes:
            return None
        body = bytes(self._buffer[: head.body_bytes])
        del self._buffer[: head.body_bytes]
        self._head = None
        self.wants_continue = False
        path, _, query = head.target.partition("?")
        connection = head.headers.get("connection", "").lower()
        keep_alive = connection != "close" and (head.version == "HTTP/1.1" or connection == "keep-alive")
        return Request(head.method, path, query, head.headers, body, keep_alive)


def _parse_head(data: bytes) -> _Head:
    lines = data.decode("latin-1").split("\r\n")
    parts = lines[0].split(" ")
    if len(parts) != 3 or not parts[2].startswith("HTTP/1."):
        raise ProtocolError(f"not an HTTP/1.1 request line: {lines[0][:80]!r}")
    headers: dict[str, str] = {}
    for line in lines[1:]:
        name, separator, value = line.partition(":")
        if not separator:
            raise ProtocolError(f"not a header: {line[:80]!r}")
        headers[name.strip().lower()] = value.strip()
    length = headers.get("content-length", "0")
    if "transfer-encoding" in headers or not length.isdecimal():
        raise ProtocolError("the request's body must have a Content-Length")
    return _Head(parts[0], parts[1], parts[2], headers, int(length))


def head(status: int, headers: Mapping[str, str]) -> bytes:
    """Status line and headers of an answer, including the empty line."""
    try:
        reason = HTTPStatus(status).phrase
    except ValueError:
        reason = "Unknown"
    lines = [f"HTTP/1.1 {status} {reason}", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
    return "\r\n".join(lines).encode("latin-1")


def chunk(data: bytes) -> bytes:
    """`data` as one chunk of the chunked transfer coding."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def whole(status: int, content_type: str, body: bytes, extra: Mapping[str, str] | None = None) -> bytes:
    """A complete answer with its Content-Length."""
    headers = {"Content-Type": content_type, **(extra or {}), "Content-Length": str(len(body))}
    return head(status, headers) + body
