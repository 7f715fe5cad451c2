"""Vectors and scores of relevance by the words of texts, so that a ranking by them is one that can be predicted."""

from __future__ import annotations

import math
import re
from hashlib import blake2b

DIMENSIONS = 64
_WORD = re.compile(r"\w+")


def word_vector(text: str) -> list[float]:
    """A vector of unit length with a part for each word: the more words two texts share, the nearer their vectors.

    A text without words has a vector of its own too, since servers answer those as well.
    """
    parts = [0.0] * DIMENSIONS
    for word in _WORD.findall(text.lower()) or [text]:
        digest = blake2b(word.encode(errors="surrogatepass"), digest_size=8).digest()
        parts[int.from_bytes(digest[:4]) % DIMENSIONS] += 1.0 if digest[4] % 2 else -1.0
    length = math.sqrt(sum(part * part for part in parts)) or 1.0
    return [round(part / length, 6) for part in parts]


def relevance(query: str, document: str) -> float:
    """The share of the query's words that the document has."""
    words, found = (set(_WORD.findall(text.lower())) for text in (query, document))
    return round(len(words & found) / len(words), 6) if words else 0.0
