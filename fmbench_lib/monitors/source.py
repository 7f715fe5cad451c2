"""What a source of samples is."""

from __future__ import annotations

from typing import Protocol

from fmbench_lib.monitors.samples import Reading


class NotThereError(Exception):
    """The source is not to be had on this machine, or not meant for us, and need not be asked again.

    `expected` is True where nobody asked for it by name: then there is nothing to tell.
    """

    def __init__(self, reason: str, *, expected: bool = False) -> None:
        super().__init__(reason)
        self.expected = expected


class Source(Protocol):
    """Something that can be read again and again. It may block; each source has a thread of its own."""

    @property
    def name(self) -> str:
        """As notes call it."""
        ...

    @property
    def paced(self) -> bool:
        """Whether it is to be read once per interval; else `read` waits until there is something new."""
        ...

    def read(self) -> list[Reading]:
        """What there is now. Raises NotThereError where it will never be more, anything else where it failed."""
        ...

    def close(self) -> None:
        """Let go of what it holds."""
        ...
