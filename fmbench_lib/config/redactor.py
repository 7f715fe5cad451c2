"""Removes a run's secrets from what it writes and prints. Light to import: decoding processes have one too."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from fmbench_lib.config.secret_forms import Span, replaced, spans_of_forms, spans_of_names
from fmbench_lib.config.secret_search import SHORTEST, spans_in_bytes, spans_of_known

_BLOCK_BYTES = 1 << 20
_OVERLAP_BYTES = 1 << 14


@dataclass(frozen=True, slots=True)
class Redactor:
    """Removes secrets from text: known ones wherever they occur, in any spelling and also cut, others by their form or
    by the name before them.

    A text is cleaned whole, before it is cut, quoted or encoded. How the known ones are spelt is worked out when a text
    is first looked at.
    """

    known: tuple[str, ...] = ()

    @classmethod
    def of(cls, secrets: Iterable[str]) -> Redactor:
        """A redactor that knows these secrets, but for those that are too short to be searched for."""
        return cls(tuple(sorted({secret for secret in secrets if len(secret) >= SHORTEST})))

    def __call__(self, text: str) -> str:
        """The text with every secret replaced by `<removed>`."""
        return replaced(text, [*spans_of_known(text, self.known), *spans_of_forms(text), *spans_of_names(text)])

    def in_content(self, text: str) -> str:
        """A text that someone else wrote, such as a completion: what merely follows a secret's name in it stays."""
        return replaced(text, [*spans_of_known(text, self.known), *spans_of_forms(text)])

    def without_known(self, text: str) -> str:
        """The text without known secrets; what only looks like a secret stays."""
        return replaced(text, spans_of_known(text, self.known))

    def starred(self, text: str) -> str:
        """A text of someone else's, of the same length, with `*` in place of secrets."""
        spans = [*spans_of_known(text, self.known), *spans_of_forms(text)]
        return replaced(text, spans, lambda length: "*" * length)

    def masked(self, data: bytes) -> bytes:
        """Bytes of the same length with `*` in place of secrets: what is said of positions in them stays true."""
        spans = [
            (start + first, start + last)
            for start, block in _blocks(data)
            for first, last in (*spans_in_bytes(block, self.known), *spans_of_forms(block.decode("latin-1")))
        ]
        if not spans:
            return data
        masked = bytearray(data)
        for start, stop in spans:
            masked[start:stop] = b"*" * (stop - start)
        return bytes(masked)

    def mask_file(self, path: Path, start: int = 0) -> int:
        """Overwrite secrets in a text file in place, by `*`, from byte `start` on; returns how far it was looked at.

        Another process may be appending to it. Whole lines are looked at together. Raises OSError.
        """
        with path.open("r+b") as file:
            file.seek(start)
            while block := file.readlines(_BLOCK_BYTES):
                data = b"".join(block)
                end, clean = file.tell(), self.masked(data)
                for first, last in _differences(data, clean):
                    file.seek(start + first)
                    file.write(clean[first:last])
                file.seek(end)
                start = end
        return start


def _blocks(data: bytes) -> Iterator[tuple[int, bytes]]:
    """The data in blocks, with where each begins: one of many megabytes is searched in little memory. They overlap, so
    that a secret is whole in one of them."""
    if len(data) <= 2 * _BLOCK_BYTES:
        yield 0, data
        return
    for end in range(_BLOCK_BYTES, len(data) + _BLOCK_BYTES, _BLOCK_BYTES):
        start = max(0, end - _BLOCK_BYTES - _OVERLAP_BYTES)
        yield start, data[start:end]


def _differences(data: bytes, clean: bytes) -> Iterator[Span]:
    """Where the same number of bytes have been overwritten."""
    if data == clean:
        return
    for match in re.finditer(rb"\*+", clean):
        if data[match.start() : match.end()] != match.group():
            yield match.span()
