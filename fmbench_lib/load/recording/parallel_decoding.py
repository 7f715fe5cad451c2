"""From a level's spools to its file of records: in this process for small levels, on all cores for large ones.

Spools are read part by part, and no process holds more than one part, so that memory grows neither with the number of
requests nor with that of processes. The file is the same however many processes decode it.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import queue
import selectors
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from subprocess import Popen
from typing import IO, TYPE_CHECKING

import pyarrow as pa

from fmbench_lib.errors import WorkerError
from fmbench_lib.host.children import how_it_ended, start_module
from fmbench_lib.load.recording.recorder import Recorder
from fmbench_lib.load.recording.records import table_from_rows
from fmbench_lib.load.sending.clocks import ClockPair
from fmbench_lib.load.sending.level_part import PartOfLevel
from fmbench_lib.load.sending.spool import boundaries, read_spool

if TYPE_CHECKING:  # every decoding process imports this module, and none needs the engine
    from fmbench_lib.load.sending.engine import LevelRun

_PART_BYTES = 4 << 20
_ANSWER_S = 600.0  # for one part
_LEAST_PARTS = 4  # with fewer, a process takes longer to start than it saves


@dataclass(frozen=True, slots=True)
class Part:
    """The bytes of one worker's spool from `start` to `stop`, which hold whole exchanges."""

    worker: int
    start: int
    stop: int


@dataclass(frozen=True, slots=True)
class Job:
    """Everything that decoding a level needs, so that another process can do a part of it."""

    recorder: Recorder
    spools: tuple[Path, ...]
    clocks: tuple[ClockPair, ...]
    level_id: str
    of_parts: tuple[PartOfLevel | None, ...] = ()

    @classmethod
    def of(cls, recorder: Recorder, run: LevelRun) -> Job:
        """The decoding of a level that was sent."""
        spools, parts = zip(*((worker.spool, worker.part) for worker in run.workers), strict=True)
        return cls(recorder, spools, tuple(run.clocks()), run.level_id, parts)

    def parts(self, most_bytes: int = _PART_BYTES) -> list[Part]:
        """The spools in parts of about so many bytes, worker by worker, in order."""
        parts = []
        for worker, spool in enumerate(self.spools):
            start = 0
            for stop in boundaries(spool, most_bytes):
                parts.append(Part(worker, start, stop))
                start = stop
        return parts


def table_of(job: Job, part: Part) -> pa.Table:
    """The records of one part."""
    rows = []
    of_part = job.of_parts[part.worker] if job.of_parts else None
    for end, exchange in read_spool(job.spools[part.worker], part.start):
        if of_part is None or of_part.has(exchange.position):
            sent = exchange if of_part is None else replace(exchange, target=exchange.target + of_part.urls_before)
            rows.append(job.recorder.record(sent, job.clocks[part.worker], job.level_id, part.worker))
        if end >= part.stop:
            break
    return table_from_rows(rows)


def tables_of(job: Job, folder: Path, processes: int | None = None) -> Iterator[pa.Table]:
    """The records of a level, part by part in order; `folder` is for temporary files.

    Raises WorkerError where a decoding process dies.
    """
    parts = job.parts()
    count = min(processes or _cores(), len(parts))
    if count < 2 or (processes is None and len(parts) < _LEAST_PARTS):
        yield from (table_of(job, part) for part in parts)
        return
    try:
        pickled = pickle.dumps(job)
    except (pickle.PicklingError, TypeError, AttributeError):  # a user's codec may be one that cannot be
        yield from (table_of(job, part) for part in parts)
        return
    with _Decoders(pickled, folder, count) as decoders, ThreadPoolExecutor(count) as pool:
        for target in pool.map(decoders.decode, parts):
            with pa.memory_map(str(target)) as file:
                yield pa.ipc.open_file(file).read_all()
            target.unlink()


class _Decoders:
    """Decoding processes, each of which does one part at a time."""

    def __init__(self, pickled: bytes, folder: Path, count: int) -> None:
        self._folder = folder
        self._all: list[tuple[Popen[bytes], Path]] = []
        self._idle: queue.Queue[tuple[Popen[bytes], Path]] = queue.Queue()
        for number in range(count):
            self._start(number, pickled)

    def _start(self, number: int, pickled: bytes) -> None:
        errors = self._folder / f"decoder-{number}.stderr"
        with errors.open("wb") as stderr:
            process = start_module("fmbench_lib.load.recording.decoder_program", stderr=stderr)
        assert process.stdin is not None
        with contextlib.suppress(OSError):  # a dead process is noticed when it is given a part
            process.stdin.write(len(pickled).to_bytes(8, "little") + pickled)
            process.stdin.flush()
        self._all.append((process, errors))
        self._idle.put((process, errors))

    def decode(self, part: Part) -> Path:
        """Have a part decoded by an idle process; returns the file with its records."""
        target = self._folder / f"part-{part.worker}-{part.start}.arrow"
        process, errors = self._idle.get()
        try:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write(f"{part.worker} {part.start} {part.stop} {target}\n".encode())
            process.stdin.flush()
            answer = _line_of(process.stdout)
        except OSError:
            answer = b""
        finally:
            self._idle.put((process, errors))
        if not answer:
            raise WorkerError(f"a decoding process {how_it_ended(process, errors)}")
        return target

    def __enter__(self) -> _Decoders:
        return self

    def __exit__(self, *reason: object) -> None:
        for process, _ in self._all:
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    with contextlib.suppress(OSError):
                        pipe.close()
            process.kill()
            process.wait()


def _line_of(stream: IO[bytes]) -> bytes:
    """The next line of a decoding process; empty where it has ended, or is silent for far too long."""
    with selectors.DefaultSelector() as selector:
        selector.register(stream, selectors.EVENT_READ)
        return stream.readline() if selector.select(_ANSWER_S) else b""


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
