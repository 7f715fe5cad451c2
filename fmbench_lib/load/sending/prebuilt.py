"""The requests of a level as a worker sends them: prebuilt, and mapped from files."""

from __future__ import annotations

import mmap
import struct
from pathlib import Path

INDEX_ENTRY = struct.Struct("<QQQ")  # where a request begins, where its request line ends, where it ends


class Prompts:
    """The prebuilt requests. A worker's memory does not grow with their number."""

    def __init__(self, data_fd: int, index_path: Path) -> None:
        with index_path.open("rb") as file:
            self._index = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        self._data = mmap.mmap(data_fd, 0, access=mmap.ACCESS_READ)

    def wire(self, prompt: int) -> tuple[bytes, bytes]:
        """The request line, and everything after the headers that are added at each sending."""
        start, line_end, end = INDEX_ENTRY.unpack_from(self._index, prompt * INDEX_ENTRY.size)
        return self._data[start:line_end], self._data[line_end:end]
