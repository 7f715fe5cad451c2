"""Which spellings of a known secret are searched for.

Letters are compared without regard to case. Escapes (`\\u0041`, `%41`, `&#65;`, a quote that JSON quotes, …) are not
spelt here: `secret_escapes.py` undoes them in the text, however deep.
"""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Callable, Iterator
from urllib.parse import quote, quote_plus

from fmbench_lib.config.secret_escapes import as_bytes

_SHORTEST_LINE = 16


def spellings(secret: str) -> set[bytes]:
    """A secret in small letters: as it is, in the usual character sets, in Base64, Base32 and numbers of several forms;
    and the long lines of one that has several."""
    lines = [line.strip() for line in secret.splitlines()] if "\n" in secret.strip() else []
    texts = {secret, secret.strip(), *(line for line in lines if len(line) >= _SHORTEST_LINE and line[:5] != "-----")}
    return {form.lower() for text in texts for form in _spellings(text)}


def _spellings(text: str) -> Iterator[bytes]:
    for spelt in (text, text.upper(), text.lower()):  # letters beyond ASCII have another byte for each case
        yield as_bytes(spelt)
        yield as_bytes(spelt[::-1])
        yield b"".join(letter.encode("latin-1" if letter < "\u0100" else "utf-8", "replace") for letter in spelt)
    if " " in text:
        yield as_bytes(text.replace(" ", "+"))
    for encoded in {text, quote(text, safe="", errors="replace"), quote_plus(text, errors="replace"), *_in_json(text)}:
        yield from _encoded(as_bytes(encoded))
    yield as_bytes(as_bytes(text).decode("latin-1"))  # UTF-8 taken for Latin-1, as headers are
    yield text.encode("utf-16-be", errors="surrogatepass").hex().encode()
    wide = text.encode("utf-16-le", errors="surrogatepass")
    yield wide
    yield wide.hex().encode()
    yield from _in_letters(wide, base64.b64encode, 6)


def _in_json(text: str) -> Iterator[str]:
    yield json.dumps(text)[1:-1]
    yield json.dumps(text, ensure_ascii=False)[1:-1]


def _encoded(data: bytes) -> Iterator[bytes]:
    yield from (base64.a85encode(data), base64.b85encode(data))
    yield from _in_letters(data, base64.b64encode, 6)
    yield from _in_letters(data, base64.urlsafe_b64encode, 6)
    yield from _in_letters(data, base64.b32encode, 5)
    yield from _in_letters(data, base64.b32hexencode, 5)
    yield data.hex().encode()
    for between in (" ", ":", "-", ", ", ","):
        yield between.join(f"{byte:02x}" for byte in data).encode()
    for between in (", 0x", ",0x", " 0x"):
        yield between.join(f"{byte:02x}" for byte in data).encode()
    for between in (", ", ",", " "):  # as programs print bytes
        yield between.join(map(str, data)).encode()


def _in_letters(data: bytes, encode: Callable[[bytes], bytes], bits: int) -> Iterator[bytes]:
    """The data in letters of so many bits wherever it begins in what was encoded, without the letters that its
    neighbours share."""
    for before in range(math.lcm(bits, 8) // 8):
        size = before + len(data)
        yield encode(bytes(before) + data)[-(-before * 8 // bits) : size * 8 // bits]
