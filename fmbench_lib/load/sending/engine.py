"""One level, measured: workers started, synchronised, watched and collected.

The engine knows requests as bytes and responses as stamped bytes. What they mean is said by a codec, afterwards.
"""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import subprocess
import tempfile
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from fmbench_lib.errors import WorkerError
from fmbench_lib.host.children import how_it_ended, start_module
from fmbench_lib.load.sending.clocks import ClockPair
from fmbench_lib.load.sending.early_stop import Stop, Watch
from fmbench_lib.load.sending.layout import Level, Order, addresses, scheduled_rate, write_order, write_requests
from fmbench_lib.load.sending.request_signing import Keys
from fmbench_lib.load.sending.worker import SHARED_BYTES
from fmbench_lib.predictors.base import HttpRequest

_START_DELAY_NS = 20_000_000  # for the slowest worker to read its `go`
_READY_SECONDS = 30.0
_HANG_SECONDS = 30.0  # how long after every time-out a silent worker is given up


@dataclass(frozen=True, slots=True)
class WorkerEnd:
    """What one worker left: its spool, its clock samples `(monotonic, wall)` in ns, its share of a core."""

    spool: Path
    clock_samples: tuple[tuple[int, int], ...]
    cpu: float | None


@dataclass(frozen=True, slots=True)
class LevelRun:
    """A level that was sent: the window's edges on the monotonic clock, and where the raw exchanges lie.

    `window_ns` is None when no measured request was sent. `stop_reason` is `requests`, `duration`, `prompts`, or what
    ended it sooner: `precision`, `error_rate` or `saturation`, of which `stop_note` gives the figures in a sentence.
    """

    level_id: str
    window_ns: tuple[int, int] | None
    stop_reason: str
    stop_note: str | None
    workers: tuple[WorkerEnd, ...]
    scheduled_rate: float | None = None
    """Of an open loop: how many requests per second its schedule has, from the first measured one to the stop."""

    def clocks(self) -> list[ClockPair]:
        """The clocks of each worker. All tell Unix time by one offset, so that times of all workers compare."""
        mono, wall = min(self.workers[0].clock_samples)
        return [ClockPair.from_samples(worker.clock_samples, wall - mono) for worker in self.workers]


@dataclass(slots=True)
class Progress:
    """How far a level is; counts include the warm-up. `spools` lets an onlooker read what has been answered."""

    total: int | None
    begun: float
    sent: int = 0
    done: int = 0
    errors: int = 0
    in_flight: int = 0
    spools: tuple[Path, ...] = ()


@dataclass(slots=True)
class _Process:
    number: int
    process: subprocess.Popen[bytes]
    stdin: IO[bytes]
    stdout: IO[bytes]
    stderr: Path
    spool: Path
    buffer: bytes = b""
    last: dict[str, Any] = field(default_factory=dict)
    end: dict[str, Any] | None = None


def workers_of(level: Level) -> int:
    """How many workers a level gets.

    What counts the requests of the whole level, a cap or the choice of the address with fewest outstanding, is one
    worker's to count unless more are asked for: shared out, each would hold back what another has room for.
    """
    counts = level.max_concurrency is not None or (len(level.urls) > 1 and level.balance == "least_outstanding")
    asked = 1 if counts and level.workers is None else level.workers
    return worker_count(asked, level.concurrency or level.max_concurrency)


def worker_count(asked: int | None, concurrency: int | None) -> int:
    """How many workers there are: as asked, else one per core but one, and never more than may be in flight."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    count = asked if asked is not None else max(cores - 1, 1)
    return count if concurrency is None else max(min(count, concurrency), 1)


def run_level(
    level: Level,
    requests: Iterable[HttpRequest],
    folder: Path,
    on_progress: Callable[[Progress], Iterable[float] | None] = lambda _: None,
) -> LevelRun:
    """Send a level and return where its raw exchanges lie (in `folder`, which must exist and be empty).

    `on_progress` is told twice a second how far the level is. What it returns are the TTFTs (s) it has learnt of since,
    which only a codec can tell; they are asked for where `until` is about TTFT.

    Raises WorkerError when a worker dies or cannot be started, CredentialsError when requests are to be signed and the
    keys for it are lost; whatever else goes wrong is in the exchanges.
    """
    folder = folder.resolve()
    level_id = uuid.uuid4().hex[:12]
    count = workers_of(level)
    order = write_order(level, folder, count)
    plan = {
        **_settings(level),
        "level_id": level_id,
        "targets": addresses(level.urls),
        "index": str(folder / "prompts.idx"),
        "shared": str(folder / "shared"),
        "workers": count,
        "horizon": order.horizon,
    }
    (folder / "shared").write_bytes(bytes(SHARED_BYTES))
    total = None if level.requests is None else len(level.warmup) + level.requests
    progress = Progress(total, time.monotonic(), spools=tuple(folder / f"worker-{n}.spool" for n in range(count)))
    processes: list[_Process] = []
    with ExitStack() as files:
        # Requests carry keys in their headers. A file without a name leaves none behind, whatever kills us.
        prompts = files.enter_context(tempfile.TemporaryFile(dir=folder))
        keys = Keys(write_requests(prompts, folder / "prompts.idx", requests))
        if level.script is not None:
            plan["script"] = level.script.append_to(prompts)
        sequences = [files.enter_context(path.open("rb", buffering=0)) for path in order.files]
        try:
            for number, cap in enumerate(_shares(level.max_concurrency, count)):
                sequence = sequences[number % len(sequences)]
                slots = list(range(number, level.concurrency or 0, count))
                mine = {**plan, **keys.settings, "number": number, "slots": slots, "max_concurrency": cap}
                processes.append(
                    _start_worker(mine, folder, prompts_fd=prompts.fileno(), sequence_fd=sequence.fileno())
                )
            _await_ready(processes)
            _hand_out(keys, processes)
            begin = time.monotonic_ns() + _START_DELAY_NS
            for process in processes:
                _tell(process, f"go {begin}\n")
            stop = _await_end(processes, level, progress, on_progress, keys)
        finally:
            _end_processes(processes)
    return _level_run(level, level_id, order, processes, stop, begin)


def _settings(level: Level) -> dict[str, Any]:
    """What the workers are told of a level as it is asked for."""
    same = ("concurrency", "duration", "min_requests", "think_time", "ramp", "balance", "ca_file")
    limits = ("timeout", "connect_timeout", "first_byte_timeout", "read_timeout")
    return {
        **{name: getattr(level, name) for name in (*same, *limits)},
        "warmup": len(level.warmup),
        "ramp_prompts": list(level.warmup) if level.ramp else [],
        "latencies": level.until is not None and level.until.measure == "latency",
    }


def _shares(concurrency: int | None, count: int) -> list[int | None]:
    if concurrency is None:
        return [None] * count
    each, more = divmod(concurrency, count)
    return [each + (number < more) for number in range(count)]


# -- the workers ---------------------------------------------------------------------------------------------------


def _start_worker(plan: dict[str, Any], folder: Path, *, prompts_fd: int, sequence_fd: int) -> _Process:
    number: int = plan["number"]
    spool = folder / f"worker-{number}.spool"
    plan_path = folder / f"worker-{number}.json"
    fds = {"prompts_fd": prompts_fd, "sequence_fd": sequence_fd}
    plan_path.write_text(json.dumps({**plan, **fds, "spool": str(spool)}))
    errors = folder / f"worker-{number}.stderr"
    with errors.open("wb") as stderr:
        process = start_module(
            "fmbench_lib.load.sending.script_worker" if "script" in plan else "fmbench_lib.load.sending.worker",
            str(plan_path),
            stderr=stderr,
            pass_fds=tuple(fds.values()),
            start_new_session=True,
        )
    assert process.stdin is not None
    assert process.stdout is not None
    return _Process(number, process, process.stdin, process.stdout, errors, spool)


def _tell(process: _Process, line: str) -> None:
    try:
        process.stdin.write(line.encode())
        process.stdin.flush()
    except OSError:
        raise _death(process) from None


def _hand_out(keys: Keys, processes: list[_Process]) -> None:
    """Give the workers the keys to sign with, where they are to and the keys are new."""
    line = keys.news()
    if line is not None:
        for process in processes:
            with contextlib.suppress(OSError):  # whoever has ended needs none
                process.stdin.write(line)
                process.stdin.flush()


def _await_ready(processes: list[_Process]) -> None:
    for _ in _messages(processes, _READY_SECONDS):
        if all(process.last.get("event") == "ready" for process in processes):
            return


def _await_end(
    processes: list[_Process],
    level: Level,
    progress: Progress,
    on_progress: Callable[[Progress], Iterable[float] | None],
    keys: Keys,
) -> Stop | None:
    """Watch the workers until they have ended, and tell them to when the level may end sooner: then says why."""
    watch = Watch(level)
    for message in _messages(processes, _HANG_SECONDS + level.timeout):
        if message["event"] == "end":
            processes[message["worker"]].end = message
        progress.sent = sum(process.last.get("sent", 0) for process in processes)
        progress.done = sum(process.last.get("done", 0) for process in processes)
        progress.errors = sum(process.last.get("errors", 0) for process in processes)
        progress.in_flight = sum(process.last.get("in_flight", 0) for process in processes if process.end is None)
        watch.learn(message.get("latencies", ()) if level.until and level.until.measure == "latency" else ())
        ttfts = on_progress(progress) or ()
        watch.learn(ttfts if level.until and level.until.measure == "TTFT" else ())
        _hand_out(keys, processes)
        if all(process.end is not None for process in processes):
            return watch.stop
        if watch.stop is None and watch.look(time.monotonic() - progress.begun, progress) is not None:
            for process in processes:
                if process.end is None:
                    _tell(process, "stop\n")
    return watch.stop


def _messages(processes: list[_Process], patience: float) -> Iterator[dict[str, Any]]:
    """What the workers say, as they say it. Raises WorkerError when one dies or all are silent for `patience` s."""
    with selectors.DefaultSelector() as selector:
        for process in processes:
            selector.register(process.stdout, selectors.EVENT_READ, process)
        while True:
            ready = selector.select(patience)
            if not ready:
                raise WorkerError("the load workers have not been heard of in time; the level was given up")
            for key, _ in ready:
                process = key.data
                data = os.read(process.stdout.fileno(), 1 << 16)
                if not data:
                    if process.end is None:
                        raise _death(process)
                    selector.unregister(process.stdout)
                    continue
                *lines, process.buffer = (process.buffer + data).split(b"\n")
                for line in lines:
                    process.last = {**json.loads(line), "worker": process.number}
                    yield process.last


def _death(process: _Process) -> WorkerError:
    return WorkerError(f"load worker {process.number} {how_it_ended(process.process, process.stderr)}")


def _end_processes(processes: list[_Process]) -> None:
    for process in processes:
        with contextlib.suppress(OSError):  # what could not be told to a dead worker is still in the buffer
            process.stdin.close()
        try:
            process.process.wait(timeout=2 if process.end is not None else 0)
        except subprocess.TimeoutExpired:
            process.process.kill()
            process.process.wait()
        process.stdout.close()


def _level_run(
    level: Level, level_id: str, order: Order, processes: list[_Process], stop: Stop | None, begin_ns: int
) -> LevelRun:
    ends = [process.end for process in processes if process.end is not None]
    window, reason = _window(level, order, ends)
    workers = tuple(
        WorkerEnd(process.spool, tuple((mono, wall) for mono, wall in end["clock_samples"]), end["cpu"])
        for process, end in zip(processes, ends, strict=True)
    )
    # A level that had just ended by itself when it was told to stop has met its end.
    stopped = stop if stop is not None and any(end["told"] for end in ends) else None
    note = stopped.note if stopped else None
    rate = None
    if level.open_loop and window is not None:
        start, stopped_s = ((edge - begin_ns) / 1e9 for edge in window)
        rate = scheduled_rate(order, len(level.warmup), start, stopped_s)
    return LevelRun(level_id, window, stopped.reason if stopped else reason, note, workers, rate)


def _window(level: Level, order: Order, ends: list[dict[str, Any]]) -> tuple[tuple[int, int] | None, str]:
    """From the first measured request to the stop of sending, and why it stopped.

    The first slot that finds nothing more to send ends a closed loop's window, since from then on fewer than were
    asked for are in flight; its time, where it has one. A request that was taken up before the end and sent after it,
    for a connection that had to be opened, is a measured one: the window reaches to it.
    """
    started = [end["first_due_ns"] for end in ends if end["first_due_ns"] is not None]
    if not started:
        return None, order.reason
    start, reason = min(started), order.reason
    stopped = [end["stopped_ns"] for end in ends]
    stop = max(stopped) if level.open_loop else min(stopped)
    if any(end["out_of_time"] for end in ends):
        reason = "duration"
        if level.duration is not None and not any(end["overran"] for end in ends):
            stop = start + int(level.duration * 1e9)
    stop = max(stop, *(end["last_sent_ns"] or 0 for end in ends))
    return ((start, stop) if stop > start else None), reason
