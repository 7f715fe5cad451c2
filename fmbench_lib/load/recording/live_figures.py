"""How a level is doing while it runs, for a person to see.

The figures come from the real codec, run on a few of the exchanges spooled so far, so that watching takes next to
nothing of the measuring machine. They are a sample; the records are the measurement.
"""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import quantiles

from fmbench_lib.host.process_identity import ProcessIdentity
from fmbench_lib.load.recording.disk_watch import DiskWatch
from fmbench_lib.load.recording.recorder import Recorder
from fmbench_lib.load.sending.clocks import ClockPair, sample
from fmbench_lib.load.sending.engine import Progress
from fmbench_lib.load.sending.spool import read_spool

_WINDOW = 200


@dataclass(frozen=True, slots=True)
class LiveFigures:
    """A level so far. Counts include the warm-up, times are in seconds, rates per second; None where not known yet.
    `processes` are the load workers. `bytes_needed` is what the rest of the level will take on its disk, where
    `bytes_free` are left."""

    done: int
    total: int | None
    errors: int
    in_flight: int
    elapsed: float
    request_rate: float | None
    ttft_p50: float | None
    latency_p95: float | None
    token_rate: float | None
    time_left: float | None
    processes: tuple[ProcessIdentity, ...] = ()
    bytes_per_request: float | None = None
    bytes_needed: int | None = None
    bytes_free: int | None = None


@dataclass(slots=True)
class Onlooker:
    """Follows one level's spools."""

    recorder: Recorder
    duration: float | None
    most_per_look: int = 20
    disk: DiskWatch | None = None
    _offsets: dict[Path, int] = field(default_factory=dict)
    _ttft: deque[float] = field(default_factory=lambda: deque(maxlen=_WINDOW))
    _latency: deque[float] = field(default_factory=lambda: deque(maxlen=_WINDOW))
    _tokens: deque[int] = field(default_factory=lambda: deque(maxlen=_WINDOW))
    _new_ttfts: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.recorder = replace(self.recorder, redactor=None)  # only times are read: no text of it is kept

    def look(self, progress: Progress) -> LiveFigures:
        """The figures now."""
        clocks = ClockPair.from_samples([sample()])
        for spool in progress.spools:
            if spool.exists():
                self._read_some(spool, clocks)
        elapsed = time.monotonic() - progress.begun
        rate = progress.done / elapsed if elapsed > 0 and progress.done else None
        time_left = self._time_left(progress, elapsed, rate)
        disk = self.disk
        if disk is not None:
            disk.look(progress, elapsed, time_left)
        return LiveFigures(
            done=progress.done,
            total=progress.total,
            errors=progress.errors,
            in_flight=progress.in_flight,
            elapsed=elapsed,
            request_rate=rate,
            ttft_p50=quantile(self._ttft, 50),
            latency_p95=quantile(self._latency, 95),
            token_rate=self._token_rate(progress, elapsed),
            time_left=time_left,
            processes=progress.processes,
            bytes_per_request=None if disk is None else disk.bytes_per_request,
            bytes_needed=None if disk is None else disk.needed,
            bytes_free=None if disk is None else disk.left,
        )

    def _read_some(self, spool: Path, clocks: ClockPair) -> None:
        offset = self._offsets.get(spool, 0)
        for count, (end, exchange) in enumerate(read_spool(spool, offset)):
            if count >= self.most_per_look:
                break
            self._offsets[spool] = end
            record = self.recorder.row(exchange, clocks, "")
            if record["error"] is not None or record["last"] is None:
                continue
            self._latency.append(record["last"] - record["due"])
            if record["completion_tokens"] is not None:
                self._tokens.append(record["completion_tokens"])
            if record["first"] is not None:
                self._ttft.append(record["first"] - record["due"])
                if record["phase"] == "measured":
                    self._new_ttfts.append(record["first"] - record["due"])

    def new_ttfts(self) -> list[float]:
        """The TTFTs (s) of measured successes that were decoded since the last call."""
        new, self._new_ttfts = self._new_ttfts, []
        return new

    def _token_rate(self, progress: Progress, elapsed: float) -> float | None:
        """Output tokens per second: the mean length of the answers looked at, times the rate of successes."""
        if not self._tokens or elapsed <= 0:
            return None
        return sum(self._tokens) / len(self._tokens) * (progress.done - progress.errors) / elapsed

    def _time_left(self, progress: Progress, elapsed: float, rate: float | None) -> float | None:
        guesses = []
        if progress.total is not None and rate:
            guesses.append((progress.total - progress.done) / rate)
        if self.duration is not None:
            guesses.append(self.duration - elapsed)
        return max(min(guesses), 0.0) if guesses else None


def quantile(values: deque[float], percent: int) -> float | None:
    """A percentile of a few values for display, None without values."""
    if len(values) < 2:
        return values[0] if values else None
    return quantiles(values, n=100, method="inclusive")[percent - 1]
