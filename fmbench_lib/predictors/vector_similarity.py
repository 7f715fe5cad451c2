"""Vectors in the answers of embedding endpoints, and how near they are to the first of them."""

from __future__ import annotations

import base64
import binascii
import math
import struct
from collections.abc import Sequence
from typing import Any, TypeGuard

NAN = float("nan")
_MOST_VECTORS = 100_000


def similarities(data: Sequence[Any]) -> tuple[float, ...]:
    """The cosine of the first vector of an OpenAI `data` list with each of the others, in the order of their index;
    NaN where one is missing, zero or of another length."""
    vectors = _in_order(data)
    first, others = (vectors[0], vectors[1:]) if vectors else ((), [])
    return tuple(_cosine(first, other) for other in others)


def _in_order(data: Sequence[Any]) -> list[tuple[float, ...]]:
    """The vectors by their index, as some servers return them in the order in which they were ready; empty where one is
    missing. As they stand where indices are missing or occur twice."""
    entries = [entry if isinstance(entry, dict) else {} for entry in data]
    vectors = [_vector(entry.get("embedding")) for entry in entries]
    numbers = [entry.get("index") for entry in entries]
    if not _are_places(numbers):
        return vectors
    placed = dict(zip(numbers, vectors, strict=True))
    return [placed.get(number, ()) for number in range(max(numbers, default=-1) + 1)]


def _are_places(numbers: Sequence[Any]) -> TypeGuard[Sequence[int]]:
    """Whether these say where each vector belongs: different whole numbers, of which some may be missing."""
    counted = all(type(number) is int and 0 <= number < _MOST_VECTORS for number in numbers)
    return counted and len(set(numbers)) == len(numbers)


def _vector(value: Any) -> tuple[float, ...]:
    """The numbers of a vector; those of base64 are little-endian floats of 32 bits. Empty where it is neither."""
    if isinstance(value, str):
        try:
            data = base64.b64decode(value, validate=True)
            return struct.unpack(f"<{len(data) // 4}f", data)
        except (binascii.Error, struct.error):
            return ()
    if not isinstance(value, list) or not all(type(each) in (int, float) for each in value):
        return ()
    return tuple(map(float, value))


def _cosine(first: Sequence[float], second: Sequence[float]) -> float:
    if len(first) != len(second):
        return NAN
    length = math.sqrt(math.fsum(a * a for a in first) * math.fsum(b * b for b in second))
    if length == 0 or not math.isfinite(length):
        return NAN
    return max(-1.0, min(1.0, math.fsum(map(float.__mul__, first, second)) / length))
