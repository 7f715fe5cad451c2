"""The contract of a source of samples."""

from __future__ import annotations

from typing import Protocol

from fmbench_lib.monitors.samples import Reading


class SourceUnavailableError(Exception):
    """The source is not available on this machine, and will not be read again.

    `expected` is True if the config does not ask for it: then its absence needs no note.
    """

    def __init__(self, reason: str, *, expected: bool = False) -> None:
        super().__init__(reason)
        self.expected = expected


class Source(Protocol):
    """Something that can be read repeatedly. It may block: each source has its own thread."""

    @property
    def name(self) -> str:
        """The name that notes use."""
        ...

    @property
    def paced(self) -> bool:
        """Whether it is read once per interval; otherwise `read` waits until there is something new."""
        ...

    def read(self) -> list[Reading]:
        """The current values. Raises SourceUnavailableError if there will never be any, another error if it failed."""
        ...

    def close(self) -> None:
        """Release what it holds."""
        ...
