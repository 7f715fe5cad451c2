"""The schedule of an open loop as a worker reads it: what is due next, and what is signed before it is."""

from __future__ import annotations

import os
import struct
import time
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fmbench_lib.load.sending.request_signing import Signer

SEQUENCE_ENTRY = struct.Struct("<IId")  # position, prompt, due offset in seconds (open loop)

_SIGNED_AHEAD = 32  # requests
_SIGNED_AHEAD_NS = 20_000_000_000

monotonic_ns = time.monotonic_ns


class ScheduleReader:
    """Entries are `(due in monotonic ns, position, prompt)`; `begin_ns` is when the schedule begins."""

    __slots__ = ("_authority", "_entries", "_fd", "_signed", "_signer", "begin_ns")

    def __init__(self, fd: int, signer: Signer | None, authority: str) -> None:
        self.begin_ns = 0
        self._fd = fd
        self._signer = signer
        self._authority = authority
        self._entries: deque[tuple[int, int, int]] = deque()
        self._signed = 0  # how many of them are, from the first

    def peek(self) -> tuple[int, int, int] | None:
        """The entry that is due next; None at the end of the schedule."""
        return self._entries[0] if self._entries or self._read() else None

    def take(self) -> None:
        """The entry that is due next is being sent."""
        self._entries.popleft()
        self._signed = max(self._signed - 1, 0)

    def sign_ahead(self) -> bool:
        """Sign the next request that has no signature yet; False where nothing is to be signed now.

        A few requests and seconds ahead, while the worker is idle, so that signing makes no request late.
        """
        if self._signer is None:
            return False
        if self._signed == len(self._entries) and (self._signed == _SIGNED_AHEAD or not self._read()):
            return False
        due, _, prompt = self._entries[self._signed]
        if due > monotonic_ns() + _SIGNED_AHEAD_NS:
            return False
        self._signer.prepare(prompt, self._authority)
        self._signed += 1
        return True

    def _read(self) -> bool:
        data = os.read(self._fd, SEQUENCE_ENTRY.size)
        if data:
            position, prompt, offset = SEQUENCE_ENTRY.unpack(data)
            self._entries.append((self.begin_ns + int(offset * 1e9), position, prompt))
        return bool(data)
