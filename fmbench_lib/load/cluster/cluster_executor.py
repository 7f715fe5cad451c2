"""Sending levels from a cluster, in place of this machine."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pyarrow as pa

from fmbench_lib.load.cluster.cluster_watch import begin, read_clocks, watch_nodes
from fmbench_lib.load.cluster.collected_level import collect, fetched_outcomes, fetched_tables
from fmbench_lib.load.cluster.node import Cluster
from fmbench_lib.load.cluster.shared_level import hand_to_nodes
from fmbench_lib.load.recording.recorder import Recorder
from fmbench_lib.load.sending.early_stop import Stop
from fmbench_lib.load.sending.engine import LevelRun, Progress
from fmbench_lib.load.sending.level import Level
from fmbench_lib.load.sending.spool import Outcome
from fmbench_lib.predictors.base import HttpRequest


class ClusterExecutor:
    """Sends levels from the nodes of a cluster."""

    keeps_spools = False

    def __init__(self, cluster: Cluster, clock: Callable[[], int] = time.monotonic_ns) -> None:
        self._cluster = cluster
        self._clock = clock

    def run(
        self,
        level: Level,
        requests: Iterable[HttpRequest],
        folder: Path,
        recorder: Recorder,
        on_progress: Callable[[Progress], Iterable[float] | None] = lambda _: None,
        stop_now: Callable[[], Stop | None] = lambda: None,
    ) -> LevelRun:
        """Send a level and bring its records into `folder`, which must exist and be empty.

        A node that is lost on the way ends the level, whose records are then those of the others; `nodes` of the
        result says so. Raises WorkerError where none is left, or one is lost before the level begins, InputError for a
        level that only one machine can send, CredentialsError as `run_level` does.
        """
        shared = hand_to_nodes(level, requests, self._cluster, folder, recorder)
        try:
            read_clocks(shared, self._clock)
            begin(shared)
            stop = watch_nodes(shared, Progress(level.requests_left, shared.begin_ns / 1e9), on_progress, stop_now)
            read_clocks(shared, self._clock)
            return collect(shared, stop, folder)
        finally:
            shared.nodes.clear()

    def tables(self, recorder: Recorder, run: LevelRun, folder: Path) -> Iterator[pa.Table]:
        """The records of a level that was sent, some at a time."""
        return fetched_tables(run)

    def outcomes(self, run: LevelRun) -> Iterator[Outcome]:
        """What became of each request."""
        return fetched_outcomes(run)
