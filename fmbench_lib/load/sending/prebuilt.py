"""The requests of a level as a worker sends them: prebuilt, and mapped from files."""

from __future__ import annotations

import mmap
import os
import struct
import time
from pathlib import Path

_PATIENCE_S = 60.0
_POLL_S = 0.0005

INDEX_ENTRY = struct.Struct("<QQQ")  # where a request begins, where its request line ends, where it ends


class Prompts:
    """The prebuilt requests. A worker's memory does not grow with their number."""

    def __init__(self, data_fd: int, index_path: Path) -> None:
        with index_path.open("rb") as file:
            self._index = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        self._data = mmap.mmap(data_fd, 0, access=mmap.ACCESS_READ)
        self._data_fd = data_fd
        self._mapped = len(self._data)

    def wire(self, prompt: int) -> tuple[bytes, bytes]:
        """The request line, and everything after the headers that are added at each sending."""
        start, line_end, end = INDEX_ENTRY.unpack_from(self._index, prompt * INDEX_ENTRY.size)
        if not 0 < end <= self._mapped:
            return self._written_since(prompt)
        return self._data[start:line_end], self._data[line_end:end]

    def _written_since(self, prompt: int) -> tuple[bytes, bytes]:
        """A request that was written after the file had been mapped, or is about to be."""
        deadline = time.monotonic() + _PATIENCE_S
        while not (entry := INDEX_ENTRY.unpack_from(self._index, prompt * INDEX_ENTRY.size))[2]:
            if time.monotonic() > deadline:
                raise TimeoutError(f"request {prompt} was not prepared within {_PATIENCE_S:g} s")
            time.sleep(_POLL_S)
        start, line_end, end = entry
        data = os.pread(self._data_fd, end - start, start)
        return data[: line_end - start], data[line_end - start :]
