"""Splitting a streamed body into messages, each with the offset just after it."""

from __future__ import annotations

from collections.abc import Iterator


def sse_data(body: bytes) -> Iterator[tuple[int, bytes]]:
    """The data of server-sent events, line by line, without comments, other fields and an incomplete last line.

    A line `error: …`, which some servers send in mid-stream, becomes the JSON object `{"error": …}`.
    """
    start = 0
    while (event := next_sse_data(body, start)) is not None:
        yield event
        start = event[0]


def next_sse_data(body: bytes, start: int) -> tuple[int, bytes] | None:
    """The first data of a server-sent event from byte `start` on; None if there is none."""
    while (end := body.find(b"\n", start)) >= 0:
        line = body[start:end]
        start = end + 1
        if line.startswith(b"data:"):
            data = line[5:].strip()
            if data:
                return start, data
        elif line.startswith(b"error:"):
            return start, b'{"error":' + line[6:].strip() + b"}"
    return None


def json_lines(body: bytes, *, complete: bool) -> Iterator[tuple[int, bytes]]:
    """The lines that are not empty; the last line of a complete body needs no line break."""
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
