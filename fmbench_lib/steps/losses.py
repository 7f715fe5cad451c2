"""What one part costs when it breaks down: itself. It is named, and the others go on."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeVar

from fmbench_lib.errors import DiskFullError, explained

Result = TypeVar("Result")

_BROKE = " could not be made: "
_OF_THE_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)


@dataclass(slots=True)
class Losses:
    """The parts of an analysis that broke down, a line for each."""

    lines: list[str] = field(default_factory=list)

    @contextmanager
    def of(self, what: str) -> Iterator[None]:
        """A block that makes one part. Where it fails, that is noted; what concerns all parts, such as a disk that is
        full, passes through."""
        try:
            yield
        except Exception as error:  # noqa: BLE001 - whatever breaks down in one part must not cost the others
            self.note(what, error)

    def note(self, what: str, error: Exception) -> None:
        """Note that a part broke down; raises the error where it is one of the disk, which concerns all parts."""
        if isinstance(error, DiskFullError) or (isinstance(error, OSError) and error.errno in _OF_THE_DISK):
            raise error
        self.lines.append(f"{what}{_BROKE}{explained(error)}")

    def why(self, what: str) -> str | None:
        """Why a part broke down; None where it did not."""
        return next((line.removeprefix(what + _BROKE) for line in self.lines if line.startswith(what + _BROKE)), None)

    def made(self, what: str, make: Callable[[], Result], otherwise: Callable[[], Result]) -> Result:
        """What `make` returns; where it breaks down, what `otherwise` does."""
        made: list[Result] = []
        with self.of(what):
            made.append(make())
        return made[0] if made else otherwise()
