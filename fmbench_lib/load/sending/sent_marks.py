"""How far into the order of sending a level's workers are, in a file that outlives them.

Each worker has a number in it: one more than the position of its latest request. It is mapped, not written: the kernel
keeps it when a process is killed, and a request costs nothing more than the copy of eight bytes.
"""

from __future__ import annotations

import mmap
from pathlib import Path

_MARK_BYTES = 8


def new_marks(path: Path, workers: int) -> None:
    """Make the file, for so many workers that have sent nothing."""
    path.write_bytes(bytes(_MARK_BYTES * workers))


class SentMark:
    """One worker's mark."""

    __slots__ = ("_marks", "_start", "_stop")

    def __init__(self, path: Path, worker: int) -> None:
        with path.open("r+b") as file:
            self._marks = mmap.mmap(file.fileno(), 0)
        self._start, self._stop = worker * _MARK_BYTES, (worker + 1) * _MARK_BYTES

    def set(self, position: int) -> None:
        """The request at this position is being sent; a worker's positions rise."""
        self._marks[self._start : self._stop] = (position + 1).to_bytes(_MARK_BYTES, "little")


def positions_sent(path: Path) -> int | None:
    """So many positions of the order, from its first, were or may have been sent; None where no file says it."""
    try:
        data = path.read_bytes()
    except OSError:
        return None
    marks = [int.from_bytes(data[at : at + _MARK_BYTES], "little") for at in range(0, len(data), _MARK_BYTES)]
    return max(marks, default=None)
