"""What runs on each node: starts the node's load workers, watches and ends them, and decodes what they received.

It is a plain object; a cluster calls its methods from elsewhere, several at a time. Its workers end with its process,
whatever ends that, as they read its end of their pipes. What a killed one leaves on disk is deleted by the next one.
"""

from __future__ import annotations

import contextlib
import fcntl
import mmap
import os
import platform
import shutil
import socket
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import IO

import pyarrow as pa

from fmbench_lib import __version__
from fmbench_lib.errors import FmbenchError, WorkerError
from fmbench_lib.load.cluster.node_messages import CommonPart, NodeIdentity, NodePart, NodeStatus
from fmbench_lib.load.cluster.sharing import entries_of_worker
from fmbench_lib.load.recording.parallel_decoding import Job, tables_of
from fmbench_lib.load.sending.clocks import ClockPair
from fmbench_lib.load.sending.engine import HANG_SECONDS, Inherited, sent_marks, spool_of, worker_plans
from fmbench_lib.load.sending.layout import Order
from fmbench_lib.load.sending.level import Level
from fmbench_lib.load.sending.sent_marks import new_marks, positions_sent
from fmbench_lib.load.sending.worker_processes import (
    WorkerProcess,
    await_ready,
    end_workers,
    messages,
    start_worker,
)
from fmbench_lib.load.sending.worker_protocol import CUT, SHARED_BYTES, End

_FOLDER = "fmbench-node-"
_LOCK = "in-use"
_LOOK_S = 0.005
LEASE_S = 45.0
"""A node that sends and has heard nothing for so long ends its workers: its driver hangs or is cut off from it, and
nobody else would. The driver asks all nodes several times a second, but waits for one that is silent for 15 s."""


class NodeAgent:
    """One node of a cluster, from its first level to its last. Its files are in a folder of its own in `parent`."""

    def __init__(self, parent: str | None = None) -> None:
        self._parent = Path(parent or tempfile.gettempdir())
        delete_left_folders(self._parent)
        self._level: _NodeLevel | None = None

    def identity(self) -> NodeIdentity:
        """Who this is."""
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        return NodeIdentity(__version__, platform.python_version(), socket.gethostname(), cores)

    def clock(self) -> tuple[int, int]:
        """The time of this question on the monotonic clock, and that of the answer."""
        now = time.monotonic_ns()
        return now, time.monotonic_ns()

    def prepare(self, common: CommonPart, part: NodePart) -> None:
        """Start the workers of a level; returns when they can begin. Raises WorkerError where they cannot."""
        self.clear()
        os.environ.update(common.proxies)
        self._level = _NodeLevel(self._parent, common, part)

    def go(self, begin_ns: int, keys: bytes | None = None) -> int:
        """Let the workers begin at this time; returns when they knew it."""
        return self._now().go(begin_ns, keys)

    def give_keys(self, line: bytes) -> None:
        """Give the workers keys to sign with, as a line of their protocol."""
        self._now().tell_all(line)

    def status(self, wait_s: float) -> NodeStatus:
        """How far the level is here, after `wait_s` seconds, or sooner where it has ended or is about to."""
        level, until = self._now(), time.monotonic() + wait_s
        while time.monotonic() < until and not level.news():
            time.sleep(_LOOK_S)
        return level.status()

    def window_starts(self, node_ns: int) -> None:
        """The level's first measured request was due at this time, on another node."""
        self._now().window_starts(node_ns)

    def stop(self) -> None:
        """Send nothing more; what is in flight may end."""
        self._now().tell_all(b"stop\n")

    def cut(self) -> None:
        """Give up what is still in flight."""
        self._now().tell_all(CUT + b"\n")

    def ends(self) -> list[End]:
        """What the workers said at their end, in the order of their numbers."""
        return self._now().ends()

    def sent(self) -> int | None:
        """How many positions of the order were sent or passed over, from the first, by the furthest worker."""
        return self._now().positions_sent()

    def next_records(self) -> bytes | None:
        """Some more records of the level as an Arrow stream, None when there are no more.

        Their times are those of this node's monotonic clock in seconds, their workers are counted from 0. Raises
        WorkerError where decoding breaks down.
        """
        return self._now().next_records()

    def clear(self) -> None:
        """End the workers, and delete what the level has left."""
        level, self._level = self._level, None
        if level is not None:
            level.close()

    def _now(self) -> _NodeLevel:
        if self._level is None:
            raise WorkerError("this node has no level")
        self._level.heard = time.monotonic()
        return self._level


class _NodeLevel:
    """A level on this node, from its workers' start to its last record."""

    def __init__(self, parent: Path, common: CommonPart, part: NodePart) -> None:
        self._common, self._part = common, part
        self._files = ExitStack()
        self._folder = _new_folder(parent, self._files)
        self._level = _with_bundle(common.level, common.ca_bundle, self._folder)
        self._workers: list[WorkerProcess] = []
        self._latencies: list[float] = []
        self._failure: str | None = None
        self._watcher: threading.Thread | None = None
        self._tables: Iterator[pa.Table] | None = None
        self._lock = threading.Lock()
        self.heard = time.monotonic()
        try:
            self._start()
        except BaseException:
            self.close()
            raise

    def _start(self) -> None:
        folder, common = self._folder, self._common
        (folder / "shared").write_bytes(bytes(SHARED_BYTES))
        with (folder / "shared").open("r+b") as file:
            self._shared = self._files.enter_context(contextlib.closing(mmap.mmap(file.fileno(), SHARED_BYTES)))
        new_marks(sent_marks(folder), common.workers)
        # Requests hold keys: their file has no name, and leaves none behind.
        prompts = self._files.enter_context(tempfile.TemporaryFile(dir=folder))  # noqa: SIM115
        prompts.write(common.requests)
        prompts.flush()
        (folder / "prompts.idx").write_bytes(common.index)
        self._sequences = self._write_sequences()
        order = Order((), common.reason, common.horizon)
        inherited = Inherited(prompts.fileno(), [file.fileno() for file in self._sequences], None, common.signing)
        plans = worker_plans(self._level, common.level_id, common.workers, folder, order, inherited)
        for plan in (plan for plan in plans if plan["number"] in self._part.workers):
            self._workers.append(start_worker(plan, folder))
        await_ready(self._workers)

    def _write_sequences(self) -> list[IO[bytes]]:
        """The order of sending as files, which the workers read: theirs by number in an open loop, else one for all."""
        entries, total = self._part.entries, self._common.workers
        if not self._level.open_loop:
            return [self._sequence(self._folder / "sequence.bin", entries.tobytes())]
        none = self._sequence(self._folder / "sequence-none.bin", b"")
        files = [none] * total
        for worker in self._part.workers:
            own = entries_of_worker(entries, worker, total).tobytes()
            files[worker] = self._sequence(self._folder / f"sequence-{worker}.bin", own)
        return files

    def _sequence(self, path: Path, entries: bytes) -> IO[bytes]:
        path.write_bytes(entries)
        return self._files.enter_context(path.open("rb", buffering=0))

    def go(self, begin_ns: int, keys: bytes | None) -> int:
        """As `NodeAgent.go`."""
        if keys is not None:
            self.tell_all(keys)
        self.tell_all(b"go %d\n" % begin_ns)
        self._watcher = threading.Thread(target=self._watch, daemon=True)
        self._watcher.start()
        return time.monotonic_ns()

    def _watch(self) -> None:
        try:
            for message in messages(self._workers, HANG_SECONDS + self._level.load.timeout):
                if message["event"] == "progress" and message["latencies"]:
                    with self._lock:
                        self._latencies += message["latencies"]
                if self._all_ended():
                    break
                if time.monotonic() - self.heard > LEASE_S:
                    raise WorkerError(f"it heard nothing from the driver for {LEASE_S:g} s, and stopped sending")
        except (FmbenchError, OSError, ValueError) as error:
            self._failure = str(error)
        end_workers(self._workers)

    def tell_all(self, line: bytes) -> None:
        """Send a line to the workers; one that has ended needs none."""
        for worker in self._workers:
            with contextlib.suppress(OSError, ValueError):
                worker.stdin.write(line)
                worker.stdin.flush()

    def news(self) -> bool:
        """Whether the driver should hear at once how far this is."""
        return self._failure is not None or self._all_ended() or self._exhausted()

    def status(self) -> NodeStatus:
        """As `NodeAgent.status`, now."""
        with self._lock:
            latencies, self._latencies = tuple(self._latencies), []
        workers, start = self._workers, int.from_bytes(self._shared[:], "little")
        return NodeStatus(
            sent=sum(worker.sent for worker in workers),
            done=sum(worker.done for worker in workers),
            errors=sum(worker.errors for worker in workers),
            in_flight=sum(worker.in_flight for worker in workers),
            latencies=latencies,
            ended=self._all_ended(),
            exhausted=self._exhausted(),
            window_start_ns=start or None,
            failure=self._failure,
        )

    def window_starts(self, node_ns: int) -> None:
        """As `NodeAgent.window_starts`."""
        if not any(self._shared[:]):
            self._shared[:] = node_ns.to_bytes(SHARED_BYTES, "little")

    def ends(self) -> list[End]:
        """As `NodeAgent.ends`."""
        return [worker.end for worker in self._workers if worker.end is not None]

    def positions_sent(self) -> int | None:
        """As `NodeAgent.sent`."""
        return positions_sent(sent_marks(self._folder))

    def next_records(self) -> bytes | None:
        """As `NodeAgent.next_records`."""
        if self._tables is None:
            spools = tuple(spool_of(self._folder, worker) for worker in self._part.workers)
            clocks = tuple(ClockPair.from_samples(_samples(end), 0) for end in self.ends())
            job = Job(self._common.recorder, spools, clocks, self._common.level_id)
            self._tables = tables_of(job, self._folder)
        table = next(self._tables, None)
        return None if table is None else _as_bytes(table)

    def close(self) -> None:
        """End and delete everything."""
        for worker in self._workers:
            if worker.end is None:
                worker.process.kill()
        if self._watcher is None:
            end_workers(self._workers)
        else:
            self._watcher.join()  # it ends them
        self._files.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _all_ended(self) -> bool:
        return all(worker.end is not None for worker in self._workers)

    def _exhausted(self) -> bool:
        """Whether the last entry of a closed loop's order has been taken: the next free slot finds none."""
        if self._level.open_loop:
            return False
        return os.lseek(self._sequences[0].fileno(), 0, os.SEEK_CUR) >= self._part.entries.nbytes


def delete_left_folders(parent: Path) -> None:
    """Delete the folders of agents that were killed: their locks are free."""
    for folder in parent.glob(f"{_FOLDER}*"):
        with contextlib.suppress(OSError), (folder / _LOCK).open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)


def _new_folder(parent: Path, files: ExitStack) -> Path:
    """A folder that is locked until `files` are closed; the lock is not inherited."""
    folder = Path(tempfile.mkdtemp(prefix=_FOLDER, dir=parent))
    unlocked = folder / "new"
    lock = files.enter_context(unlocked.open("wb"))
    fcntl.flock(lock, fcntl.LOCK_EX)
    unlocked.rename(folder / _LOCK)  # nobody finds it unlocked
    return folder


def _with_bundle(level: Level, bundle: bytes | None, folder: Path) -> Level:
    if bundle is None:
        return level
    path = folder / "authorities.pem"
    path.write_bytes(bundle)
    return replace(level, load=replace(level.load, ca_bundle=str(path)))


def _samples(end: End) -> Sequence[tuple[int, int]]:
    return [(mono, wall) for mono, wall in end["clock_samples"]]


def _as_bytes(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    content: bytes = sink.getvalue().to_pybytes()
    return content
