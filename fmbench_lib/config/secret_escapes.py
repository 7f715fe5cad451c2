"""Escapes in a text undone, one kind at a time, with where in the text each byte came from.

A secret that was quoted in JSON, an address, Python, HTML or a shell is then found as it is, whichever of its letters
were escaped, also where one quoted what another had quoted.
"""

from __future__ import annotations

import functools
import re
from bisect import bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from fmbench_lib.config.secret_forms import Span

_CONTROL = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"b": b"\b", b"f": b"\f", b"v": b"\v"}

_ODD = "[Ff]{2}[0-5][0-9A-Fa-f]|00[Aa][Dd]|20(?:0[B-Fb-f]|2[A-Ea-e]|6[0-4])|[Ff][Ee][Ff]{2}"
"""Wide letters, and those that nobody sees, in digits of two bytes."""

_ASCII = ("[0-7][0-9A-Fa-f]", f"(?:00[0-7][0-9A-Fa-f]|{_ODD})", "0{0,4}[0-7][0-9A-Fa-f]", "000000[0-7][0-9A-Fa-f]")
_ANY = (
    "[0-9A-Fa-f]{2}", "[0-9A-Fa-f]{4}", "(?:0{0,3}[0-9A-Fa-f]?|0{0,2}10)[0-9A-Fa-f]{1,4}",
    "00(?:0[0-9A-Fa-f]|10)[0-9A-Fa-f]{4}",
)  # fmt: skip
"""The digits of a byte, of two, of a code point of any length and of one of eight digits."""

_FULL_WIDTH = re.compile(rb"(?:\xef\xbc[\x81-\xbf]|\xef\xbd[\x80-\x9e]){4,}")
"""Letters as wide as Chinese ones; fewer in a row are punctuation."""

_UNSEEN = re.compile(
    rb"\xe2\x80[\x8b-\x8f\xaa-\xae]|\xe2\x81[\xa0-\xa4]|\xef\xbb\xbf|\xc2\xad|\x1b\[[0-9;]*[A-Za-z]|\0"
)
"""Characters that nobody sees: of no width, hyphens of a word, colours of a terminal."""

_PAIR = r"[Dd][89ABab][0-9A-Fa-f]{2}\\u[Dd][C-Fc-f][0-9A-Fa-f]{2}"


class _Kind(NamedTuple):
    """A kind of escape: what begins it, what it looks like, and what one means."""

    mark: bytes
    pattern: re.Pattern[bytes]
    meaning: Callable[[re.Match[bytes]], bytes]


@dataclass(slots=True)
class Unescaped:
    """Bytes without escapes of one kind. `_began` and `_ended` say where in `data` what each escape means begins and
    ends, `_from` and `_to` where the escape itself did."""

    data: bytes
    _began: list[int] = field(default_factory=list)
    _ended: list[int] = field(default_factory=list)
    _from: list[int] = field(default_factory=list)
    _to: list[int] = field(default_factory=list)

    def source(self, span: Span) -> Span:
        """Where the text has what is at a span, which is not empty, of `data`."""
        return self._at(span[0])[0], self._at(span[1] - 1)[1]

    def _at(self, position: int) -> Span:
        """The bytes of the text that made the byte at a position of `data`."""
        index = bisect_right(self._began, position) - 1
        if index < 0:
            return position, position + 1
        if position < self._ended[index]:
            return self._from[index], self._to[index]
        start = self._to[index] + position - self._ended[index]
        return start, start + 1

    def add(self, start: int, stop: int, means: int) -> None:
        """Note that the text had an escape from `start` to `stop`, which means so many bytes."""
        self._add(start if not self._to else self._ended[-1] + start - self._to[-1], start, stop, means)

    def append(self, start: int, stop: int, means: int) -> None:
        """Note the same where nothing of the text between this escape and the one before is kept."""
        self._add(self._ended[-1] if self._ended else 0, start, stop, means)

    def _add(self, began: int, start: int, stop: int, means: int) -> None:
        self._began.append(began)
        self._ended.append(began + means)
        self._from.append(start)
        self._to.append(stop)


def as_bytes(text: str) -> bytes:
    """A text as UTF-8; bytes that were none come back as they were, and half characters are kept."""
    try:
        return text.encode(errors="surrogateescape")
    except UnicodeEncodeError:
        return text.encode(errors="surrogatepass")


def unescaped(data: bytes, letters: frozenset[int]) -> Iterator[tuple[int, Unescaped]]:
    """The data without its escapes, for each kind that it has, with the kind's number; those that mean none of these
    letters may stay."""
    for number, kind in enumerate(_kinds(letters)):
        if kind.mark in data and (plain := _without(data, kind)) is not None:
            yield number, plain


def _without(data: bytes, kind: _Kind) -> Unescaped | None:
    pieces: list[bytes] = []
    made = Unescaped(b"")
    done = 0
    for match in kind.pattern.finditer(data):
        start, stop = match.span()
        means = kind.meaning(match)
        made.add(start, stop, len(means))
        pieces += (data[done:start], means)
        done = stop
    if not pieces:
        return None
    made.data = b"".join((*pieces, data[done:]))
    return made


@functools.lru_cache(maxsize=16)
def _kinds(letters: frozenset[int]) -> tuple[_Kind, ...]:
    """The kinds of escapes, as far as they can mean one of these letters. A run of backslashes is one."""
    signs = "".join(re.escape(chr(each)) for each in sorted(letters) if each < 0x80 and not chr(each).isalnum())
    signs += "".join(name.decode() for name, letter in _CONTROL.items() if letter[0] in letters)
    code, unit, point, long = _ASCII if max(letters) < 0x80 else _ANY
    backslash = (
        rf"(?P<run>(?:\\\\)+)|\\(?:u(?P<pair>{_PAIR})|u(?P<unit>{unit})|x(?P<byte>{code})|(?P<octal>[0-3][0-7]{{2}})"
        rf"|u\{{(?P<braced>{point})\}}|U(?P<long>{long})|(?P<sign>[{signs}\n]))"
    )
    percent = rf"%(?:u(?P<unit>{unit})|(?P<byte>{code}))"
    entity = r"&(?:#(?:[0-9]{1,7}|[xX][0-9A-Fa-f]{1,6});?|[A-Za-z]{2,31};)"
    printable = rf"=(?:(?P<byte>{code})|\r?\n)"
    doubled = "|".join(f"{quote}{quote}" for quote in "\"'" if ord(quote) in letters)
    return (
        _Kind(b"\\", re.compile(backslash.encode()), _of_backslash),
        _Kind(b"%", re.compile(percent.encode()), _of_percent),
        _Kind(b"&", re.compile(entity.encode()), _of_entity),
        _Kind(b"=", re.compile(printable.encode()), _of_quoted_printable),
        *([_Kind(doubled[:1].encode(), re.compile(doubled.encode()), lambda match: match[0][:1])] if doubled else []),
        _Kind(b"\xef\xbc", _FULL_WIDTH, _of_full_width),
        *(_Kind(mark, _UNSEEN, lambda _: b"") for mark in (b"\xe2\x80", b"\xe2\x81", b"\xc2\xad", b"\x1b", b"\0")),
        _Kind(b"\n", re.compile(rb"(?<=\S\S)\r?\n[ \t]*(?=\S\S)"), lambda _: b""),  # a text broken into lines
    )


def _of_backslash(match: re.Match[bytes]) -> bytes:
    kind = match.lastgroup or ""
    value = match[kind]
    if kind == "run":
        return value[::2]
    if kind == "sign":
        return b"" if value == b"\n" else _CONTROL.get(value, value)
    if kind == "pair":
        return bytes.fromhex((value[:4] + value[6:]).decode()).decode("utf-16-be").encode()
    return bytes((int(value, 8),)) if kind == "octal" else _letter(kind, value)


def _of_percent(match: re.Match[bytes]) -> bytes:
    kind = match.lastgroup or ""
    return _letter(kind, match[kind])


def _of_quoted_printable(match: re.Match[bytes]) -> bytes:
    return b"" if match["byte"] is None else _letter("byte", match["byte"])


def _of_full_width(match: re.Match[bytes]) -> bytes:
    return "".join(chr(ord(letter) - 0xFEE0) for letter in match[0].decode()).encode()


def _of_entity(match: re.Match[bytes]) -> bytes:
    import html  # with its table of 2,231 names

    return html.unescape(match[0].decode().removesuffix(";") + ";").encode(errors="surrogatepass")


def _letter(kind: str, digits: bytes) -> bytes:
    number = int(digits, 16)
    return bytes((number,)) if kind == "byte" else chr(number).encode(errors="surrogatepass")
