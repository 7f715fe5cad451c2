"""The JSON objects in a text that a model wrote."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

_DEEPEST = 4
_MOST_STRAY = 500
"""Braces that begin no object, after which a text is given up: each may take time with the length of the text."""
_CARRIERS = frozenset({"arguments", "input", "parameters", "function", "tool_calls", "result", "response", "output"})


@dataclass(frozen=True, slots=True)
class FoundObject:
    """An object and where it stands, `start` to `end`. Its keys are in lower case; the value of one that was there
    several times, with different values, is `Ambiguous`."""

    value: dict[str, Any]
    start: int
    end: int


class Ambiguous:
    """The value of a key that an object has twice, with different values."""


def objects_in(text: str) -> Iterator[FoundObject]:
    """The objects that are in no other, in order."""
    at, stray = text.find("{"), 0
    while at >= 0 and stray < _MOST_STRAY:
        if (found := object_at(text, at)) is None:
            stray += 1
        else:
            yield found
        at = text.find("{", at + 1 if found is None else found.end)


def object_at(text: str, start: int) -> FoundObject | None:
    """The object that begins at a place in the text, None where none does."""
    try:
        value, end = _DECODER.raw_decode(text, start)
    except (ValueError, RecursionError):
        return None
    return FoundObject(value, start, end) if isinstance(value, dict) else None


def carried(value: object, depth: int = 0) -> Iterator[dict[str, Any]]:
    """The objects that an object carries below keys that are known to wrap an answer, as the use of a tool does; there
    the object may be written as a text."""
    if depth > _DEEPEST:
        return
    if isinstance(value, str):
        yield from (each for found in objects_in(value) for each in carried(found.value, depth + 1))
    elif isinstance(value, list):
        yield from (each for item in value for each in carried(item, depth + 1))
    elif isinstance(value, dict):
        yield value
        yield from (each for key in value if key in _CARRIERS for each in carried(value[key], depth + 1))


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        name = key.strip().lower()
        found[name] = value if name not in found or found[name] == value else Ambiguous()
    return found


_DECODER = json.JSONDecoder(object_pairs_hook=_object)
