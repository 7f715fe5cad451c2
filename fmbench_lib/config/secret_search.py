"""Where a text has a known secret, in any spelling, whole or cut.

Takes time linear in the text, and hardly more for many secrets than for one: most places are passed over because no
secret has the letters there.
"""

from __future__ import annotations

import functools
import string
import sys
from bisect import bisect_right
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import accumulate
from typing import NamedTuple

from fmbench_lib.config.secret_escapes import Unescaped, as_bytes, unescaped
from fmbench_lib.config.secret_forms import Span
from fmbench_lib.config.secret_runs import decoded_runs

SHORTEST = 8
"""Shorter secrets are not searched for: they occur in ordinary text, and are no secret to anyone who guesses."""

_LONG_PIECE = 12
"""A piece of a secret that is removed where the text goes on after it; at the end of a text `SHORTEST` letters do."""

_DEEPEST = 3
"""How often a text may have been quoted: an error in JSON that has an answer in JSON that has a request in JSON."""

_MOST_ALIKE = 3
"""How often more by the one kind of quotes or encodings: `%25252541`."""

_MOST_LOOKED_AT = 24
_LEAST_LOOKED_AT_BYTES = 1 << 19
"""How much is looked at, in lengths of the text, and in bytes of a short one."""

_OF_ENCODINGS = f"{string.ascii_letters}{string.digits}+/-_=\\%&"
"""Letters of Base64 and Base32, and what escapes begin with."""

_WORD = 4
"""A text is compared in words of so many bytes: whatever has `SHORTEST` letters has such a word, wherever it begins."""


def spans_of_known(text: str, known: tuple[str, ...]) -> list[Span]:
    """Where the text has one of these secrets."""
    if len(text) < SHORTEST or not known:
        return []
    spans = spans_in_bytes(as_bytes(text), known)
    if not spans or text.isascii():
        return spans
    ends = list(accumulate(len(as_bytes(letter)) for letter in text))
    letters = {end: number for number, end in enumerate(ends, 1)} | {0: 0}
    return [(_letter_at(letters, start, -1), _letter_at(letters, stop, 1)) for start, stop in spans]


def _letter_at(letters: dict[int, int], position: int, step: int) -> int:
    while position not in letters:  # within a letter
        position += step
    return letters[position]


def spans_in_bytes(data: bytes, known: tuple[str, ...]) -> list[Span]:
    """Where bytes, most of which are UTF-8, have one of these secrets."""
    if len(data) < SHORTEST or not known:
        return []
    return list(_spans(data, _index(known)))


class _Form(NamedTuple):
    """Data to be looked at: as it came, or without escapes or encodings, each of which is in `undone`.

    Others may be undone `deeper` times more, and the `kind` that was undone last `alike` times more.
    """

    data: bytes
    undone: tuple[Unescaped, ...]
    deeper: int
    kind: int | None
    alike: int

    def source(self, span: Span) -> Span:
        """Where the data as it came has what is at a span of this form."""
        for plain in reversed(self.undone):
            span = plain.source(span)
        return span

    def simpler(self, letters: frozenset[int]) -> Iterator[_Form]:
        """The data without the escapes of each kind that it has, and what its encoded runs mean."""
        for kind, plain in unescaped(self.data, letters):
            if kind == self.kind and self.alike:
                yield _Form(plain.data, (*self.undone, plain), self.deeper, kind, self.alike - 1)
            elif self.deeper:
                yield _Form(plain.data, (*self.undone, plain), self.deeper - 1, kind, self.alike)
        for plain in decoded_runs(self.data) if self.deeper else ():
            yield _Form(plain.data, (*self.undone, plain), self.deeper - 1, None, self.alike)


def _spans(data: bytes, index: _Index) -> Iterator[Span]:
    """The spans in the data and in what it is without its escapes and encodings, those with few of them first.

    Mostly it does not matter which of two kinds is undone first: what was looked at is not looked at again. A text of
    nothing but escapes is given up at some depth.
    """
    seen: set[int] = set()
    left = max(_LEAST_LOOKED_AT_BYTES, _MOST_LOOKED_AT * len(data))
    forms = deque([_Form(data, (), _DEEPEST, None, _MOST_ALIKE)])
    while forms:
        form = forms.popleft()
        if len(form.data) < SHORTEST or hash(form.data) in seen:
            continue
        seen.add(hash(form.data))
        yield from map(form.source, index.spans(form.data.lower()))
        for simpler in form.simpler(index.letters) if left > 0 else ():
            forms.append(simpler)
            left -= len(simpler.data)


@dataclass(frozen=True, slots=True)
class _Index:
    """The spellings of all secrets, in order, by their first `SHORTEST` letters, the heads; these by each word that
    they have, with where in them; and all spellings as one text.

    `beginnings` has the longest spelling that another one begins with. `letters` are what secrets are spelt with.
    """

    by_head: dict[bytes, list[bytes]]
    beginnings: dict[bytes, bytes]
    heads_by_word: dict[int, list[tuple[bytes, int]]]
    words: frozenset[int]
    joined: bytes
    longest: int
    letters: frozenset[int]

    @classmethod
    def of(cls, secrets: Iterable[str]) -> _Index:
        """The index of these secrets."""
        from fmbench_lib.config.secret_spellings import spellings

        chosen = [secret for secret in secrets if len(secret) >= SHORTEST]
        spelt = {form for secret in chosen for form in spellings(secret)}
        forms = sorted(form for form in spelt if len(form) >= SHORTEST)
        by_head: dict[bytes, list[bytes]] = {}
        for form in forms:
            by_head.setdefault(form[:SHORTEST], []).append(form)
        by_word: dict[int, list[tuple[bytes, int]]] = {}
        for head in by_head:
            for offset in range(_WORD + 1):
                word = int.from_bytes(head[offset : offset + _WORD], sys.byteorder)
                by_word.setdefault(word, []).append((head, offset))
        return cls(
            by_head=by_head,
            beginnings=_beginnings(forms),
            heads_by_word=by_word,
            words=frozenset(by_word),
            joined=b"\0\0".join(forms),
            longest=max(map(len, forms), default=0),
            letters=_letters(chosen),
        )

    def spans(self, data: bytes) -> Iterator[Span]:
        """Where the data, in small letters, has a spelling or a piece that was cut from one."""
        words = memoryview(data[: len(data) // _WORD * _WORD]).cast("I")
        if found := self.words.intersection(words):
            for number, word in enumerate(words):
                if word in found:
                    yield from self._around(data, number * _WORD, word)
        if data[:SHORTEST] in self.joined and (left := self._rest_at_start(data)):
            yield 0, left

    def _around(self, data: bytes, at: int, word: int) -> Iterator[Span]:
        """Where the data has a spelling whose head has this word at `at`."""
        for head, offset in self.heads_by_word[word]:
            start = at - offset
            if start >= 0 and data.startswith(head, start):
                end = max(_end_of(data, start, form) for form in self._nearest(data, start, self.by_head[head]))
                if end > start:
                    yield start, end

    def _nearest(self, data: bytes, at: int, forms: list[bytes]) -> Iterator[bytes]:
        """Those of the spellings, in order, that have most in common with the data at `at`, and those that it has."""
        after = bisect_right(forms, data[at : at + self.longest])
        yield from forms[after : after + 1]
        form = forms[after - 1] if after else None
        while form is not None:
            yield form
            form = self.beginnings.get(form)

    def _rest_at_start(self, data: bytes) -> int:
        """How many bytes at the start of the data are the end of a spelling, or a piece from within it; else 0."""
        rests = (_rest_of(data, form) for forms in self.by_head.values() for form in forms)
        return max(rests, default=0)


@functools.lru_cache(maxsize=16)
def _index(known: tuple[str, ...]) -> _Index:
    return _Index.of(known)


def _beginnings(forms: list[bytes]) -> dict[bytes, bytes]:
    """For spellings in order, the longest other one that each begins with, where there is one."""
    found: dict[bytes, bytes] = {}
    open_ones: list[bytes] = []
    for form in forms:
        while open_ones and not form.startswith(open_ones[-1]):
            open_ones.pop()
        if open_ones:
            found[form] = open_ones[-1]
        open_ones.append(form)
    return found


def _letters(secrets: Iterable[str]) -> frozenset[int]:
    """The bytes of secrets and of what encodes them. An escape that means none of them hides none of a secret."""
    own = "".join(secrets)
    return frozenset(as_bytes(f"{own}{own.upper()}{own.lower()}{_OF_ENCODINGS}"))


def _end_of(data: bytes, at: int, form: bytes) -> int:
    """Where the spelling that begins at `at` ends, whole or cut; `at` where only other words begin alike."""
    if data.startswith(form, at):
        return at + len(form)
    end = at + _common(form, data[at : at + len(form)])
    following = data[end : end + 4].decode(errors="ignore")
    if following[:1].isalnum() or following[:1] in ("-", "_"):
        return at
    cut_here = not following or following.startswith(("…", "..."))
    return end if end - at >= (SHORTEST if cut_here else _LONG_PIECE) else at


def _common(one: bytes, other: bytes) -> int:
    """How many bytes two texts have in common at their beginning."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one[:middle] == other[:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def _rest_of(data: bytes, form: bytes) -> int:
    if len(data) < _LONG_PIECE and data.isalpha():  # a word by itself, as many a name or setting is
        return len(data) if data == form else 0
    if len(data) >= _LONG_PIECE and data in form:
        return len(data)
    at = form.find(data[:SHORTEST], 1)
    while at >= 0:
        if data.startswith(form[at:]):
            return len(form) - at
        at = form.find(data[:SHORTEST], at + 1)
    return 0
