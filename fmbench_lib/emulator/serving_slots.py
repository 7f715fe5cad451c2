"""Who is being served and who waits: a server with a fixed number of slots and a queue. No clock, no sockets."""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable
from typing import Generic, TypeVar

_Key = TypeVar("_Key", bound=Hashable)


class Slots(Generic[_Key]):
    """Hands out slots in order of arrival; without a limit everyone gets one at once."""

    __slots__ = ("_limit", "_serving", "_waiting")

    def __init__(self, limit: int | None) -> None:
        self._limit = limit
        self._serving: set[_Key] = set()
        self._waiting: deque[_Key] = deque()

    @property
    def active(self) -> int:
        """How many are being served."""
        return len(self._serving)

    @property
    def waiting(self) -> int:
        """How many wait for a slot."""
        return len(self._waiting)

    def arrive(self, key: _Key) -> bool:
        """Whether `key` has a slot at once; else it waits and `leave` will name it."""
        if self._limit is None or len(self._serving) < self._limit:
            self._serving.add(key)
            return True
        self._waiting.append(key)
        return False

    def leave(self, key: _Key) -> _Key | None:
        """`key` is done, or gave up while it waited; returns the one that gets its slot."""
        if key in self._serving:
            self._serving.remove(key)
            if self._waiting:
                following = self._waiting.popleft()
                self._serving.add(following)
                return following
        elif key in self._waiting:
            self._waiting.remove(key)
        return None
