"""Bodies that came packed though nobody asked: unpacking them piece by piece, so that each keeps the time it came."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import replace

from fmbench_lib.predictors.base import HttpResponse

_NONE = ("", "identity", "none", "utf-8", "utf8")
"""What means that the body is as it is; the last two are charsets in the wrong header."""
_WINDOWS = {"gzip": 31, "x-gzip": 31, "deflate": 15}
_RAW_DEFLATE = -15
_GZIP = b"\x1f\x8b"
_MOST_BYTES = 64 << 20  # as many as a response that is not packed may have, unless the config says otherwise
_MOST_MEMBERS = 500_000
_SLICE_BYTES = 1 << 10
"""Looked at in one go: what follows a member is copied, and it may have a few bytes."""


def coding_of(headers: Sequence[tuple[str, str]]) -> str:
    """The `Content-Encoding` of a response in lower case; "" if its body is as it is."""
    values = (value.split(",") for name, value in headers if name == "content-encoding")
    codings = (coding.strip().lower() for value in values for coding in value)
    return ", ".join(coding for coding in codings if coding not in _NONE)


def unpacked_pieces(pieces: Sequence[bytes], coding: str) -> tuple[list[bytes], bool]:
    """What each piece of a packed body adds to the unpacked one, and whether the packed body is there to its end.

    :raises ValueError: the coding is not gzip or deflate, the body is damaged, or it unpacks to more than 64 MiB.
    """
    if coding not in _WINDOWS:
        raise ValueError(f"Content-Encoding {coding} cannot be read: have the server or proxy send the body unpacked")
    first = next((piece for piece in pieces if piece), b"")
    raw = coding == "deflate" and (len(first) < 2 or first[0] & 15 != 8 or int.from_bytes(first[:2]) % 31)
    unpacker = _Unpacker(_RAW_DEFLATE if raw else _WINDOWS[coding])
    unpacked, left = [], _MOST_BYTES
    for piece in pieces:
        try:
            part = unpacker.unpack(piece, left)
        except zlib.error as error:
            raise ValueError(f"Content-Encoding {coding}, and the body is not: {error}") from None
        left -= len(part)
        if left <= 0:
            raise ValueError(f"Content-Encoding {coding}, and the body unpacks to more than {_MOST_BYTES >> 20} MiB")
        unpacked.append(part)
    return unpacked, unpacker.is_at_end


class _Unpacker:
    """Unpacks a body of one or more gzip members, or of one zlib or deflate stream; what follows it is left out."""

    def __init__(self, window: int) -> None:
        self._window = window
        self._members_left = _MOST_MEMBERS
        self._stream = zlib.decompressobj(window)

    @property
    def is_at_end(self) -> bool:
        """Whether the last member is whole."""
        return self._stream.eof

    def unpack(self, packed: bytes, most: int) -> bytes:
        """What these bytes add, up to `most` bytes of it."""
        parts, left = [], most
        for start in range(0, len(packed), _SLICE_BYTES):
            rest = packed[start : start + _SLICE_BYTES]
            while rest and left > 0 and self._goes_on_with(rest):
                part = self._stream.decompress(rest, left)
                parts.append(part)
                left -= len(part)
                rest = self._stream.unused_data if self._stream.eof else b""
        return b"".join(parts)

    def _goes_on_with(self, packed: bytes) -> bool:
        """Whether these bytes belong to the body; at the end of a member they may begin the next one."""
        if not self._stream.eof:
            return True
        if self._window != _WINDOWS["gzip"] or not packed.startswith(_GZIP[: len(packed)]):
            return False
        if not self._members_left:
            raise ValueError(f"Content-Encoding gzip, and the body has more than {_MOST_MEMBERS:,} members")
        self._members_left -= 1
        self._stream = zlib.decompressobj(self._window)  # some servers pack each event by itself
        return True


def unpacked(response: HttpResponse) -> HttpResponse:
    """A response with its body unpacked; unchanged if it is not packed.

    :raises ValueError: as `unpacked_pieces`.
    """
    coding = coding_of(response.headers)
    if not coding or not response.body:
        return response
    pieces, whole = unpacked_pieces([response.body], coding)
    return replace(response, body=b"".join(pieces), complete=response.complete and whole)
