"""Where what was sent belongs in a level that was stopped and continued."""

from __future__ import annotations

from dataclasses import dataclass

from fmbench_lib.load.sending.pacing import RAMP_POSITIONS


@dataclass(frozen=True, slots=True)
class PartOfLevel:
    """Where a spool belongs in a level that was stopped and continued.

    Its records are the requests from the position `first` up to `after`, without that; the first part's also the
    warm-up. `unix_offset_ns` converts its monotonic times to Unix times without the time between the parts, which is
    `gap_ns`; `urls_before` are the addresses of the parts before it, by which its own are numbered.
    """

    first: int
    after: int
    unix_offset_ns: int
    urls_before: int
    gap_ns: int = 0

    def has(self, position: int) -> bool:
        """Whether the request at this position is of this part."""
        begins = self.urls_before == 0
        return self.first <= position < self.after or (begins and (position < self.first or position >= RAMP_POSITIONS))
