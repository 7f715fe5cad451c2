"""Servers that break the protocol in every part of a response: what each sends, piece by piece."""

from __future__ import annotations

import gzip
import random
import time
from collections.abc import Callable, Iterator
from functools import cache
from itertools import repeat

OK = b"HTTP/1.1 200 OK\r\n"
JSON, EVENTS = b"content-type: application/json\r\n", b"content-type: text/event-stream\r\n"
CHUNKED = b"transfer-encoding: chunked\r\n"

RESET = bytes(1) + b"reset"
"""In place of a piece: the connection is reset."""

Pieces = Callable[[random.Random], Iterator[bytes]]


def _body(text: bytes, head: bytes = JSON) -> Pieces:
    def pieces(_: random.Random) -> Iterator[bytes]:
        yield OK + head + b"content-length: %d\r\n\r\n" % len(text) + text

    return pieces


def _stream(*events: bytes, last: bytes = b"0\r\n\r\n") -> Pieces:
    def pieces(_: random.Random) -> Iterator[bytes]:
        yield OK + EVENTS + CHUNKED + b"\r\n"
        for event in events:
            yield b"%x\r\n%s\r\n" % (len(event), event)
        yield last

    return pieces


def _raw(*parts: bytes) -> Pieces:
    return lambda _: iter(parts)


def _endless(start: bytes, more: bytes) -> Pieces:
    def pieces(_: random.Random) -> Iterator[bytes]:
        yield start
        yield from repeat(more)

    return pieces


def _noise(chance: random.Random) -> Iterator[bytes]:
    yield chance.randbytes(chance.randrange(1, 5000))


def _noise_in_body(chance: random.Random) -> Iterator[bytes]:
    body = chance.randbytes(chance.randrange(1, 5000))
    yield OK + chance.choice((JSON, EVENTS)) + b"content-length: %d\r\n\r\n" % len(body) + body


def _noise_in_events(chance: random.Random) -> Iterator[bytes]:
    yield OK + EVENTS + CHUNKED + b"\r\n"
    for _ in range(20):
        event = b"data: " + chance.randbytes(chance.randrange(1, 300)) + b"\n\n"
        yield b"%x\r\n%s\r\n" % (len(event), event)
    yield b"0\r\n\r\n"


def _cut(chance: random.Random) -> Iterator[bytes]:
    event = b'data: {"choices": [{"delta": {"content": "hi"}}]}\n\n'
    whole = OK + EVENTS + CHUNKED + b"\r\n" + b"%x\r\n%s\r\n" % (len(event), event) * 5 + b"0\r\n\r\n"
    yield whole[: chance.randrange(len(whole))]


def _drip(text: bytes, seconds: float) -> Pieces:
    """Byte by byte, for longer than any request of the tests may take."""

    def pieces(_: random.Random) -> Iterator[bytes]:
        for byte in text * 100:
            yield bytes((byte,))
            time.sleep(seconds)

    return pieces


def _bomb(_: random.Random) -> Iterator[bytes]:
    yield OK + JSON + b"content-encoding: gzip\r\ncontent-length: %d\r\n\r\n" % len(_packed_zeros()) + _packed_zeros()


@cache
def _packed_zeros() -> bytes:
    return gzip.compress(bytes(300_000_000), 9)


def _many_lines(head: bytes, count: int) -> Pieces:
    """Headers of so many lines, and then a body."""
    return _raw(OK + head, *[b"x-%d: y\r\n" % number for number in range(count)], b"content-length: 2\r\n\r\n{}")


_DEEP = b"[" * 100_000
_DIGITS = b"9" * 5000
_CONTENT = b'data: {"choices": [{"delta": {"content": %s}}], "usage": {"completion_tokens": %s}}\n\n'

SERVERS: dict[str, Pieces] = {
    "nothing": _raw(),
    "noise": _noise,
    "noise in a body": _noise_in_body,
    "noise in events": _noise_in_events,
    "cut anywhere": _cut,
    "another protocol": _raw(b"SSH-2.0-OpenSSH_9.6\r\n"),
    "no status": _raw(b"HTTP/1.1 \r\n\r\n"),
    "a status of many digits": _raw(b"HTTP/1.1 " + _DIGITS + b" OK\r\n\r\n"),
    "a status of other digits": _raw("HTTP/1.1 ²⁰⁰ OK\r\n\r\n".encode()),
    "HTTP/2": _raw(b"HTTP/2 200\r\n\r\n"),
    "a header without a colon": _raw(OK + b"nonsense\r\n\r\n"),
    "two lengths": _raw(OK + b"content-length: 2\r\ncontent-length: 3\r\n\r\n{}"),
    "a length of many digits": _raw(OK + b"content-length: " + _DIGITS + b"\r\n\r\n{}"),
    "a negative length": _raw(OK + b"content-length: -5\r\n\r\n{}"),
    "length and chunks": _raw(OK + b"content-length: 2\r\n" + CHUNKED + b"\r\n2\r\n{}\r\n0\r\n\r\n"),
    "a switch of protocols": _raw(b"HTTP/1.1 101 Switching Protocols\r\n\r\n"),
    "no content": _raw(b"HTTP/1.1 204 No Content\r\n\r\n"),
    "a redirect to itself": _raw(b"HTTP/1.1 302 Found\r\nlocation: /\r\ncontent-length: 0\r\n\r\n"),
    "a redirect elsewhere": _raw(b"HTTP/1.1 301 Moved\r\nlocation: file:///etc/passwd\r\ncontent-length: 0\r\n\r\n"),
    "compressed": _raw(OK + JSON + b"content-encoding: gzip\r\ncontent-length: 4\r\n\r\n\x1f\x8b\x08\x00"),
    "bytes after the end": _raw(OK + JSON + b"content-length: 2\r\n\r\n{}{}{}"),
    "a chunk size that is none": _raw(OK + CHUNKED + b"\r\nxyz\r\n"),
    "a chunk size of many digits": _raw(OK + CHUNKED + b"\r\n" + b"f" * 400 + b"\r\n"),
    "a chunk longer than its size": _raw(OK + CHUNKED + b"\r\n2\r\nabcdef\r\n0\r\n\r\n"),
    "endless headers": _endless(OK, b"a: b\r\n" * 100),
    "an endless header": _endless(OK + b"a: ", b"b" * 1000),
    "endless interim responses": _endless(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 50),
    "an endless body": _endless(OK + b"\r\n", b"x" * 5000),
    "endless one-byte chunks": _endless(OK + EVENTS + CHUNKED + b"\r\n", b"1\r\nx\r\n" * 500),
    "endless events": _endless(OK + EVENTS + CHUNKED + b"\r\n", b"a\r\ndata: {}\n\n\r\n" * 500),
    "an endless trailer": _endless(OK + CHUNKED + b"\r\n0\r\n", b"a: b\r\n" * 100),
    "an endless chunk size": _endless(OK + CHUNKED + b"\r\n", b"1" * 1000),
    "no JSON": _body(b"<html>502</html>"),
    "deep JSON": _body(_DEEP),
    "a number": _body(b"7"),
    "null": _body(b"null"),
    "a list": _body(b"[[]]"),
    "a number of many digits": _body(b'{"usage": {"completion_tokens": ' + _DIGITS + b"}}"),
    "tokens that are no number": _body(b'{"choices": [{"text": "a"}], "usage": {"completion_tokens": "many"}}'),
    "tokens that are infinite": _body(b'{"choices": [{"text": "a"}], "usage": {"completion_tokens": Infinity}}'),
    "tokens beyond a column": _body(b'{"choices": [{"text": "a"}], "usage": {"completion_tokens": %d}}' % 10**20),
    "half a character": _body(b'{"choices": [{"message": {"content": "\\ud83d"}}]}'),
    "text that is a list": _body(b'{"choices": [{"message": {"content": [1, {"a": null}]}}]}'),
    "choices that are none": _body(b'{"choices": {"a": 1}}'),
    "a reason that is a section": _body(b'{"choices": [{"message": {"content": "a"}, "finish_reason": {"b": 1}}]}'),
    "an id that is a number": _body(b'{"id": 12, "choices": [{"message": {"content": "a"}}]}'),
    "not UTF-8": _body(b'{"choices": [{"message": {"content": "\xff\xfe"}}]}'),
    "an empty body": _body(b""),
    "events of no JSON": _stream(b"data: <html>\n\n"),
    "events that are numbers": _stream(b"data: 1\n\n", b"data: null\n\n", b"data: []\n\n"),
    "deep events": _stream(b"data: " + _DEEP + b"\n\n"),
    "events with half a character": _stream(_CONTENT % (b'"\\ud83d"', b"1")),
    "events with odd tokens": _stream(_CONTENT % (b'"a"', b"-5"), _CONTENT % (b'"b"', _DIGITS)),
    "events with odd text": _stream(_CONTENT % (b"[1]", b"{}"), _CONTENT % (b"{}", b"[]")),
    "an error in the stream": _stream(b'data: {"error": {"message": ["a", {"b": 1}], "code": {}}}\n\n'),
    "a stream without its end": _stream(_CONTENT % (b'"a"', b"1"), last=b""),
    "control characters": _body(b'{"error": {"message": "\\u001b[2J\\u0000\\r\\n"}}'),
    "a long error": _body(b'{"error": "' + b"x" * 1_000_000 + b'"}'),
    "429 for a long time": _raw(b"HTTP/1.1 429 Slow\r\nretry-after: " + b"9" * 400 + b"\r\ncontent-length: 0\r\n\r\n"),
    "HTTP/0.9": _raw(b"<html>hello</html>"),
    "HTTP/1.0 without a length": _raw(b"HTTP/1.0 200 OK\r\n\r\n{}"),
    "a version that is none": _raw(b"HTTP/9.7 200 OK\r\ncontent-length: 2\r\n\r\n{}"),
    "a status beyond all": _raw(b"HTTP/1.1 999 Odd\r\ncontent-length: 2\r\n\r\n{}"),
    "a status of zero": _raw(b"HTTP/1.1 000 Odd\r\ncontent-length: 2\r\n\r\n{}"),
    "TLS": _raw(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500)),
    "a TLS alert": _raw(b"\x15\x03\x03\x00\x02\x02\x28"),
    "interim responses alone": _raw(b"HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n" * 3),
    "interim responses before one": _raw(b"HTTP/1.1 100 Continue\r\n\r\n" * 20 + OK + b"content-length: 2\r\n\r\n{}"),
    "a switch after a request": _raw(b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\n\r\n\x81\x02hi"),
    "two equal lengths": _raw(OK + b"content-length: 2\r\ncontent-length: 2\r\n\r\n{}"),
    "lengths in a list": _raw(OK + b"content-length: 2, 3\r\n\r\n{}"),
    "a length with a sign": _raw(OK + b"content-length: +2\r\n\r\n{}"),
    "a length of other digits": _raw(OK + "content-length: ²\r\n\r\n{}".encode()),
    "a length with an underscore": _raw(OK + b"content-length: 1_0\r\n\r\n{}{}{}{}{}"),
    "a length in hexadecimal": _raw(OK + b"content-length: 0x2\r\n\r\n{}"),
    "a length too long": _raw(OK + JSON + b"content-length: 200\r\n\r\n{}"),
    "a length of exabytes": _raw(OK + JSON + b"content-length: 9000000000000000000\r\n\r\n{}"),
    "a coding that is not known": _raw(OK + b"content-encoding: br\r\ncontent-length: 2\r\n\r\n{}"),
    "codings on codings": _raw(OK + b"content-encoding: gzip, gzip, deflate\r\ncontent-length: 2\r\n\r\n{}"),
    "a transfer that is not known": _raw(OK + b"transfer-encoding: gzip, chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"),
    "chunked twice": _raw(OK + b"transfer-encoding: chunked, chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"),
    "a bomb": _bomb,
    "headers of ten megabytes": _raw(OK + b"x: " + b"y" * 10_000_000 + b"\r\n\r\n{}"),
    "many headers": _many_lines(b"", 50_000),
    "a header with a zero": _raw(OK + b"x: \0\r\ncontent-length: 2\r\n\r\n{}"),
    "a folded header": _raw(OK + b"x: y\r\n  z\r\ncontent-length: 2\r\n\r\n{}"),
    "a header without a name": _raw(OK + b": y\r\ncontent-length: 2\r\n\r\n{}"),
    "lines that end in LF": _raw(b"HTTP/1.1 200 OK\ncontent-length: 2\n\n{}"),
    "a chunk's extension of a megabyte": _raw(OK + CHUNKED + b"\r\n2;x=" + b"y" * 1_000_000 + b"\r\n{}\r\n0\r\n\r\n"),
    "a chunk's extension": _raw(OK + CHUNKED + b'\r\n2;x="y;z"\r\n{}\r\n0\r\n\r\n'),
    "a negative chunk": _raw(OK + CHUNKED + b"\r\n-2\r\n{}\r\n0\r\n\r\n"),
    "a chunk size with a prefix": _raw(OK + CHUNKED + b"\r\n0x2\r\n{}\r\n0\r\n\r\n"),
    "a chunk of exabytes": _raw(OK + CHUNKED + b"\r\n7fffffffffffffff\r\n{}"),
    "many empty events": _stream(*[b"\n\n"] * 2000),
    "endless comments": _endless(OK + EVENTS + CHUNKED + b"\r\n", b"8\r\n: ping\n\n\r\n" * 200),
    "one endless event": _endless(OK + EVENTS + b"\r\n", b"data: " + b"x" * 5000),
    "one endless line of fields": _endless(OK + EVENTS + b"\r\n", b"data: {}\n" * 500),
    "events that end in CR": _raw(OK + EVENTS + b"\r\n" + _CONTENT[:-2] % (b'"a"', b"1") + b"\r\rdata: [DONE]\r\r"),
    "a reset before an answer": _raw(RESET),
    "a reset in the head": _raw(OK, RESET),
    "a reset in a stream": _raw(OK + EVENTS + CHUNKED + b"\r\n", b"a\r\ndata: {}\n\n\r\n", RESET),
    "a drip of a head": _drip(b"HTTP/1.1 200 OK\r\nx: y\r\n", 0.05),
    "a drip of comments": _drip(OK + EVENTS + b"\r\n: ping\n\n" * 50, 0.02),
    "a body longer than its length, and then a head": _raw(OK + b"content-length: 2\r\n\r\n{}" + OK),
    "500 without an end": _endless(b"HTTP/1.1 500 Error\r\n\r\n", b"x" * 5000),
}  # fmt: skip
"""What each server sends to a request; those with chance in them differ by their seed."""
