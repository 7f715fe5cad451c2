"""Who is being served and who waits, on a server with a fixed number of slots and a queue. No clock, no sockets."""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable
from typing import Generic, TypeVar

_Key = TypeVar("_Key", bound=Hashable)


class Slots(Generic[_Key]):
    """Assigns slots in order of arrival; without a limit everyone gets one at once."""

    __slots__ = ("_limit", "_serving", "_waiting")

    def __init__(self, limit: int | None) -> None:
        self._limit = limit
        self._serving: set[_Key] = set()
        self._waiting: deque[_Key] = deque()

    @property
    def active(self) -> int:
        """The number being served."""
        return len(self._serving)

    @property
    def waiting(self) -> int:
        """The number waiting for a slot."""
        return len(self._waiting)

    def arrive(self, key: _Key) -> bool:
        """True where `key` gets a slot at once; otherwise it waits, and a later `leave` returns it."""
        if self._limit is None or len(self._serving) < self._limit:
            self._serving.add(key)
            return True
        self._waiting.append(key)
        return False

    def leave(self, key: _Key) -> _Key | None:
        """`key` is done, or gave up waiting. Returns the one that gets its slot, if any."""
        if key in self._serving:
            self._serving.remove(key)
            if self._waiting:
                following = self._waiting.popleft()
                self._serving.add(following)
                return following
        elif key in self._waiting:
            self._waiting.remove(key)
        return None
