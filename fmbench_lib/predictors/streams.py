"""The ways in which protocols cut a streamed body into messages, each with the offset just behind it."""

from __future__ import annotations

from collections.abc import Iterator


def sse_data(body: bytes) -> Iterator[tuple[int, bytes]]:
    """The data of server-sent events, line by line; comments, other fields and an unfinished last line are left out.

    A line `error: …`, which some servers send in mid-stream, is given as the JSON object `{"error": …}`.
    """
    start = 0
    while (found := next_sse_data(body, start)) is not None:
        yield found
        start = found[0]


def next_sse_data(body: bytes, start: int) -> tuple[int, bytes] | None:
    """The first of them from byte `start` on; None where there is none."""
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
    """The lines that hold something; the last one of a complete body needs no line break behind it."""
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
    """Whether a content type is one of those that JSON lines go by."""
    return content_type.startswith(("application/x-ndjson", "application/jsonl"))
