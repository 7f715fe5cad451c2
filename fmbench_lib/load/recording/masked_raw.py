"""Raw responses without the secrets that servers repeat, byte for byte as long, and decoded as before.

What is said of positions in them stays true. A secret is found across the pieces that a body came in; checksums of
AWS's event streams are made again, and what they hold in Base64 is encoded again. A packed body that has a secret is
blotted out as a whole.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import accumulate, pairwise
from zlib import crc32

import numpy as np

from fmbench_lib.config.redactor import Redactor
from fmbench_lib.errors import ProtocolError
from fmbench_lib.load.recording.parsed_response import ParsedResponse, parse_response
from fmbench_lib.predictors.base import Event, HttpResponse, Predictor
from fmbench_lib.predictors.content_coding import coding_of, unpacked_pieces

_IN_BASE64 = re.compile(rb'"bytes"\s*:\s*"([A-Za-z0-9+/]+={0,2})"')
"""What Bedrock's InvokeModel streams: the model's own JSON, in Base64."""

_EVENT_STREAM = "vnd.amazon.eventstream"
_PRELUDE_BYTES, _CHECKSUM_BYTES = 12, 4

Change = Callable[[bytes], bytes]
"""Gives as many bytes as it is given."""


def masked_raw(
    raw: bytes, redactor: Redactor, predictor: Predictor | None = None, parsed: ParsedResponse | None = None
) -> bytes:
    """The raw bytes of a response with `*` in place of secrets; with the codec also of those that came in pieces, some
    letters with each event. `parsed` is the response where it has been parsed: its body may be many megabytes."""
    masked = redactor.masked(raw)
    try:
        response = parsed or parse_response(raw, closed=True)
    except ProtocolError:
        return masked
    if coding := coding_of(response.headers):
        return response.with_body(masked, _packed(response.body, coding, redactor))
    framed = _EVENT_STREAM in (dict(response.headers).get("content-type") or "")
    body = _framed(response.body, redactor.masked) if framed else redactor.masked(response.body)
    if predictor is not None:
        pieces = _without_pieces(response, framed, redactor, predictor)
        body = (_framed_union if framed else _union)(response.body, body, pieces)
    return masked if masked == raw and body == response.body else response.with_body(masked, body)


def _without_pieces(response: ParsedResponse, framed: bool, redactor: Redactor, predictor: Predictor) -> bytes:
    """The body with `*` in place of the letters of secrets that events brought in pieces."""
    body = response.body
    completion = predictor.decode(HttpResponse(response.status, response.headers, body, response.complete))
    for piece in _pieces_of_secrets(completion.events, redactor):
        body = piece.made(body, framed)
    return body


def _union(was: bytes, one: bytes, other: bytes) -> bytes:
    """Bytes with the changes of both."""
    old, new, more = (np.frombuffer(data, np.uint8) for data in (was, one, other))
    return np.where(new != old, new, more).tobytes()


def _packed(body: bytes, coding: str, redactor: Redactor) -> bytes:
    try:
        plain = b"".join(unpacked_pieces([body], coding)[0])
    except ValueError:
        return redactor.masked(body)
    return redactor.masked(body) if redactor.masked(plain) == plain else b"*" * len(body)


# -- event streams ---------------------------------------------------------------------------------------------------


def _framed(body: bytes, change: Change) -> bytes:
    """An event stream whose payloads have been changed, as one text, since a container's lines are cut anywhere."""
    frames = list(_frames(body))
    payloads = [_in_base64(body[frame.payload : frame.end], change) for frame in frames]
    changed = change(b"".join(payloads))
    cuts = pairwise(accumulate(map(len, payloads), initial=0))
    made = [
        frame.made(body, change, changed[start:stop])
        for frame, (start, stop) in zip(frames, cuts, strict=True)
    ]  # fmt: skip
    return b"".join((*made, change(body[frames[-1].after if frames else 0 :])))


@dataclass(frozen=True, slots=True)
class _Frame:
    """Where a message of an event stream is in a body: it begins at `start`, and its payload at `payload`."""

    start: int
    payload: int
    end: int

    @property
    def after(self) -> int:
        return self.end + _CHECKSUM_BYTES

    def made(self, body: bytes, change: Change, payload: bytes) -> bytes:
        """The message with this payload, and a checksum that holds where the old one did."""
        headers = self.start + _PRELUDE_BYTES
        old, checksum = body[self.start : self.end], body[self.end : self.after]
        new = body[self.start : headers] + change(body[headers : self.payload]) + payload
        right = crc32(old).to_bytes(_CHECKSUM_BYTES) == checksum
        return new + (crc32(new).to_bytes(_CHECKSUM_BYTES) if right else checksum)


def _frames(body: bytes) -> Iterator[_Frame]:
    start = 0
    while start + _PRELUDE_BYTES + _CHECKSUM_BYTES <= len(body):
        size, headers = (int.from_bytes(body[at : at + 4]) for at in (start, start + 4))
        payload, end = start + _PRELUDE_BYTES + headers, start + size - _CHECKSUM_BYTES
        if payload > end or end + _CHECKSUM_BYTES > len(body):
            return
        yield _Frame(start, payload, end)
        start += size


def _framed_union(was: bytes, one: bytes, other: bytes) -> bytes:
    """An event stream with the changes that both have made to its payloads."""
    made, end = [], 0
    for frame in _frames(was):
        payloads = [data[frame.payload : frame.end] for data in (was, one, other)]
        coded = [_IN_BASE64.search(payload) for payload in payloads]
        payload = _union(payloads[0], payloads[1], payloads[2])
        if all(coded):
            plain = [base64.b64decode(match[1]) for match in coded if match is not None]
            inner = base64.b64encode(_union(plain[0], plain[1], plain[2]))
            payload = _IN_BASE64.sub(lambda match: match[0].replace(match[1], inner), payload, count=1)  # noqa: B023
        headers = one[frame.start + _PRELUDE_BYTES : frame.payload]
        made.append(frame.made(was, lambda _: headers, payload))  # noqa: B023
        end = frame.after
    return b"".join((*made, _union(was[end:], one[end:], other[end:])))


def _in_base64(payload: bytes, change: Change) -> bytes:
    """The payload with a change made to what it holds in Base64."""
    match = _IN_BASE64.search(payload)
    if match is None:
        return payload
    try:
        encoded = base64.b64encode(change(base64.b64decode(match[1], validate=True)))
    except binascii.Error:
        return payload
    return payload[: match.start(1)] + encoded + payload[match.end(1) :]


# -- secrets in pieces -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Piece:
    """The text of an event that has letters of a secret, and how it is to be; bytes `start` to `stop` of the body
    brought it."""

    start: int
    stop: int
    text: str
    masked: str

    def made(self, body: bytes, framed: bool) -> bytes:
        """The body with this text changed; where it is not found, nothing is left of what brought it."""
        for ascii_only in (True, False):
            old, new = self._spelled(ascii_only)
            part = body[self.start : self.stop]
            changed = _framed(part, lambda data: data.replace(old, new)) if framed else part.replace(old, new)  # noqa: B023
            if changed != part:
                return body[: self.start] + changed + body[self.stop :]
        blot = re.sub(rb"[A-Za-z0-9\x80-\xff]", b"*", body[self.start : self.stop])
        return body[: self.start] + blot + body[self.stop :]

    def _spelled(self, ascii_only: bool) -> tuple[bytes, bytes]:
        letters = [json.dumps(letter, ensure_ascii=ascii_only)[1:-1] for letter in self.text]
        new = [
            "*" * len(spelled.encode(errors="surrogatepass")) if was != now else spelled
            for spelled, was, now in zip(letters, self.text, self.masked, strict=True)
        ]
        old, changed = "".join(letters), "".join(new)
        return old.encode(errors="surrogatepass"), changed.encode(errors="surrogatepass")


def _pieces_of_secrets(events: tuple[Event, ...], redactor: Redactor) -> Iterator[_Piece]:
    """The events that have letters of a secret which came in pieces."""
    starts = [0, *(event.end_offset for event in events)]
    for reasoning in (False, True):
        ours = [(start, event) for start, event in zip(starts, events, strict=False) if event.reasoning == reasoning]
        masked = redactor.starred("".join(event.text for _, event in ours))
        at = 0
        for start, event in ours:
            part = masked[at : at + len(event.text)]
            at += len(event.text)
            if part != event.text:
                yield _Piece(start, event.end_offset, event.text, part)
