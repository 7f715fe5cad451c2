from __future__ import annotations

import pytest

from fmbench_lib.emulator.framing import RequestReader, chunk, whole
from fmbench_lib.errors import ProtocolError

REQUEST = b"POST /v1/x?a=b HTTP/1.1\r\nHost: h\r\nX-Request-Id: 7\r\nContent-Length: 5\r\n\r\nhello"


def test_a_request_is_the_same_however_its_bytes_arrive() -> None:
    for size in (1, 7, len(REQUEST)):
        reader = RequestReader()
        for index in range(0, len(REQUEST), size):
            assert reader.next() is None
            reader.feed(REQUEST[index : index + size])
        request = reader.next()
        assert request is not None
        assert (request.method, request.path, request.query, request.body) == ("POST", "/v1/x", "a=b", b"hello")
        assert request.headers["x-request-id"] == "7"
        assert request.keep_alive
        assert not reader


def test_a_second_request_waits_for_the_next_call() -> None:
    reader = RequestReader()
    reader.feed(REQUEST + REQUEST[:40])
    assert reader.next() is not None
    assert reader
    assert reader.next() is None
    reader.feed(REQUEST[40:])
    assert reader.next() is not None


@pytest.mark.parametrize(
    ("version", "connection", "kept"),
    [("1.1", "", True), ("1.1", "close", False), ("1.0", "", False), ("1.0", "keep-alive", True)],
)
def test_keep_alive_follows_version_and_header(version: str, connection: str, kept: bool) -> None:
    line = f"Connection: {connection}\r\n" if connection else ""
    reader = RequestReader()
    reader.feed(f"GET / HTTP/{version}\r\n{line}\r\n".encode())
    request = reader.next()
    assert request is not None
    assert request.keep_alive is kept


def test_expect_continue_is_detected_before_the_body() -> None:
    reader = RequestReader()
    reader.feed(b"POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n")
    assert reader.next() is None
    assert reader.wants_continue
    reader.feed(b"ok")
    assert reader.next() is not None
    assert not reader.wants_continue


@pytest.mark.parametrize(
    "data",
    [
        b"hello\r\n\r\n",
        b"GET / HTTP/1.1\r\nno colon\r\n\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: many\r\n\r\n",
        b"x" * 70_000,
    ],
)
def test_invalid_requests_are_errors(data: bytes) -> None:
    reader = RequestReader()
    reader.feed(data)
    with pytest.raises(ProtocolError):
        reader.next()


def test_answers_have_a_content_length() -> None:
    assert chunk(b"x" * 26) == b"1a\r\n" + b"x" * 26 + b"\r\n"
    assert whole(404, "text/plain", b"no").startswith(b"HTTP/1.1 404 Not Found\r\n")
    assert b"\r\nContent-Length: 2\r\n\r\nno" in whole(200, "text/plain", b"no")
