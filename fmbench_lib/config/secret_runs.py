"""Long runs of Base64 letters or hexadecimal digits in a text, decoded, with where in the text each came from.

A secret that was encoded more than once, or within something else that was encoded, is then found as it is.
"""

from __future__ import annotations

import binascii
import re
import string
from collections.abc import Callable, Iterator
from functools import partial

from fmbench_lib.config.secret_escapes import Unescaped

_BASE64 = re.compile(rb"(?<![A-Za-z0-9+/_\-])[A-Za-z0-9+/_\-]{16,}+(?:=|%3[Dd]){0,2}")
_DIGITS = re.compile(
    rb"(?<![A-Za-z0-9])(?:[0-9A-Fa-f]{16,}+|[0-9A-Fa-f]{4}(?:[ \n][0-9A-Fa-f]{2,4}){3,}+)(?![0-9A-Za-z])"
)
"""The latter in groups of two bytes, as `xxd` writes them."""

_LETTERS, _HEXADECIMAL = (
    bytes(ord("x" if chr(byte) in letters else " " if chr(byte) in " \n" else ".") for byte in range(256))
    for letters in (f"{string.ascii_letters}{string.digits}+/-_", string.hexdigits)
)
_LONG_RUN, _GROUPS = b"x" * 16, b"xxxx xxxx xxxx xx"
"""Few texts have either, which is seen sooner when all letters are alike. 16 letters are 8 bytes encoded twice."""

_TEXT = re.compile(rb"[\t\n\r\x20-\x7e]{12,}+")
_IS_TEXT = bytes(ord("x" if _TEXT.fullmatch(bytes((byte,)) * 12) else ".") for byte in range(256))
_LONG_TEXT = b"x" * 12
"""What may be quoted or encoded in its turn; a secret itself is found in Base64 without it, in any character set."""

_STANDARD = bytes.maketrans(b"-_", b"+/")
_BETWEEN = b"\1"  # no escape, and in no secret


def decoded_runs(data: bytes) -> Iterator[Unescaped]:
    """What the runs of the data mean, for each way to read them: a run may begin with a word that is none of it."""
    if _LONG_RUN not in data.translate(_LETTERS) and _GROUPS not in data.translate(_HEXADECIMAL):
        return
    for skipped in range(4):
        if (runs := _decoded(data, _BASE64, partial(_of_base64, skipped))) is not None:
            yield runs
    if (runs := _decoded(data, _DIGITS, _of_digits)) is not None:
        yield runs


def _decoded(data: bytes, pattern: re.Pattern[bytes], meaning: Callable[[bytes], list[bytes]]) -> Unescaped | None:
    """Only what the runs mean, one after the other: the rest of the data is looked at as it is."""
    pieces: list[bytes] = []
    made = Unescaped(b"")
    for match in pattern.finditer(data):
        for text in meaning(match[0]):
            made.append(*match.span(), len(text) + 1)
            pieces += (text, _BETWEEN)
    made.data = b"".join(pieces)
    return made if pieces else None


def _of_base64(skipped: int, run: bytes) -> list[bytes]:
    """The texts that a run has from a letter on; secrets in numbers are found in Base64 without it."""
    letters = run[skipped:].partition(b"=")[0].partition(b"%")[0].translate(_STANDARD)
    left = len(letters) % 4
    if left == 1:
        letters = letters[:-1]
    means = binascii.a2b_base64(letters + b"=" * (-len(letters) % 4))
    return _texts(means)


def _texts(means: bytes) -> list[bytes]:
    return _TEXT.findall(means) if _LONG_TEXT in means.translate(_IS_TEXT) else []


def _of_digits(run: bytes) -> list[bytes]:
    digits = run.translate(None, b" \n")
    means = binascii.a2b_hex(digits[: len(digits) // 2 * 2])
    try:
        means.decode()
    except UnicodeDecodeError:
        return _texts(means)
    return [means]
