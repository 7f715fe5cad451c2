"""Room on the disk while a level is measured: what its requests take is measured, and it ends before there is none."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from fmbench_lib.host.disk_space import free_bytes, size_text
from fmbench_lib.load.sending.early_stop import Stop
from fmbench_lib.load.sending.engine import Progress

DISK = "disk"
"""Why a level ended: as its disk is nearly full."""

_RECORDS_SHARE = 0.5
"""Of the spools' bytes, which records and the parts that are decoded take at most beside them."""
_RESERVE_BYTES = 8 << 20
"""For what a run writes last: notebooks, tables, its state."""
_FETCHED_BYTES = 2000
"""For the record of a request that other machines sent: its raw response is not here to be measured."""
_LEAST_ENDED = 50  # requests, for their bytes to mean something
_AHEAD_S = 5.0
"""For how long what comes in must have room: in flight at the stop, and between two looks."""


@dataclass(slots=True)
class DiskWatch:
    """Watches the disk of a level whose spools are in `folder`; `free` tells how many bytes may be written there.

    `bytes_per_request` is what a request has taken in its spool so far, `needed` what the rest of the level will take
    with its records, None where that is not known, as where other machines have the responses; `left` is what is free.
    """

    folder: Path
    free: Callable[[Path], int | None] = free_bytes
    bytes_per_request: float | None = None
    needed: int | None = None
    left: int | None = None
    stop: Stop | None = None

    def look(self, progress: Progress, elapsed: float, seconds_left: float | None) -> None:
        """Look at the disk; `seconds_left` is how long the level takes from now, as far as that is known."""
        self.left, spooled = self.free(self.folder), _size(progress.spools)
        if not progress.spools:
            self._end_below(progress.done * _FETCHED_BYTES + _RESERVE_BYTES, "what the nodes measured must be fetched")
            return
        if progress.done < _LEAST_ENDED or elapsed <= 0:
            return
        self.bytes_per_request = spooled / progress.done
        rate = spooled / elapsed
        to_record = (spooled * _RECORDS_SHARE) + _RESERVE_BYTES
        if seconds_left is not None:
            self.needed = round(rate * seconds_left * (1 + _RECORDS_SHARE) + to_record)
        each = f"a request takes {size_text(round(self.bytes_per_request))}"
        self._end_below(to_record + rate * _AHEAD_S, f"{each}, and what was measured must still be decoded")

    def _end_below(self, needed: float, why: str) -> None:
        if self.stop is None and self.left is not None and self.left < needed:
            self.stop = Stop(DISK, f"{size_text(self.left)} are left on the disk of {self.folder}, {why}")

    @property
    def fits(self) -> bool:
        """Whether the rest of the level has room, as far as is known."""
        return self.needed is None or self.left is None or self.needed <= self.left


def _size(spools: tuple[Path, ...]) -> int:
    size = 0
    for spool in spools:
        with contextlib.suppress(OSError):
            size += spool.stat().st_size
    return size
