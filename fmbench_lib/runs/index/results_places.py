"""Where many runs lie: what an index asks of a results folder and of a bucket."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class FoundRun:
    """A run that was found and not read. `place`: its directory or address · `fingerprint`: changes when one of its
    indexed files does · `page`: whether it has a report for a browser."""

    place: str
    fingerprint: str
    page: bool


@dataclass(frozen=True, slots=True)
class Found:
    """The runs of a place, and a line for each folder in it that is none."""

    runs: Sequence[FoundRun]
    foreign: Sequence[str] = ()


class ResultsPlace(Protocol):
    """A results folder, on this machine or in a bucket."""

    @property
    def where(self) -> str:
        """The place as a path or an address, which those of its runs begin with."""
        ...

    @property
    def index_file(self) -> Path:
        """Where the index of this place is kept."""
        ...

    def look(self) -> Found:
        """The runs in it, without reading them. Raises InputError where the place does not exist or cannot be read."""
        ...

    def state(self, run: FoundRun) -> Mapping[str, Any]:
        """The state of a run. Raises FmbenchError, OSError and ValueError."""
        ...

    def content(self, run: FoundRun, name: str) -> bytes | None:
        """A file of a run, by its path in it; None where it has none. Raises FmbenchError and OSError."""
        ...
