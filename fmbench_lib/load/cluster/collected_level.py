"""What the nodes bring back of a level: its window on the driver's clock, its records, and the facts of each node."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from fmbench_lib.errors import NodeLostError, WorkerError
from fmbench_lib.load.cluster.clock_offsets import NodeClock
from fmbench_lib.load.cluster.node import Node
from fmbench_lib.load.cluster.shared_level import SharedLevel
from fmbench_lib.load.cluster.shifted_records import of_part, on_drivers_clock, positions_of
from fmbench_lib.load.recording.records import RECORD_SCHEMA
from fmbench_lib.load.sending.clocks import sample
from fmbench_lib.load.sending.early_stop import Stop
from fmbench_lib.load.sending.engine import LevelRun, WorkerEnd, sending_window, sent_marks
from fmbench_lib.load.sending.layout import scheduled_rate
from fmbench_lib.load.sending.spool import Outcome
from fmbench_lib.load.sending.worker_protocol import End
from fmbench_lib.metrics.level_facts import NodeFacts

_AT_ONCE = 4
_ROUNDED_NS = 1_000  # Unix times in seconds are known to a quarter of a microsecond


@dataclass(slots=True)
class _Brought:
    """The records that a node has brought: how many are measured ones, when the last of them was sent (Unix s, 0
    without any), and their lags (s)."""

    requests: int = 0
    last_sent: float = 0.0
    schedule_lags: list[Any] = field(default_factory=list)
    client_lags: list[Any] = field(default_factory=list)

    def take(self, table: pa.Table) -> None:
        """Count some more."""
        measured = table.filter(pc.equal(table["phase"], "measured"))
        self.requests += measured.num_rows
        self.last_sent = max(self.last_sent, pc.max(measured["sent"]).as_py() or 0.0)
        self.schedule_lags.append(measured["schedule_lag"].drop_null().to_numpy())
        self.client_lags.append(measured["client_lag"].drop_null().to_numpy())


def collect(shared: SharedLevel, stop: Stop | None, folder: Path) -> LevelRun:
    """Fetch the records into `folder`, from all nodes at once, and return the level as if one machine had sent it.

    Raises WorkerError where no node is left, or decoding breaks down.
    """
    ends: dict[str, list[End]] = dict(shared.nodes.ask("ends"))
    mono, wall = sample()
    brought = _fetch_all(shared, wall - mono, folder)
    _note_sent(shared, folder)
    left = [node for node in shared.nodes.left if ends.get(node.name)]
    if not left:
        raise WorkerError("; ".join(f"node {name}: {reason}" for name, reason in shared.nodes.lost.items()))
    by_worker = {
        number: on_driver(end, shared.clocks[node.name])
        for node in left
        for number, end in zip(shared.workers[node.name], ends[node.name], strict=True)
    }
    records = {number: _records_of(shared, node, folder) for node in left for number in shared.workers[node.name]}
    every = list(by_worker.values())
    window, reason = sending_window(shared.level, shared.order, every)
    window = _to_last_sent(window, brought.values(), wall - mono)
    stopped = stop if stop is not None and any(end["told"] for end in every) else None
    return LevelRun(
        level_id=shared.level_id,
        window_ns=window,
        stop_reason=reason if stopped is None else stopped.reason,
        stop_note=None if stopped is None else stopped.note,
        workers=tuple(
            WorkerEnd(records[number], tuple(end["clock_samples"]), end["cpu"], tuple(end["suspensions"]))
            for number, end in sorted(by_worker.items())
        ),
        scheduled_rate=_scheduled_rate(shared, window),
        begin_ns=shared.begin_ns,
        order=shared.order,
        first_measured=shared.level.first_measured,
        nodes=tuple(_facts(shared, node, ends.get(node.name, []), brought.get(node.name)) for node in shared.nodes.all),
        unix_offset_ns=wall - mono,
    )


def fetched_tables(run: LevelRun) -> Iterator[pa.Table]:
    """The records that `collect` has fetched, node by node; of a level in parts those that belong to it, set back by
    the time between the parts."""
    for path, part in dict.fromkeys((worker.spool, worker.part) for worker in run.workers):
        for table in _tables_in(path):
            yield table if part is None else of_part(table, part)


def fetched_outcomes(run: LevelRun) -> Iterator[Outcome]:
    """What became of each request that `collect` has fetched."""
    for path in dict.fromkeys(worker.spool for worker in run.workers):
        for table in _tables_in(path):
            due_ns = np.rint(table["due"].to_numpy() * 1e9).astype(np.int64) - (run.unix_offset_ns or 0)
            errors = table["error"].to_pylist()
            for position, due, error in zip(positions_of(table).tolist(), due_ns.tolist(), errors, strict=True):
                yield Outcome(position, due, error or "")


def _tables_in(path: Path) -> Iterator[pa.Table]:
    with pa.memory_map(str(path)) as file:
        yield from (pa.Table.from_batches([batch]) for batch in pa.ipc.open_stream(file))


def _records_of(shared: SharedLevel, node: Node, folder: Path) -> Path:
    """The file for what is fetched of a node."""
    return folder / f"node-{shared.nodes.all.index(node):06d}.records"


def on_driver(end: End, clock: NodeClock) -> End:
    """What a worker said at its end, with its times on the driver's clock."""
    moved: dict[str, Any] = {
        name: None if (time_ns := cast(dict[str, Any], end)[name]) is None else clock.to_driver(time_ns)
        for name in ("stopped_ns", "first_due_ns", "last_sent_ns")
    }
    samples = [(clock.to_driver(mono), wall) for mono, wall in end["clock_samples"]]
    suspensions = [(clock.to_driver(when), length) for when, length in end["suspensions"]]
    return cast(End, {**end, **moved, "clock_samples": samples, "suspensions": suspensions})


def _to_last_sent(
    window: tuple[int, int] | None, brought: Iterable[_Brought], unix_offset_ns: int
) -> tuple[int, int] | None:
    """The window, with the last request that belongs to it as its record has it, where that is rounded."""
    if window is None:
        return None
    last_sent = max((each.last_sent for each in brought), default=0.0)
    return window[0], max(window[1], round(last_sent * 1e9) + _ROUNDED_NS - unix_offset_ns)


def _fetch_all(shared: SharedLevel, unix_offset_ns: int, folder: Path) -> dict[str, _Brought]:
    """Fetch the records of all nodes that are left, some nodes at a time, each of which decodes meanwhile."""
    left = list(shared.nodes.left)

    def fetch(node: Node) -> _Brought | None:
        path = _records_of(shared, node, folder)
        try:
            return _fetch(shared, node, unix_offset_ns, path)
        except NodeLostError as error:
            shared.nodes.lose_silent(node, error)
            path.unlink(missing_ok=True)  # part of a node's requests would look like all of them
            return None

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        fetched = pool.map(fetch, left)
        return {node.name: brought for node, brought in zip(left, fetched, strict=True) if brought is not None}


def _fetch(shared: SharedLevel, node: Node, unix_offset_ns: int, path: Path) -> _Brought:
    brought, clock, workers = _Brought(), shared.clocks[node.name], shared.workers[node.name]
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_stream(file, RECORD_SCHEMA) as writer:
        asked = node.ask("next_records")
        while (content := asked.get()) is not None:
            asked = node.ask("next_records")  # the node decodes while this is written
            table = on_drivers_clock(pa.ipc.open_stream(content).read_all(), clock, unix_offset_ns, workers)
            brought.take(table)
            writer.write_table(table)
    return brought


def _note_sent(shared: SharedLevel, folder: Path) -> None:
    """Write down how far the order of sending was sent; nothing where a node is lost, as then nobody knows."""
    sent = shared.nodes.ask("sent")
    if not shared.nodes.lost and sent:
        sent_marks(folder).write_bytes(max(position or 0 for position in sent.values()).to_bytes(8, "little"))


def _scheduled_rate(shared: SharedLevel, window: tuple[int, int] | None) -> float | None:
    if not shared.level.open_loop or window is None:
        return None
    start, stop = ((edge - shared.begin_ns) / 1e9 for edge in window)
    return scheduled_rate(shared.order, len(shared.level.warmup), start, stop)


def _facts(shared: SharedLevel, node: Node, ends: Sequence[End], brought: _Brought | None) -> NodeFacts:
    clock = shared.clocks[node.name]
    return {
        "name": node.name,
        "host": node.host,
        "workers": list(shared.workers[node.name]),
        "requests": None if brought is None else brought.requests,
        "clock_offset": clock.before.offset_ns / 1e9,
        "clock_bound": clock.bound_ns / 1e9,
        "clock_drift_ppm": clock.drift_ppm,
        "schedule_lag_p99": None if brought is None else _p99(brought.schedule_lags),
        "client_lag_p99": None if brought is None else _p99(brought.client_lags),
        "cpu": max((end["cpu"] for end in ends if end["cpu"] is not None), default=None),
        "lost": shared.nodes.lost.get(node.name),
    }


def _p99(parts: Sequence[Any]) -> float | None:
    values = np.concatenate(list(chain(parts, [np.empty(0)])))
    return float(np.quantile(values, 0.99)) if len(values) else None
