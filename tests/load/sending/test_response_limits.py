"""Responses without an end, in any of their parts: each ends its own request, and memory stays bounded."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import repeat
from types import SimpleNamespace
from typing import Any

import pytest

from fmbench_lib.errors import ProtocolError
from fmbench_lib.load.recording.parsed_response import parse_response
from fmbench_lib.load.sending.connection import Connection
from fmbench_lib.load.sending.exchange import READ_BYTES, Exchange
from fmbench_lib.load.sending.http import ChunkWalk, ResponseEnd
from fmbench_lib.load.sending.targets import Target
from tests.load.conftest import ANSWER, Peer

LIMIT = 100_000
CHUNKED = b"HTTP/1.1 200 OK\r\ncontent-type: %s\r\ntransfer-encoding: chunked\r\n\r\n"

ENDLESS: dict[str, tuple[bytes, bytes]] = {
    "one-byte chunks": (CHUNKED % b"application/json", b"1\r\nx\r\n" * 1000),
    "one-byte chunks of an event stream": (CHUNKED % b"text/event-stream", b"1\r\nx\r\n" * 1000),
    "events": (CHUNKED % b"text/event-stream", b"a\r\ndata: {}\n\n\r\n" * 500),
    "one great chunk": (CHUNKED % b"text/event-stream" + b"fffffff\r\n", b"x" * 5000),
    "a body until the end": (b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 5000),
    "a body of a given length": (b"HTTP/1.1 200 OK\r\ncontent-length: 999999999\r\n\r\n", b"x" * 5000),
    "a trailer": (CHUNKED % b"text/plain" + b"0\r\n", b"a: b\r\n" * 700),
    "headers": (b"HTTP/1.1 200 OK\r\n", b"a: b\r\n" * 700),
    "interim responses": (b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 200),
    "a header line": (b"HTTP/1.1 200 OK\r\na: ", b"x" * 5000),
}


def endless(start: bytes, more: bytes) -> Callable[[Peer], None]:
    def serve(peer: Peer) -> None:
        peer.request()
        peer.send(start)
        for piece in repeat(more):
            peer.send(piece)

    return serve


def healthy(peer: Peer) -> None:
    while peer.request():
        peer.send(ANSWER)


@pytest.mark.parametrize("kind", ENDLESS)
def test_an_endless_response_costs_its_own_request(
    measure: Callable[..., Any], scripted: Callable[..., Any], kind: str
) -> None:
    server = scripted([endless(*ENDLESS[kind]), healthy])
    level = measure(server.url, ["a", "b", "c"], requests=3, max_response_bytes=LIMIT, stream=False)
    errors = [row["error"] for row in level.rows]
    assert errors == ["protocol", None, None]
    assert any(said in level.rows[0]["error_message"] for said in ("max_response_bytes", "headers have more than"))


def test_what_is_kept_of_a_response_that_was_cut_is_its_beginning() -> None:
    target = Target(0, "h", 80, False, "h", 0, None)
    exchange = Exchange(0, 0, b"", target, measured=True, due_ns=0, most_bytes=10_000_000)
    for number in range(5000):
        exchange.pieces.append(b"%04d" % number)
        exchange.user_ns.append(number)
        exchange.kernel.append(b"")
        exchange.left -= 4 + READ_BYTES
    assert exchange.held == 5000 * 132
    assert "10,000,000 bytes (load.max_response_bytes)" in exchange.cut()
    assert exchange.pieces == [b"%04d" % number for number in range(1000)]
    assert exchange.user_ns == list(range(1000))
    assert len(exchange.kernel) == 1000
    assert exchange.held == 1000 * 132


def test_a_chunk_size_without_an_end_is_refused() -> None:
    walk = ChunkWalk()
    for _ in range(16_384):
        walk.advance(b"1")
    with pytest.raises(ProtocolError, match="has no end"):
        walk.advance(b"1")


def test_headers_in_one_byte_pieces_are_found() -> None:
    pieces: list[bytes] = []
    end = ResponseEnd(pieces)
    head = b"HTTP/1.1 200 OK\r\n" + b"".join(b"x-%d: y\r\n" % number for number in range(50))
    assert not any(looked(end, pieces, head + b"content-length: 2\r\n\r\nh"))
    assert list(looked(end, pieces, b"i")) == [True]
    assert end.head is not None
    assert len(end.head.headers) == 51


def looked(end: ResponseEnd, pieces: list[bytes], data: bytes) -> Iterator[bool]:
    for byte in data:
        pieces.append(bytes([byte]))
        yield end.look()


def test_more_than_a_million_chunks_are_refused_when_decoded() -> None:
    head = CHUNKED % b"text/plain"
    few = parse_response(head + b"1\r\nx\r\n" * 1000 + b"0\r\n\r\n", closed=False)
    assert (few.complete, few.body) == (True, b"x" * 1000)
    assert few.raw_offsets([1, 1000]).tolist() == [len(head) + 4, len(head) + 6 * 999 + 4]
    with pytest.raises(ProtocolError, match="more than 1,000,000 chunks"):
        parse_response(head + b"1\r\nx\r\n" * 1_000_001, closed=False)


def test_more_than_a_million_chunks_are_refused_while_they_come() -> None:
    walk = ChunkWalk()
    for _ in range(100):
        assert walk.advance(b"1\r\nx\r\n" * 10_000) == 0
    with pytest.raises(ProtocolError, match="more than 1,000,000 chunks"):
        walk.advance(b"1\r\nx\r\n")


def test_a_response_that_is_too_long_is_not_walked_through() -> None:
    target = Target(0, "h", 80, False, "h", 0, None)
    exchange = Exchange(0, 0, b"", target, measured=True, due_ns=0, most_bytes=1000)
    ended: list[tuple[str, str]] = []
    exchange.response = SimpleNamespace(look=lambda: pytest.fail("walked through"))  # type: ignore[assignment]
    exchange.left = -1
    Connection._look_for_end(SimpleNamespace(_fail=lambda *error: ended.append(error)), exchange)  # type: ignore[arg-type]
    assert ended == [("protocol", exchange.cut())]
