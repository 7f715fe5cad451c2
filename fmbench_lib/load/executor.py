"""What sends a level: this machine, or what stands in for it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import Protocol

import pyarrow as pa

from fmbench_lib.load.recording.parallel_decoding import Job, tables_of
from fmbench_lib.load.recording.recorder import Recorder
from fmbench_lib.load.sending.early_stop import Stop
from fmbench_lib.load.sending.engine import LevelRun, Progress, run_level
from fmbench_lib.load.sending.level import Level
from fmbench_lib.load.sending.spool import Outcome, outcomes
from fmbench_lib.predictors.base import HttpRequest


class Executor(Protocol):
    """Sends levels and has their records."""

    keeps_spools: bool
    """Whether a level that was sent is in `folder` as raw responses, rather than as records."""

    def run(
        self,
        level: Level,
        requests: Iterable[HttpRequest],
        folder: Path,
        recorder: Recorder,
        on_progress: Callable[[Progress], Iterable[float] | None] = lambda _: None,
        stop_now: Callable[[], Stop | None] = lambda: None,
    ) -> LevelRun:
        """Send a level, as `run_level` does; `recorder` makes its records."""

    def tables(self, recorder: Recorder, run: LevelRun, folder: Path) -> Iterator[pa.Table]:
        """The records of a level that was sent, some at a time."""

    def outcomes(self, run: LevelRun) -> Iterator[Outcome]:
        """What became of each request of a level that was sent."""


class OneMachine:
    """Sends levels from the load workers of this machine."""

    keeps_spools = True

    def run(
        self,
        level: Level,
        requests: Iterable[HttpRequest],
        folder: Path,
        recorder: Recorder,
        on_progress: Callable[[Progress], Iterable[float] | None] = lambda _: None,
        stop_now: Callable[[], Stop | None] = lambda: None,
    ) -> LevelRun:
        """As `run_level`."""
        return run_level(level, requests, folder, on_progress, stop_now)

    def tables(self, recorder: Recorder, run: LevelRun, folder: Path) -> Iterator[pa.Table]:
        """As `tables_of`."""
        return tables_of(Job.of(recorder, run), folder)

    def outcomes(self, run: LevelRun) -> Iterator[Outcome]:
        """As the spools have it."""
        return chain.from_iterable(outcomes(worker.spool) for worker in run.workers)
