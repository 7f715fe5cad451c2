"""The spellings under which a known secret can turn up, and where a text has one of them, whole or cut."""

from __future__ import annotations

import base64
import functools
import html
import json
import re
from collections.abc import Iterable, Iterator
from urllib.parse import quote, quote_plus

from fmbench_lib.config.secret_forms import Span

SHORTEST = 8
"""Shorter values are not removed: they occur in ordinary text, and are no secret to anyone who guesses."""

_LONG_PIECE = 12
"""A piece of a secret that is removed where the text goes on after it; at the end of a text `SHORTEST` letters do."""

_SHORTEST_LINE = 16


def spellings(secret: str) -> set[str]:
    """A secret as it is, as JSON, addresses, Python and HTML spell it, in Base64 and hexadecimal digits, and the long
    lines of one that has several."""
    lines = [line.strip() for line in secret.splitlines()] if "\n" in secret.strip() else []
    texts = {secret, secret.strip(), *(line for line in lines if len(line) >= _SHORTEST_LINE and line[:5] != "-----")}
    forms: set[str] = set()
    for text in texts:
        escaped = {text, *_escaped(text)}
        forms |= escaped | {json.dumps(each)[1:-1] for each in escaped}  # an escaped text, quoted in JSON
        forms |= set(_encoded(text.encode("utf-8", errors="surrogateescape")))
    return {form for form in forms if len(form) >= SHORTEST}


def _escaped(text: str) -> Iterator[str]:
    data = text.encode("utf-8", errors="surrogateescape")
    for address in (quote(data, safe=""), quote(data, safe="/"), quote_plus(data)):
        yield address
        yield re.sub(r"%[0-9A-F]{2}", lambda match: match.group().lower(), address)
        yield quote(address, safe="")  # an address in an address
    for escaped in (json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1]):
        yield escaped
        yield escaped.replace("/", "\\/")
    yield repr(text)[1:-1]
    yield html.escape(text)
    yield html.escape(text, quote=False)
    yield text.replace("'", "'\"'\"'")


def _encoded(data: bytes) -> Iterator[str]:
    """Base64 of the secret wherever it begins in what was encoded, without the letters that its neighbours share."""
    for before in range(3):
        size = before + len(data)
        core = slice(-(-before * 8 // 6), size * 8 // 6)
        yield base64.b64encode(bytes(before) + data).decode()[core]
        yield base64.urlsafe_b64encode(bytes(before) + data).decode()[core]
    yield data.hex()
    yield data.hex().upper()


def spans_of_known(text: str, known: tuple[str, ...]) -> Iterator[Span]:
    """Where the text has one of these spellings, or a piece that was cut from one."""
    if len(text) < SHORTEST:
        return
    for head, forms in _by_head(known):
        at = text.find(head)
        while at >= 0:
            end = max(_end_of(text, at, form) for form in forms)
            if end > at:
                yield at, end
            at = text.find(head, max(end, at + 1))
    first = text[:SHORTEST]
    for form in known:
        if first in form and (left := _rest_at_start(text, form)):
            yield 0, left


@functools.lru_cache(maxsize=64)
def _by_head(known: tuple[str, ...]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """The spellings by their first letters, so that a text is searched once for all that begin alike."""
    groups: dict[str, list[str]] = {}
    for form in known:
        groups.setdefault(form[:SHORTEST], []).append(form)
    return tuple((head, tuple(forms)) for head, forms in groups.items())


def _end_of(text: str, at: int, form: str) -> int:
    """Where the spelling that begins at `at` ends, whole or cut; `at` where only other words begin alike."""
    if text.startswith(form, at):
        return at + len(form)
    end = at + _common(form, text[at : at + len(form)])
    if end < len(text) and (text[end].isalnum() or text[end] in "-_"):
        return at
    cut_here = end == len(text) or text[end] == "…" or text.startswith("...", end)
    return end if end - at >= (SHORTEST if cut_here else _LONG_PIECE) else at


def _common(one: str, other: str) -> int:
    """How many letters two texts have in common at their beginning."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one[:middle] == other[:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def _rest_at_start(text: str, form: str) -> int:
    """How many letters at the start of a text are the end of a spelling, or a piece from within it; else 0."""
    if len(text) >= _LONG_PIECE and text in form:
        return len(text)
    at = form.find(text[:SHORTEST], 1)
    while at >= 0:
        if text.startswith(form[at:]):
            return len(form) - at
        at = form.find(text[:SHORTEST], at + 1)
    return 0


def all_spellings(secrets: Iterable[str]) -> tuple[str, ...]:
    """The spellings of all secrets that are long enough, the longest first."""
    forms = {form for secret in secrets if len(secret) >= SHORTEST for form in spellings(secret)}
    return tuple(sorted(forms, key=lambda form: (-len(form), form)))
