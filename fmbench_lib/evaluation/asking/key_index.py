"""Where each judgement's row is, in a few bytes each: a dictionary would take a few hundred."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

_ROW_BITS = 24
NOWHERE = -1


def short_key(key: str) -> int:
    """The first 64 bits of a key in hexadecimal: of a million keys, two have the same once in thirty million times."""
    return int(key[:16], 16)


class KeyIndex:
    """Part and row of each key. A row with an answer replaces one without, else the later one the earlier."""

    def __init__(self) -> None:
        self._keys = np.empty(0, np.uint64)
        self._places = np.empty(0, np.int64)  # part, row, and in the last bit whether there is an answer

    def put(self, part: int, keys: Sequence[str], answered: Sequence[bool]) -> None:
        """Note the rows of a part, in their order."""
        short = np.array([short_key(key) for key in reversed(keys)], np.uint64)
        rows = np.arange(len(keys) - 1, -1, -1, dtype=np.int64)
        new = ((part << _ROW_BITS | rows) << 1) | np.array(list(reversed(answered)), np.int64)
        every, places = np.concatenate([short, self._keys]), np.concatenate([new, self._places])
        order = np.argsort(1 - (places & 1), kind="stable")
        self._keys, first = np.unique(every[order], return_index=True)
        self._places = places[order][first]

    def counts(self) -> tuple[int, int]:
        """How many keys have an answer, and how many have none."""
        answered = int((self._places & 1).sum())
        return answered, len(self._places) - answered

    def find(self, keys: Sequence[int]) -> list[tuple[int, int, bool]]:
        """Part, row and whether there is an answer for each short key; the part is `NOWHERE` where there is no row."""
        if not len(self._keys):
            return [(NOWHERE, 0, False)] * len(keys)
        wanted = np.array(keys, np.uint64)
        at = np.minimum(np.searchsorted(self._keys, wanted), len(self._keys) - 1)
        there = self._keys[at] == wanted
        found = zip(self._places[at].tolist(), there.tolist(), strict=True)
        row = (1 << _ROW_BITS) - 1
        return [
            (p >> 1 >> _ROW_BITS, p >> 1 & row, bool(p & 1)) if is_there else (NOWHERE, 0, False)
            for p, is_there in found
        ]
