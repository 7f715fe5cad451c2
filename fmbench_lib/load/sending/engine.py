"""One level: its workers started, synchronised, watched and collected.

The engine knows requests as bytes and responses as stamped bytes. A codec says afterwards what they mean.
"""

from __future__ import annotations

import contextlib
import math
import os
import tempfile
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

from fmbench_lib.host.process_identity import ProcessIdentity, identity_of
from fmbench_lib.load.sending.clocks import ClockPair
from fmbench_lib.load.sending.early_stop import Stop, Watch
from fmbench_lib.load.sending.layout import Order, RequestWriter, addresses, prompt_count, scheduled_rate, write_order
from fmbench_lib.load.sending.level import Level
from fmbench_lib.load.sending.level_part import PartOfLevel
from fmbench_lib.load.sending.request_signing import Keys
from fmbench_lib.load.sending.sent_marks import new_marks
from fmbench_lib.load.sending.socket_limit import check_sockets
from fmbench_lib.load.sending.spool import SPOOL
from fmbench_lib.load.sending.worker_processes import (
    WorkerProcess,
    await_ready,
    end_workers,
    hand_out,
    messages,
    start_worker,
)
from fmbench_lib.load.sending.worker_protocol import CUT, SHARED_BYTES, End, SigningScope, WorkerPlan
from fmbench_lib.metrics.level_facts import NodeFacts
from fmbench_lib.predictors.base import HttpRequest

_START_DELAY_NS = 20_000_000  # so that the slowest worker has read its `go`
_WRITTEN_AHEAD = 10_000  # requests: more than a worker sends between two messages
GRACE_S = 10.0  # for what is in flight when the level is stopped: less than a kernel is given to end
HANG_SECONDS = 30.0  # after every request has timed out, silent workers are given up


@dataclass(frozen=True, slots=True)
class WorkerEnd:
    """What one worker left: its spool, its clock samples `(monotonic, wall)` in ns, its share of a core, and the
    machine's suspensions as it noticed them (`worker_protocol.End`)."""

    spool: Path
    clock_samples: tuple[tuple[int, int], ...]
    cpu: float | None
    suspensions: tuple[tuple[int, int], ...] = ()
    part: PartOfLevel | None = None


@dataclass(frozen=True, slots=True)
class LevelRun:
    """A level that was sent: the window's edges on the monotonic clock, and where the raw exchanges are.

    `window_ns` is None when no measured request was sent. `stop_reason` is `requests`, `duration`, `prompts`, or what
    ended it sooner: `precision`, `error_rate` or `saturation`, of which `stop_note` gives the figures in a sentence, or
    what `run_level` was told. `begin_ns` is when it began, `order` in which order it was sent, `first_measured` the
    position of the first measured request.
    """

    level_id: str
    window_ns: tuple[int, int] | None
    stop_reason: str
    stop_note: str | None
    workers: tuple[WorkerEnd, ...]
    scheduled_rate: float | None = None
    """Of an open loop: requests per second in its schedule, from the first measured one to the stop."""
    begin_ns: int = 0
    order: Order | None = None
    first_measured: int | None = None
    nodes: tuple[NodeFacts, ...] = ()
    """The machines that sent it, where these were a cluster's."""
    unix_offset_ns: int | None = None
    """Unix time less monotonic time; None for that of the first worker's first sample."""

    def clocks(self) -> list[ClockPair]:
        """The clocks of each worker. All convert to Unix time by one offset, so that times of all workers compare; by
        one for each part where the level was stopped and continued."""
        mono, wall = min(self.workers[0].clock_samples)
        own = wall - mono if self.unix_offset_ns is None else self.unix_offset_ns
        offsets = [own if each.part is None else each.part.unix_offset_ns for each in self.workers]
        pairs = zip(self.workers, offsets, strict=True)
        return [ClockPair.from_samples(worker.clock_samples, offset) for worker, offset in pairs]


@dataclass(slots=True)
class Progress:
    """How far a level is; counts include the warm-up. The answers so far can be read from `spools`, which the
    `processes` write."""

    total: int | None
    begun: float
    sent: int = 0
    done: int = 0
    errors: int = 0
    in_flight: int = 0
    spools: tuple[Path, ...] = ()
    processes: tuple[ProcessIdentity, ...] = ()


def workers_of(level: Level) -> int:
    """How many workers a level gets.

    A cap, and the choice of the address with the fewest outstanding requests, count the requests of the whole level.
    One worker counts them unless more are configured: of several, one would hold back what another has room for.
    """
    asked = 1 if counts_requests(level) and level.workers is None else level.workers
    return worker_count(asked, level.max_in_flight)


def counts_requests(level: Level) -> bool:
    """Whether what is sent next depends on how many requests of the whole level are in flight."""
    capped = level.open_loop and level.load.max_concurrency is not None
    return capped or (len(level.urls) > 1 and level.load.balance == "least_outstanding")


def worker_count(asked: int | None, concurrency: int | None) -> int:
    """How many workers there are: `asked`, else one per core but one, and never more than requests may be in flight."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    count = asked if asked is not None else max(cores - 1, 1)
    return count if concurrency is None else max(min(count, concurrency), 1)


def run_level(
    level: Level,
    requests: Iterable[HttpRequest],
    folder: Path,
    on_progress: Callable[[Progress], Iterable[float] | None] = lambda _: None,
    stop_now: Callable[[], Stop | None] = lambda: None,
) -> LevelRun:
    """Send a level and return where its raw exchanges are (in `folder`, which must exist and be empty).

    `on_progress` is called twice a second with how far the level is. It returns the TTFTs (s) decoded since the last
    call, which only a codec can tell; they are used where `until` is about TTFT. `stop_now` is asked as often whether
    the level is to end, and why: then nothing more is sent, and what is in flight has ten seconds to end.

    Raises WorkerError when a worker dies, cannot be started or could not open as many sockets as it needs,
    CredentialsError when requests are to be signed and the keys for it are lost; whatever else goes wrong is in the
    exchanges.
    """
    folder = folder.resolve()
    level_id = level.level_id or uuid.uuid4().hex[:12]
    count = workers_of(level)
    if level.script is None:
        check_sockets(level.max_in_flight, count)
    order = write_order(level, folder, count)
    (folder / "shared").write_bytes(bytes(SHARED_BYTES))
    new_marks(sent_marks(folder), count)
    spools = tuple(spool_of(folder, number) for number in range(count))
    progress = Progress(level.requests_left, time.monotonic(), spools=spools)
    workers: list[WorkerProcess] = []
    with ExitStack() as files:
        # Requests carry keys in their headers. A file without a name leaves none behind, whatever kills us.
        prompts = files.enter_context(tempfile.TemporaryFile(dir=folder))
        writer = RequestWriter(prompts, folder / "prompts.idx", requests, prompt_count(level))
        writer.write(_ahead(level, level.already_measured))
        keys = Keys(writer.signing)
        script = None if level.script is None else level.script.append_to(prompts)
        sequences = [files.enter_context(path.open("rb", buffering=0)).fileno() for path in order.files]
        inherited = Inherited(prompts.fileno(), sequences, script, keys.settings)
        try:
            for plan in worker_plans(level, level_id, count, folder, order, inherited):
                worker = start_worker(plan, folder, level.script)
                workers.append(worker)  # those started are ended if one fails
            progress.processes = tuple(identity_of(worker.process.pid) for worker in workers)
            begin_ns = _begin(workers, keys)
            progress.begun = begin_ns / 1e9
            stop = _watch(workers, level, progress, on_progress, stop_now, keys, writer)
        finally:
            end_workers(workers, level.load.timeout if level.write_each else 0.0)
    return _level_run(level, level_id, order, workers, stop, begin_ns)


class Inherited(NamedTuple):
    """What workers get beside the level: descriptors, where the user script's settings are, and what to sign for."""

    prompts_fd: int
    sequence_fds: list[int]
    script: tuple[int, int] | None
    signing: SigningScope | None


def sent_marks(folder: Path) -> Path:
    """The file that says how far the level in this folder was sent, whatever became of it."""
    return folder / "sent"


def _ahead(level: Level, sent: int) -> int:
    """How many requests are written when so many have been sent: no worker should ever wait for one."""
    return len(level.warmup) + _WRITTEN_AHEAD + sent + sent // 4


def spool_of(folder: Path, number: int) -> Path:
    """Where the worker of this number spools what it receives."""
    return folder / f"worker-{number}{SPOOL}"


def worker_plans(
    level: Level, level_id: str, count: int, folder: Path, order: Order, inherited: Inherited
) -> Iterator[WorkerPlan]:
    """The plan of each worker."""
    load: Any = asdict(replace(level.load, trace=None))  # its times are in the schedule
    targets = addresses(level.urls)
    caps = _shares(level.load.max_concurrency if level.open_loop else None, count)
    for number, cap in enumerate(caps):
        yield {
            "level_id": level_id,
            "number": number,
            "workers": count,
            "load": load,
            "concurrency": level.concurrency,
            "slots": list(range(number, level.concurrency or 0, count)),
            "cap": cap,
            "duration": level.duration_left,
            "min_requests": level.stop.min_requests,
            "warmup": len(level.warmup),
            "first_measured": level.first_measured,
            "first_prompts": list(level.first_prompts[number::count]),
            "ramp_prompts": list(level.warmup) if level.load.ramp and not level.open_loop else [],
            "horizon": order.horizon,
            "latencies": level.load.until is not None and level.load.until.measure == "latency",
            "targets": targets,
            "signing": inherited.signing,
            "script": inherited.script,
            "index": str(folder / "prompts.idx"),
            "shared": str(folder / "shared"),
            "sent": str(sent_marks(folder)),
            "spool": str(spool_of(folder, number)),
            "write_each": level.write_each,
            "prompts_fd": inherited.prompts_fd,
            "sequence_fd": inherited.sequence_fds[number % len(inherited.sequence_fds)],
        }


def _shares(cap: int | None, count: int) -> list[int | None]:
    if cap is None:
        return [None] * count
    each, more = divmod(cap, count)
    return [each + (number < more) for number in range(count)]


def _begin(workers: Sequence[WorkerProcess], keys: Keys) -> int:
    """Let the workers begin together, once all are ready; returns when, in monotonic ns."""
    await_ready(workers)
    hand_out(keys, workers)
    begin_ns = time.monotonic_ns() + _START_DELAY_NS
    for worker in workers:
        worker.tell(f"go {begin_ns}\n")
    return begin_ns


def _watch(
    workers: Sequence[WorkerProcess],
    level: Level,
    progress: Progress,
    on_progress: Callable[[Progress], Iterable[float] | None],
    stop_now: Callable[[], Stop | None],
    keys: Keys,
    writer: RequestWriter,
) -> Stop | None:
    """Watch the workers until they have ended. Tells them to stop where the level is to end sooner, and returns why."""
    watch, cut_at = Watch(level), math.inf
    measure = None if level.load.until is None else level.load.until.measure
    for message in messages(workers, HANG_SECONDS + level.load.timeout):
        progress.sent = sum(worker.sent for worker in workers)
        writer.write(_ahead(level, level.already_measured + progress.sent))
        progress.done = sum(worker.done for worker in workers)
        progress.errors = sum(worker.errors for worker in workers)
        progress.in_flight = sum(worker.in_flight for worker in workers)
        ttfts = on_progress(progress) or ()
        if measure == "TTFT":
            watch.learn(ttfts)
        elif measure == "latency" and message["event"] == "progress":
            watch.learn(message["latencies"])
        hand_out(keys, workers)
        if all(worker.end is not None for worker in workers):
            return watch.stop
        now, asked = time.monotonic(), stop_now()
        if asked is not None and cut_at == math.inf:
            cut_at = now + GRACE_S
        if watch.stop is None:
            watch.asked(asked)
            if watch.look(now - progress.begun, progress) is not None:
                _tell(workers, "stop")
        if now > cut_at:
            watch.stop, cut_at = asked or watch.stop, math.inf
            _tell(workers, CUT.decode())
    return watch.stop


def _tell(workers: Sequence[WorkerProcess], line: str) -> None:
    """Send a line to the workers. One that has ended may have said so in a message that is not read yet."""
    for worker in workers:
        with contextlib.suppress(OSError):
            worker.stdin.write(f"{line}\n".encode())
            worker.stdin.flush()


def _level_run(
    level: Level, level_id: str, order: Order, workers: Sequence[WorkerProcess], stop: Stop | None, begin_ns: int
) -> LevelRun:
    ends = [worker.end for worker in workers if worker.end is not None]
    window, reason = sending_window(level, order, ends)
    ended = tuple(
        WorkerEnd(worker.spool, _pairs(end["clock_samples"]), end["cpu"], _pairs(end["suspensions"]))
        for worker, end in zip(workers, ends, strict=True)
    )
    # A level that had just ended by itself when it was told to stop was not cut short.
    stopped = stop if stop is not None and any(end["told"] for end in ends) else None
    note = stopped.note if stopped else None
    rate = None
    if level.open_loop and window is not None:
        start, stopped_s = ((edge - begin_ns) / 1e9 for edge in window)
        rate = scheduled_rate(order, len(level.warmup), start, stopped_s)
    reason, first = stopped.reason if stopped else reason, level.first_measured
    return LevelRun(level_id, window, reason, note, ended, rate, begin_ns, order, first)


def _pairs(values: Iterable[Sequence[int]]) -> tuple[tuple[int, int], ...]:
    return tuple((first, second) for first, second in values)


def sending_window(level: Level, order: Order, ends: Sequence[End]) -> tuple[tuple[int, int] | None, str]:
    """The window from the first measured request to the stop of sending, and why sending stopped.

    A closed loop's window ends when the first slot has nothing more to send, as fewer requests than its concurrency are
    in flight from then on, or when its duration is over. A request that was due before the end and sent after it, as a
    connection had to be opened, is a measured one: the window reaches to it.
    """
    started = [end["first_due_ns"] for end in ends if end["first_due_ns"] is not None]
    if not started:
        return None, order.reason
    start, reason = min(started), order.reason
    stopped = [end["stopped_ns"] for end in ends if end["stopped_ns"] is not None]
    stop = max(stopped) if level.open_loop else min(stopped)
    if any(end["out_of_time"] for end in ends):
        reason = "duration"
        if level.duration_left is not None and not any(end["overran"] for end in ends):
            stop = start + int(level.duration_left * 1e9)
    stop = max(stop, *(end["last_sent_ns"] or 0 for end in ends))
    return ((start, stop) if stop > start else None), reason
