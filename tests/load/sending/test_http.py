"""Framing: the end of a response, however it is cut, and where each byte of its body came from."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fmbench_lib.errors import ProtocolError
from fmbench_lib.load.recording.parsed_response import parse_response
from fmbench_lib.load.sending.http import CHUNKED, UNTIL_CLOSE, ResponseEnd, parse_head

OK = b"HTTP/1.1 200 OK\r\n"


def chunked(*chunks: bytes, extension: bytes = b"", trailer: bytes = b"") -> bytes:
    body = b"".join(b"%x%s\r\n%s\r\n" % (len(chunk), extension, chunk) for chunk in chunks)
    return OK + b"transfer-encoding: chunked\r\n\r\n" + body + b"0%s\r\n%s\r\n" % (extension, trailer)


def sized(body: bytes) -> bytes:
    return OK + b"content-length: %d\r\n\r\n" % len(body) + body


class Reads:
    """A response as a connection reads it: only reads that can be the last are looked at."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = []
        self.end = ResponseEnd(self.pieces)

    def feed(self, piece: bytes) -> bool:
        self.pieces.append(piece)
        return (piece.endswith(self.end.tail) or len(piece) < 4) and self.end.look()


def end_found_at(pieces: list[bytes]) -> int | None:
    """After how many bytes a response was found complete."""
    reads = Reads()
    for piece in pieces:
        if reads.feed(piece):
            return sum(map(len, reads.pieces))
    return None


def cut(data: bytes, places: list[int]) -> list[bytes]:
    edges = [0, *sorted({place % (len(data) + 1) for place in places}), len(data)]
    return [data[start:stop] for start, stop in itertools.pairwise(edges) if stop > start]


CHUNKS = st.lists(
    st.binary(min_size=1, max_size=40) | st.sampled_from([b"\r\n\r\n", b"0\r\n\r\n", b"a\n\n"]), max_size=6
)
CHUNKED_RESPONSES = st.builds(
    lambda chunks, extension, trailer: (chunked(*chunks, extension=extension, trailer=trailer), b"".join(chunks)),
    CHUNKS,
    st.sampled_from([b"", b";a=b", b' ; name="x"']),
    st.sampled_from([b"", b"x-checksum: 1\r\n", b"a: b\r\nc: d\r\n"]),
)
EVENT_STREAMS = st.builds(
    lambda chunks, trailer: (
        chunked(*chunks, trailer=trailer).replace(OK, OK + b"content-type: text/event-stream\r\n"),
        b"".join(chunks),
    ),
    st.lists(
        st.sampled_from([b"data: 0\n\n", b"data: x\r\n\r\n", b": 0\n", b"\r\n\r\n", b"data: [DONE]\n\n"]), max_size=6
    ),
    st.sampled_from([b"", b"x-checksum: 1\r\n"]),
)
RESPONSES = CHUNKED_RESPONSES | EVENT_STREAMS | st.builds(lambda body: (sized(body), body), st.binary(max_size=100))
INTERIM = st.sampled_from([b"", b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n"])
PLACES = st.lists(st.integers(min_value=0, max_value=10_000), max_size=12)


class TestAnyCut:
    @given(RESPONSES, INTERIM, PLACES)
    def test_the_end_is_found_with_the_last_byte(
        self, whole: tuple[bytes, bytes], interim: bytes, at: list[int]
    ) -> None:
        raw = interim + whole[0]
        assert end_found_at(cut(raw, at)) == len(raw)

    @given(RESPONSES, INTERIM)
    def test_also_byte_by_byte(self, whole: tuple[bytes, bytes], interim: bytes) -> None:
        raw = interim + whole[0]
        assert end_found_at([raw[place : place + 1] for place in range(len(raw))]) == len(raw)

    @given(RESPONSES, INTERIM)
    def test_each_byte_of_the_body_is_mapped_to_the_raw_byte_that_carried_it(
        self, whole: tuple[bytes, bytes], interim: bytes
    ) -> None:
        raw = interim + whole[0]
        parsed = parse_response(raw, closed=False)
        assert (parsed.complete, parsed.body) == (True, whole[1])
        for place, byte in enumerate(parsed.body):
            assert raw[parsed.raw_offsets([place + 1])[0] - 1] == byte

    @given(RESPONSES, st.integers(min_value=0, max_value=10_000))
    def test_a_response_cut_short_keeps_what_came_of_its_body(self, whole: tuple[bytes, bytes], at: int) -> None:
        raw, body = whole
        head = raw.index(b"\r\n\r\n") + 4
        part = raw[: head + at % (len(raw) - head + 1)]
        parsed = parse_response(part, closed=True)
        assert body.startswith(parsed.body)
        assert not parsed.complete or parsed.body == body
        for place in range(len(parsed.body)):
            assert part[parsed.raw_offsets([place + 1])[0] - 1] == parsed.body[place]

    @given(st.binary(max_size=300), PLACES)
    def test_any_bytes_are_a_response_a_part_of_one_or_a_protocol_error(self, raw: bytes, at: list[int]) -> None:
        for data in (raw, OK + raw, OK + b"transfer-encoding: chunked\r\n\r\n" + raw):
            try:
                end_found_at(cut(data, at))
                parse_response(data, closed=True)
            except ProtocolError:
                pass


class TestHeads:
    def test_names_are_lower_case_and_values_trimmed(self) -> None:
        head = parse_head(OK + b"Content-Type:  text/html \r\nX-Empty:\r\n\r\nrest")
        assert head is not None
        assert head.headers == (("content-type", "text/html"), ("x-empty", ""))

    def test_a_status_line_needs_no_reason(self) -> None:
        head = parse_head(b"HTTP/1.1 404\r\n\r\n")
        assert head is not None
        assert head.status == 404

    @pytest.mark.parametrize("data", [b"", b"HT", b"HTTP/1.1 200 OK\r\ncontent-le"])
    def test_a_part_of_a_head_is_waited_for(self, data: bytes) -> None:
        assert parse_head(data) is None

    @pytest.mark.parametrize(
        "data",
        [
            b"SSH-2.0-OpenSSH_9.6\r\n",
            b"\x16\x03\x01\x02",
            b"HTTP/2 200\r\n\r\n",
            b"HTTP/1.1 OK\r\n\r\n",
            b"HTTP/1.1 20\r\n\r\n",
            b"HTTP/1.1 " + b"2" * 5000 + b"\r\n\r\n",
            OK + b"no colon\r\n\r\n",
            OK + b"content-length: ten\r\n\r\n",
            OK + b"content-length: -1\r\n\r\n",
            OK + b"content-length: " + b"9" * 5000 + b"\r\n\r\n",
            OK + b"content-length: 5\r\ncontent-length: 6\r\n\r\n",
            OK + b"content-length: 5, 6\r\n\r\n",
            OK + b"a" * 300_000,
        ],
    )
    def test_what_is_no_head_is_a_protocol_error(self, data: bytes) -> None:
        with pytest.raises(ProtocolError):
            parse_head(data)

    @pytest.mark.parametrize(
        ("headers", "length"),
        [
            (b"", UNTIL_CLOSE),
            (b"content-length: 7\r\n", 7),
            (b"content-length: 7\r\nContent-Length: 7\r\n", 7),
            (b"content-length: 7, 7\r\n", 7),
            (b"transfer-encoding: chunked\r\n", CHUNKED),
            (b"transfer-encoding: gzip, Chunked\r\ncontent-length: 7\r\n", CHUNKED),
            (b"transfer-encoding: gzip\r\ntransfer-encoding: chunked\r\n", CHUNKED),
        ],
    )
    def test_how_the_body_is_delimited(self, headers: bytes, length: int) -> None:
        head = parse_head(OK + headers + b"\r\n")
        assert head is not None
        assert head.length == length

    @pytest.mark.parametrize("status", [204, 304])
    def test_statuses_without_a_body(self, status: int) -> None:
        assert end_found_at([b"HTTP/1.1 %d x\r\ncontent-length: 9\r\n\r\n" % status]) is not None

    @pytest.mark.parametrize(
        ("raw", "kept"),
        [
            (sized(b"x"), True),
            (chunked(b"x"), True),
            (OK + b"content-length: 0\r\nConnection: Close\r\n\r\n", False),
            (OK + b"content-length: 0\r\nconnection: x\r\nconnection: close\r\n\r\n", False),
            (b"HTTP/1.0 200 OK\r\ncontent-length: 0\r\n\r\n", False),
            (b"HTTP/1.0 200 OK\r\ncontent-length: 0\r\nconnection: keep-alive\r\n\r\n", True),
            (b"HTTP/1.1 101 Switching Protocols\r\n\r\n", False),
        ],
    )
    def test_whether_the_connection_can_be_used_again(self, raw: bytes, kept: bool) -> None:
        reads = Reads()
        assert reads.feed(raw)
        assert reads.end.keep_alive is kept


class TestEnds:
    def test_without_any_length_the_end_is_the_connections(self) -> None:
        reads = Reads()
        assert not reads.feed(OK + b"\r\nsome")
        assert not reads.feed(b" text\r\n\r\n")
        assert reads.end.ends_with_connection()
        assert not reads.end.keep_alive
        assert parse_response(OK + b"\r\nsome text", closed=True).complete
        assert not parse_response(OK + b"\r\nsome text", closed=False).complete

    def test_a_close_is_no_regular_end_of_anything_else(self) -> None:
        for raw in (b"", OK, sized(b"abc")[:-1], chunked(b"abc")[:-2]):
            reads = Reads()
            assert not reads.feed(raw)
            assert not reads.end.ends_with_connection()

    @pytest.mark.parametrize("raw", [sized(b"abc") + b"d", chunked(b"abc") + b"\r\n\r\n"])
    def test_bytes_behind_the_end_are_a_protocol_error(self, raw: bytes) -> None:
        with pytest.raises(ProtocolError, match="follow the end"):
            Reads().feed(raw)

    @pytest.mark.parametrize("size", [b"", b"xyz", b"-5", b"+5", b"0x5", b"1_0", b"f" * 16, b"5 5"])
    def test_what_is_no_chunk_size_is_a_protocol_error(self, size: bytes) -> None:
        raw = OK + b"transfer-encoding: chunked\r\n\r\n" + size + b"\r\nhello\r\n0\r\n\r\n"
        with pytest.raises(ProtocolError, match="chunk size"):
            Reads().feed(raw)
        with pytest.raises(ProtocolError, match="chunk size"):
            parse_response(raw, closed=True)

    def test_a_chunk_that_is_longer_than_it_says(self) -> None:
        with pytest.raises(ProtocolError, match="longer than its size"):
            parse_response(OK + b"transfer-encoding: chunked\r\n\r\n3\r\nhello\r\n0\r\n\r\n", closed=True)

    def test_a_size_line_without_end_is_given_up(self) -> None:
        reads = Reads()
        reads.feed(OK + b"transfer-encoding: chunked\r\n\r\n")
        reads.feed(b"5;" + b"a" * 300_000)
        with pytest.raises(ProtocolError, match="no end"):
            reads.feed(b"b")

    def test_a_response_that_ends_inside_its_headers(self) -> None:
        with pytest.raises(ProtocolError, match="inside its headers"):
            parse_response(OK + b"content-", closed=True)
