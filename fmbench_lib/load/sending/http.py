"""HTTP/1.1 responses: finding their end while they arrive, and parsing them afterwards.

`ResponseEnd` runs in the timed path and does as little as possible to know when a response is over. `parse_response`
runs after the level on the spooled bytes and checks everything.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from fmbench_lib.errors import ProtocolError

_MAX_HEAD_BYTES = 256 * 1024
_MAX_LINE_BYTES = 16 * 1024  # of a chunk's size, or a trailer
_BODILESS = frozenset({204, 304})
_CHUNK_SIZE = re.compile(rb"[0-9a-fA-F]{1,15}")
_FEW_PIECES = 64

MOST_CHUNKS = 1_000_000
"""Of one response: more than any answer has."""
TOO_MANY_CHUNKS = f"the response has more than {MOST_CHUNKS:,} chunks"

_EMPTY_LINE = b"\r\n\r\n"
_LAST_CHUNK = b"\r\n0\r\n\r\n"

CHUNKED = -1
UNTIL_CLOSE = -2


@dataclass(frozen=True, slots=True)
class Head:
    """A response's status line and headers (lower-case names); `size` is its length with the blank line.

    `length` is the body's length in bytes, or `CHUNKED`, or `UNTIL_CLOSE`.
    """

    status: int
    headers: tuple[tuple[str, str], ...]
    size: int
    length: int
    keep_alive: bool


def parse_head(data: bytes) -> Head | None:
    """The head at the beginning of `data`, or None while it is incomplete; interim (1xx) heads are skipped.

    Raises ProtocolError when the bytes are not an HTTP/1.x response.
    """
    start = 0
    while True:
        end = data.find(b"\r\n\r\n", start, _MAX_HEAD_BYTES + 4)
        if end < 0:
            if not b"HTTP/1.".startswith(data[start : start + 7]):
                raise ProtocolError(f"not an HTTP/1.1 response: {data[start : start + 60]!r}")
            if len(data) > _MAX_HEAD_BYTES:
                raise ProtocolError(f"the response's headers have more than {_MAX_HEAD_BYTES:,} bytes")
            return None
        head = _parse_head_block(data[start:end], end + 4)
        if head.status >= 200 or head.status == 101:
            return head
        start = end + 4


def _parse_head_block(block: bytes, size: int) -> Head:
    lines = block.decode("latin-1").split("\r\n")
    parts = lines[0].split(" ", 2)
    if not parts[0].startswith("HTTP/1.") or len(parts) < 2 or not (_is_number(parts[1]) and len(parts[1]) == 3):
        raise ProtocolError(f"not an HTTP/1.1 status line: {lines[0][:60]!r}")
    headers = []
    for line in lines[1:]:
        name, colon, value = line.partition(":")
        if not colon:
            raise ProtocolError(f"not a header line: {line[:60]!r}")
        headers.append((name.strip().lower(), value.strip()))
    status = int(parts[1])
    keep_alive = status != 101 and _keep_alive(parts[0], headers)
    return Head(status, tuple(headers), size, _body_length(status, headers), keep_alive)


def _body_length(status: int, headers: list[tuple[str, str]]) -> int:
    """How the body is delimited (RFC 9112, section 6.3)."""
    if status in _BODILESS or status < 200:
        return 0
    if "chunked" in _tokens_of(headers, "transfer-encoding"):
        return CHUNKED
    lengths = set(_tokens_of(headers, "content-length"))
    if not lengths:
        return UNTIL_CLOSE
    length = lengths.pop()
    if lengths or not _is_number(length) or len(length) > 18:
        raise ProtocolError(f"not a content length: {length[:60]!r}")
    return int(length)


def _keep_alive(version: str, headers: list[tuple[str, str]]) -> bool:
    connection = _tokens_of(headers, "connection")
    return "close" not in connection and (version != "HTTP/1.0" or "keep-alive" in connection)


def _tokens_of(headers: list[tuple[str, str]], name: str) -> list[str]:
    """The comma-separated values of a header that may occur more than once, in lower case."""
    return [token.strip().lower() for key, value in headers if key == name for token in value.split(",")]


def _is_event_stream(head: Head) -> bool:
    return any(name == "content-type" and value.startswith("text/event-stream") for name, value in head.headers)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit()


class ChunkWalk:
    """Walks over a chunked body as it grows; each byte is looked at once, however the reads cut it."""

    __slots__ = ("_buffer", "_left", "_position", "_trailer", "finished")

    def __init__(self) -> None:
        self._buffer = b""
        self._left = MOST_CHUNKS
        self._position = 0  # may lie behind the buffer's end: inside a chunk that has not all arrived
        self._trailer = False
        self.finished = False

    def advance(self, data: bytes) -> int:
        """Take more bytes; returns how many bytes follow the last chunk and its trailer, 0 before they are complete."""
        buffer = self._buffer + data if self._buffer else data
        position = self._position
        while not self.finished and position < len(buffer):
            end = buffer.find(b"\r\n", position)
            if end < 0:
                if len(buffer) - position > _MAX_LINE_BYTES:
                    raise ProtocolError("a chunk's size line has no end")
                break
            line = buffer[position:end]
            if self._trailer:
                self.finished = not line
                position = end + 2
                continue
            size = chunk_size(line)
            self._left -= 1
            if self._left < 0:
                raise ProtocolError(TOO_MANY_CHUNKS)
            self._trailer = size == 0
            position = end + 2 + (size + 2 if size else 0)
        if position >= len(buffer):
            self._buffer, self._position = b"", position - len(buffer)
        else:
            self._buffer, self._position = buffer[position:], 0
        return len(self._buffer) if self.finished else 0


@lru_cache(maxsize=4096)  # an answer's chunks have few different sizes
def chunk_size(line: bytes) -> int:
    """The number in a chunk's size line, without its extensions; raises ProtocolError where it is not a number."""
    digits = line.split(b";", 1)[0].strip()
    if not _CHUNK_SIZE.fullmatch(digits):
        raise ProtocolError(f"not a chunk size: {line[:40]!r}")
    return int(digits, 16)


class ResponseEnd:
    """Finds the end of one response in the reads that `pieces` collects; `look` is called after each of them.

    A chunked body can only end where a read ends with an empty line. That is `tail`, and a read of some length that
    does not end with it needs no look. The last chunk of an event stream is recognised by its bytes alone, since no
    line of such a stream is a lone `0`; any other chunked body is walked through chunk by chunk. What follows is
    checked after the level, by `parse_response`.
    """

    __slots__ = ("_chunks", "_looked", "_pieces", "_remaining", "_unmistakable", "head", "tail")

    def __init__(self, pieces: list[bytes]) -> None:
        self.head: Head | None = None
        self.tail = b""
        self._pieces = pieces
        self._looked = 0
        self._remaining = 0
        self._unmistakable = False
        self._chunks: ChunkWalk | None = None

    def look(self) -> bool:
        """Whether the response is complete. Raises ProtocolError for bytes that the protocol does not allow there."""
        if self._chunks is not None:
            if self._unmistakable and b"".join(self._pieces[-2:]).endswith(_LAST_CHUNK):
                return True
            return self._walk(b"".join(self._unseen()))
        if self.head is None:
            return self._look_for_head()
        return self._remaining != UNTIL_CLOSE and self._count_down(sum(map(len, self._unseen())))

    def _unseen(self) -> list[bytes]:
        new = self._pieces[self._looked :]
        self._looked = len(self._pieces)
        return new

    def _look_for_head(self) -> bool:
        if len(self._pieces) > _FEW_PIECES and b"\n" not in self._pieces[-1] and len(self._pieces) % _FEW_PIECES:
            return False  # headers in many pieces: they end with a line
        data = b"".join(self._pieces) if len(self._pieces) > 1 else self._pieces[0]
        head = parse_head(data)
        if head is None:
            return False
        self.head = head
        self._looked = len(self._pieces)
        if head.length == CHUNKED:
            self.tail = _EMPTY_LINE
            self._chunks = ChunkWalk()
            self._unmistakable = _is_event_stream(head)
            return self._walk(data[head.size :])
        self._remaining = head.length
        return head.length != UNTIL_CLOSE and self._count_down(len(data) - head.size)

    def _count_down(self, count: int) -> bool:
        self._remaining -= count
        if self._remaining < 0:
            raise ProtocolError("bytes follow the end of the response")
        return self._remaining == 0

    def _walk(self, data: bytes) -> bool:
        assert self._chunks is not None
        if self._chunks.advance(data):
            raise ProtocolError("bytes follow the end of the response")
        return self._chunks.finished

    def ends_with_connection(self) -> bool:
        """Whether the peer's close is the regular end of this response."""
        return self.head is not None and self._chunks is None and self._remaining == UNTIL_CLOSE

    @property
    def keep_alive(self) -> bool:
        """Whether the connection may carry another request, as far as the response says."""
        return self.head is not None and self.head.keep_alive and not self.ends_with_connection()
