"""How long the levels that are still to come will probably take, from what has been measured so far."""

from __future__ import annotations

import math
from collections.abc import Iterable
from statistics import fmean

from fmbench_lib.load.levels.specs import LevelSpec
from fmbench_lib.load.recording.live_figures import LiveFigures
from fmbench_lib.steps.measuring.probable_time import seconds_of_level
from fmbench_lib.workspace import LevelKey


class RemainingTime:
    """The time of the levels after the one that is being measured.

    A level takes as long as its requests do, at the mean latency of the levels of its experiment and prompts that have
    been measured, else of all levels; before the first has ended, at that of the current one so far. To each is added
    what the levels took beside their measurement: preparing, decoding.
    """

    def __init__(self, levels: Iterable[LevelSpec]) -> None:
        self._pending = {level.key: level for level in levels}
        self._latencies: dict[tuple[str, str], list[float]] = {}
        self._seconds: list[float] = []
        self._aside: list[float] = []

    def begin(self, level: LevelSpec) -> None:
        """A level begins, and is no longer one of those to come."""
        self._pending.pop(level.key, None)

    def ended(self, key: LevelKey, whole: float, measuring: float, latency: float | None) -> None:
        """A level took `whole` seconds, `measuring` of them under load; `latency` is the mean of its requests (s)."""
        self._seconds.append(whole)
        self._aside.append(max(whole - measuring, 0.0))
        if latency is not None:
            self._latencies.setdefault(key[:2], []).append(latency)

    def after(self, figures: LiveFigures, searched: int = 0) -> float | None:
        """Seconds that the levels to come will probably take, and up to `searched` levels of searches, which take as
        long as the levels so far; None where nothing is known of them."""
        so_far = figures.in_flight / figures.request_rate if figures.request_rate else None
        total = sum(self._level(level, so_far) for level in self._pending.values())
        if searched:
            total += searched * (fmean(self._seconds) if self._seconds else math.inf)
        return total if math.isfinite(total) else None

    def _level(self, level: LevelSpec, so_far: float | None) -> float:
        every = [latency for some in self._latencies.values() for latency in some]
        known = self._latencies.get(level.key[:2]) or every or ([] if so_far is None else [so_far])
        if not known:
            return math.inf
        return seconds_of_level(level, fmean(known)) + (fmean(self._aside) if self._aside else 0.0)
