"""Splitting a streamed body into messages, each with the offset just after it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Literal

Form = Literal["events", "lines", "whole"]
_BOM = b"\xef\xbb\xbf"
_BLANK = _BOM + b" \r\n\t"
_TWO_LINES = re.compile(rb"\s*(\{[^\r\n]*\})[ \t]*[\r\n]\s*\{")
_BOM_OF_LINE = re.compile(rb"(?:(?<=[\r\n])|\A)\xef\xbb\xbf")
_BARE_RETURN = re.compile(rb"\r(?!\n)")
_KEEP_ALIVES = (b"ping", b"pong", b"heartbeat", b"keepalive", b"keep-alive", b"keep_alive")
"""Events, and data of events, by which servers show that they are there."""
_MOST_LINES = 10_000
"""Of one event: each is tried for being the last of its JSON."""
_BEGINNINGS_OF_EVENTS = (b"data:", b"event:", b"id:", b"retry:", b"error:", b":")
_ERROR_EVENTS = (b"error", b"exception", b"fatal", b"failure", b"failed")
_ENDS = (b"[done]", b"done")
"""What ends a stream, in lower case."""
_TAIL_BYTES = 8 << 10


def is_event_text(body: bytes) -> bool:
    """Whether a body begins as server-sent events do, whatever its content type says."""
    return body[:64].removeprefix(_BOM).lstrip().startswith(_BEGINNINGS_OF_EVENTS)


def is_stream_text(body: bytes) -> bool:
    """Whether a body begins as a stream does: with a field or comment of an event, or with JSON."""
    return is_event_text(body) or body.lstrip(_BLANK)[:1] in (b"{", b"[")


def form_of(content_type: str, body: bytes) -> Form:
    """Whether a body is server-sent events, JSON lines or one answer: by its shape, since many servers and proxies
    give it another content type, else by that type."""
    if is_event_text(body):
        return "events"
    if _begins_with_line(body):
        return "lines"
    if is_json_lines(content_type):
        return "lines"
    begins_as_json = body.lstrip(_BLANK)[:1] in (b"{", b"[")
    return "events" if content_type.startswith("text/event-stream") and not begins_as_json else "whole"


def _begins_with_line(body: bytes) -> bool:
    """Whether a body has a JSON object in its first line, and then another."""
    begun = _TWO_LINES.match(body.removeprefix(_BOM))
    return begun is not None and _is_json(begun[1])


def with_line_feeds(body: bytes) -> bytes:
    """A body of the same length whose lines end in LF or CRLF: server-sent events may have CR alone, too.

    A byte-order mark before a line becomes empty lines: proxies that join streams leave one in each.
    """
    if _BOM in body:
        body = _BOM_OF_LINE.sub(b"\n\n\n", body)
    if b"\r" not in body or body.count(b"\r") == body.count(b"\r\n"):
        return body
    return _BARE_RETURN.sub(b"\n", body)


def sse_data(body: bytes, start: int = 0, *, complete: bool) -> Iterator[tuple[int, bytes]]:
    """The data of server-sent events from byte `start` on, without comments, other fields and an incomplete last line.

    The lines of one event are joined where the first is not JSON by itself: some servers leave out the empty line
    between two events. The data of an event `error`, and a line `error: …`, become the JSON object `{"error": …}`. The
    last line of a complete body needs no line break where it is JSON or the mark of the end: else it may have been cut.
    """
    body = with_line_feeds(body)
    while (event := next_sse_data(body, start, complete=complete)) is not None:
        yield event
        start = event[0]


def next_sse_data(body: bytes, start: int, *, complete: bool) -> tuple[int, bytes] | None:
    """The first data of a server-sent event from byte `start` on, in a body `with_line_feeds`; None without one."""
    failed = skipped = False
    while (end := body.find(b"\n", start)) >= 0:
        line = body[start:end]
        start = end + 1
        if line.startswith(b"data:"):
            data = line[5:].strip()
            if data and skipped:
                skipped = False
            elif data:
                if body.startswith(b"data:", start) and not _is_json(data):
                    start, data = _joined(body, start, data)
                return start, _as_error(data) if failed else data
        elif line.startswith(b"error:"):
            return start, _as_error(line[6:].strip())
        elif line.startswith(b"event:"):
            name = line[6:].strip()
            failed, skipped = name in _ERROR_EVENTS, name in _KEEP_ALIVES
        elif not line.strip():
            failed = skipped = False
    if not complete or skipped or not body.startswith(b"data:", start):
        return None
    data = body[start + 5 :].strip()
    is_whole = is_end(data) or (data.startswith(b"{") and _is_json(data))
    return (len(body), _as_error(data) if failed else data) if is_whole else None


def is_end(data: bytes) -> bool:
    """Whether the data of an event is not JSON but the mark that ends a stream."""
    return len(data) <= len(_ENDS[0]) and data.lower() in _ENDS


def behind_events(body: bytes) -> bytes:
    """What stands behind the last field or comment of server-sent events, where a server that breaks down may write its
    error as it is; nothing where it may be the beginning of a field."""
    if not is_event_text(body):
        return b""
    lines = with_line_feeds(body[-_TAIL_BYTES:]).split(b"\n")
    fields = [number for number, line in enumerate(lines) if line.startswith(_BEGINNINGS_OF_EVENTS)]
    behind = b"\n".join(lines[fields[-1] + 1 if fields else 1 :]).strip()
    return b"" if any(name.startswith(behind) for name in _BEGINNINGS_OF_EVENTS) else behind


def is_keep_alive(data: bytes) -> bool:
    """Whether the data of an event says nothing but that the server is there."""
    return data.lower() in _KEEP_ALIVES


def is_plain_text(data: bytes) -> bool:
    """Whether the data of an event is one line of text, none of it control characters."""
    try:
        return data.decode().isprintable()
    except UnicodeDecodeError:
        return False


def _joined(body: bytes, start: int, data: bytes) -> tuple[int, bytes]:
    """The data of an event whose lines go on at `start`, up to where they are JSON or the event ends."""
    begun, alone = start, data
    for _ in range(_MOST_LINES):
        if not body.startswith(b"data:", start) or (end := body.find(b"\n", start)) < 0:
            break
        data += b"\n" + body[start + 5 : end].strip()
        start = end + 1
        if _is_json(data):
            return start, data
    return (begun, alone) if alone[:1] not in (b"{", b"[") else (start, data)


def _as_error(data: bytes) -> bytes:
    return b'{"error":' + (data if _is_json(data) else json.dumps(data.decode(errors="replace")).encode()) + b"}"


def _is_json(data: bytes) -> bool:
    try:
        json.loads(data)
    except (ValueError, RecursionError):
        return False
    return True


def json_lines(body: bytes, *, complete: bool) -> Iterator[tuple[int, bytes]]:
    """The lines that are not empty; the last line of a complete body needs no line break."""
    body = with_line_feeds(body)
    start = 0
    while (end := body.find(b"\n", start)) >= 0:
        line = body[start:end].strip()
        start = end + 1
        if line:
            yield start, line
    rest = body[start:].strip()
    if rest and complete:
        yield len(body), rest


def is_json_lines(content_type: str) -> bool:
    """Whether a content type means JSON lines."""
    return content_type.startswith(("application/x-ndjson", "application/jsonl"))
