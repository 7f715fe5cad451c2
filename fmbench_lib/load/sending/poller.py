"""Readiness of descriptors: the masks that epoll and poll number alike, and what a connection asks of the loop."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

IN, OUT, ERROR, HANGUP = 0x1, 0x4, 0x8, 0x10


class Poller(Protocol):
    """Calls a handler with a mask whenever its descriptor is ready."""

    def watch(self, fd: int, mask: int, handler: Callable[[int], None]) -> None:
        """Call `handler` when the descriptor is ready for what `mask` says."""

    def handle(self, fd: int, handler: Callable[[int], None]) -> None:
        """Call another handler from now on."""

    def change(self, fd: int, mask: int) -> None:
        """Wait for something else from now on."""

    def forget(self, fd: int) -> None:
        """Call nothing any more; does nothing for a descriptor that is not watched."""
