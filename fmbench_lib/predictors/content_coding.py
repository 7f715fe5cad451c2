"""Bodies that came packed though nobody asked: unpacking them piece by piece, so that each keeps the time it came."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import replace

from fmbench_lib.predictors.base import HttpResponse

_NONE = ("", "identity")
_WINDOWS = {"gzip": 31, "x-gzip": 31, "deflate": 15}
_RAW_DEFLATE = -15
_MOST_BYTES = 256 << 20


def coding_of(headers: Sequence[tuple[str, str]]) -> str:
    """The `Content-Encoding` of a response in lower case; "" if its body is as it is."""
    for name, value in headers:
        if name == "content-encoding":
            coding = value.strip().lower()
            return "" if coding in _NONE else coding
    return ""


def unpacked_pieces(pieces: Sequence[bytes], coding: str) -> list[bytes]:
    """What each piece of a packed body adds to the unpacked one.

    :raises ValueError: the coding is not gzip or deflate, the body is damaged, or it unpacks to more than 256 MiB.
    """
    if coding not in _WINDOWS:
        raise ValueError(f"Content-Encoding {coding} cannot be read: have the server or proxy send the body unpacked")
    first = next((piece for piece in pieces if piece), b"")
    raw = coding == "deflate" and (len(first) < 2 or first[0] & 15 != 8 or int.from_bytes(first[:2]) % 31)
    unpacker = zlib.decompressobj(_RAW_DEFLATE if raw else _WINDOWS[coding])
    unpacked, left = [], _MOST_BYTES
    for piece in pieces:
        try:
            part = unpacker.decompress(piece, left)
        except zlib.error as error:
            raise ValueError(f"Content-Encoding {coding}, and the body is not: {error}") from None
        left -= len(part)
        if left <= 0:
            raise ValueError(f"Content-Encoding {coding}, and the body unpacks to more than {_MOST_BYTES >> 20} MiB")
        unpacked.append(part)
    return unpacked


def unpacked(response: HttpResponse) -> HttpResponse:
    """A response with its body unpacked; unchanged if it is not packed.

    :raises ValueError: as `unpacked_pieces`.
    """
    coding = coding_of(response.headers)
    if not coding or not response.body:
        return response
    return replace(response, body=b"".join(unpacked_pieces([response.body], coding)))
