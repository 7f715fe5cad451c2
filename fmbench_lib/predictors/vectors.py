"""Embeddings in an answer: which values are vectors, and which of them no program can use.

A vector of no numbers is no content. One with NaN, infinity or null in it is a failure of the server that looks like a
success; the three are how different servers spell it, as JSON has none of the first two.
"""

from __future__ import annotations

import base64
import binascii
import math
import struct
from collections.abc import Iterator
from typing import Any

_FLOAT_BYTES = 4
_ENCODED = ("float", "int8", "uint8", "binary", "ubinary", "base64")
"""Cohere's encodings, each with its list of vectors."""


def holds_vectors(value: Any) -> bool:
    """Whether a value is a vector, or vectors however deep in lists; False for an empty one.

    :raises ValueError: a vector has something other than finite numbers in it.
    """
    found = False
    for vector in _vectors_in(value):
        found = True
        for number in vector:
            if isinstance(number, bool) or not isinstance(number, int | float) or not math.isfinite(number):
                raise ValueError(f"a vector has {'null' if number is None else str(number)[:40]} in place of a number")
    return found


def _vectors_in(value: Any) -> Iterator[list[Any]]:
    if isinstance(value, str) and value:
        yield _unpacked(value)
    elif isinstance(value, dict):
        for encoding in _ENCODED:
            yield from _vectors_in(value.get(encoding))
    elif isinstance(value, list) and value:
        if any(isinstance(entry, list | dict) for entry in value):
            for entry in value:
                yield from _vectors_in(entry.get("embedding") if _is_item(entry) else entry)
        elif all(isinstance(entry, str) for entry in value):
            for entry in value:
                yield from _vectors_in(entry)
        else:
            yield value


def _is_item(entry: Any) -> bool:
    return isinstance(entry, dict) and "embedding" in entry


def _unpacked(encoded: str) -> list[Any]:
    """The numbers of a vector in base64: little-endian, of four bytes each as a rule.

    Packed numbers of another width give a few that are not finite, which say nothing and are left out.

    :raises ValueError: it is not base64.
    """
    try:
        packed = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        raise ValueError(f"a vector is neither numbers nor base64: {encoded[:40]}") from None
    if len(packed) % _FLOAT_BYTES:
        return list(packed)
    numbers = struct.unpack(f"<{len(packed) // _FLOAT_BYTES}f", packed)
    finite = [number for number in numbers if math.isfinite(number)]
    return finite if 2 * len(finite) > len(numbers) else list(numbers)
