"""Hundreds of nodes and a million streams, as far as the driver is concerned: its time and memory for one level.

The driver's own code lays the level out, deals it to the nodes, reads their clocks, watches them, and merges what they
bring back. The nodes are virtual: they answer at once, in virtual time, from the part that they were given, with clocks
that are up to 50 ms and 200 ppm off. So what is measured is what a driver does however many machines there are; what
the messages cost on the way is added on paper, from one that was measured (MESSAGE_S) and a bandwidth.

    python benchmarks/cluster_simulation.py [--nodes 10,100,1000] [--streams 1000000] [--requests 1000000]

Each case runs in a process of its own; its seconds are those of the CPU. Fails if a request is missing or there twice,
or if merged sends are out of step.
"""

from __future__ import annotations

import argparse
import json
import pickle
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from output import print_table, write_result

from fmbench_lib.config.schema.load_section import LoadSection, load_settings
from fmbench_lib.config.schema.stop_rule import StopRule
from fmbench_lib.load.cluster.cluster_executor import ClusterExecutor
from fmbench_lib.load.cluster.node_messages import CommonPart, NodePart, NodeStatus
from fmbench_lib.load.recording.recorder import Recorder, SentPrompt
from fmbench_lib.load.recording.records import RECORD_SCHEMA
from fmbench_lib.load.sending.level import Level
from fmbench_lib.load.sending.worker_protocol import End
from fmbench_lib.predictors.openai import OpenAiPredictor
from fmbench_lib.workspace import LevelKey

MESSAGE_S = 0.00055  # there and back through Ray, between processes of one machine
BYTES_PER_S = 1.25e9  # 10 Gbit/s, from the driver
WORKERS = 16  # on each node
LATENCY = 2.0
EVENTS = 20
LOOKS = 20  # in a level
LEVEL_NS = 60_000_000_000
URL = "http://10.0.0.9:8000/v1/chat/completions"
COLUMNS = (
    ("load", "load"),
    ("nodes", "nodes"),
    ("workers", "workers"),
    ("requests", "requests"),
    ("laid_out_s", "laid out s"),
    ("part_mb", "MB a node"),
    ("clocks_s", "clocks s"),
    ("look_ms", "a look ms"),
    ("merged_s", "merged s"),
    ("per_second", "records/s"),
    ("memory_mb", "memory MB"),
    ("before_s", "before s (paper)"),
)


@dataclass
class Ready:
    """An answer that is there already."""

    value: Any

    def get(self) -> Any:
        return self.value


@dataclass
class Virtual:
    """What the virtual nodes have in common: the CPU seconds that are theirs and not the driver's, and the driver's at
    the beginning of each of its phases."""

    theirs: float = 0.0
    passed_ns: int = 0
    marks: dict[str, float] = field(default_factory=dict)
    lock: Any = field(default_factory=threading.Lock)

    def add(self, seconds: float) -> None:
        """Some more of theirs."""
        with self.lock:
            self.theirs += seconds

    def clock(self) -> int:
        """The driver's clock: after the level it is a minute later, which has taken no time here."""
        return time.monotonic_ns() + self.passed_ns

    def mark(self, name: str) -> None:
        """The first question of a kind begins a phase of the driver's."""
        self.marks.setdefault(name, time.process_time() - self.theirs)


@dataclass
class VirtualNode:
    """A node that has sent what it was given, at the times that the order says."""

    virtual: Virtual
    number: int
    cores: int = WORKERS + 1
    host: str = "10.0.0.1"
    looks: int = 0

    def __post_init__(self) -> None:
        self.name = f"node-{self.number:04d}"
        self.offset_ns = (self.number % 101 - 50) * 1_000_000
        self.drift = (self.number % 41 - 20) * 1e-5

    def ask(self, method: str, *arguments: Any) -> Ready:
        self.virtual.mark(method)
        begun = time.thread_time()
        value = getattr(self, f"on_{method}")(*arguments)
        self.virtual.add(time.thread_time() - begun)
        return Ready(value)

    def clock_at(self, driver_ns: float) -> int:
        return round(driver_ns * (1 + self.drift)) + self.offset_ns

    def on_prepare(self, common: CommonPart, part: NodePart) -> None:
        self.common, self.part = common, part

    def on_clock(self) -> tuple[int, int]:
        now = self.clock_at(self.virtual.clock())
        return now, now

    def on_go(self, begin_ns: int, keys: bytes | None) -> int:
        self.begin_ns = begin_ns
        return begin_ns

    def on_status(self, wait_s: float) -> NodeStatus:
        self.looks += 1
        done = len(self.part.entries) * min(self.looks / LOOKS, 1.0)
        if self.looks == LOOKS:
            self.virtual.passed_ns = LEVEL_NS
        return NodeStatus(int(done), int(done), 0, 0, ended=self.looks >= LOOKS)

    def on_ends(self) -> list[End]:
        first, last = self.begin_ns, self.begin_ns + LEVEL_NS
        return [
            {
                "event": "end",
                "sent": 1,
                "done": 1,
                "errors": 0,
                "stopped_ns": last,
                "out_of_time": False,
                "told": False,
                "overran": False,
                "first_due_ns": first,
                "last_sent_ns": last,
                "cpu": 0.2,
                "clock_samples": [(first, first), (last, last)],
                "suspensions": [],
            }
            for _ in self.part.workers
        ]

    def on_sent(self) -> int:
        return int(self.part.entries["position"].max()) + 1 if len(self.part.entries) else 0

    def on_next_records(self) -> bytes | None:
        if not len(self.part.entries):
            return None
        table, self.part = records_of(self.part, self.begin_ns), NodePart(self.part.workers, self.part.entries[:0])
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, table.schema) as writer:
            writer.write_table(table)
        content: bytes = sink.getvalue().to_pybytes()
        return content

    def on_clear(self) -> None:
        return None


def records_of(part: NodePart, begin_ns: int) -> pa.Table:
    """Records of what a node was given: each sent when it was due, with events at equal gaps."""
    entries, count = part.entries, len(part.entries)
    due = begin_ns / 1e9 + entries["due"]
    worker = entries["position"].astype(np.int64) % len(part.workers)
    events = due[:, None] + np.linspace(0.1, LATENCY, EVENTS)
    columns: dict[str, Any] = {
        "request_id": pa.array([f"level-{position}" for position in entries["position"]]),
        "phase": pa.array(["measured"] * count),
        "worker": pa.array(worker, pa.int32()),
        "due": due,
        "sent": due,
        "first": events[:, 0],
        "last": events[:, -1],
        "end": events[:, -1],
        "event_times": pa.ListArray.from_arrays(
            pa.array(np.arange(count + 1, dtype=np.int32) * EVENTS), pa.array(events.ravel())
        ),
        "client_lag": np.full(count, 1e-4),
        "schedule_lag": np.full(count, 1e-4),
    }
    made = [
        pa.array(columns[name.name], name.type) if name.name in columns else pa.nulls(count, name.type)
        for name in RECORD_SCHEMA
    ]
    return pa.Table.from_arrays(made, schema=RECORD_SCHEMA)


@dataclass
class VirtualCluster:
    """Such nodes; what is shared is pickled once, as it is for an object store."""

    all: Sequence[VirtualNode]
    shared_bytes: int = 0
    workers_per_node: int | None = WORKERS

    def nodes(self) -> Sequence[VirtualNode]:
        return self.all

    def share(self, value: Any) -> Any:
        self.shared_bytes = len(pickle.dumps(value))
        return value


def level_of(streams: int | None, requests: int) -> Level:
    """A closed loop of so many streams, or an open one that sends the requests in a minute."""
    load = load_settings(LoadSection(prompt_reuse="allowed", warmup_requests=0))
    warmup = tuple(number % 100 for number in range(streams or 0))
    return Level(
        urls=(URL,),
        warmup=warmup,
        measured=tuple(range(100)),
        seed="simulation",
        load=load,
        stop=StopRule(requests=requests),
        concurrency=streams,
        request_rate=None if streams else requests / 60,
    )


def case(nodes: int, streams: int | None, requests: int) -> dict[str, Any]:
    """One level, sent by virtual nodes; returns its row."""
    virtual = Virtual()
    cluster = VirtualCluster([VirtualNode(virtual, number) for number in range(nodes)])
    predictor = OpenAiPredictor(URL, "m")
    prompts = [SentPrompt(f"p{number}", 100) for number in range(100)]
    recorder = Recorder(predictor, prompts, (URL,), LevelKey("e", "p", "l"), None)
    level = level_of(streams, requests)
    executor = ClusterExecutor(cluster, virtual.clock)
    encoded = (predictor.encode("word " * 400) for _ in range(100))
    with tempfile.TemporaryDirectory() as name:
        begun = time.process_time()
        run = executor.run(level, encoded, Path(name), recorder)
        ended = time.process_time() - virtual.theirs
        positions, dues = merged(executor, recorder, run, Path(name))
    marks = virtual.marks
    merged_s = ended - marks["ends"]
    part = cluster.shared_bytes + len(pickle.dumps(cluster.all[0].part)) + 16 * len(positions) / nodes
    messages = nodes * (1 + 80 / 8 + 1)  # prepare, clocks (eight nodes at a time), go
    return {
        "load": f"{streams:,} streams" if streams else f"{requests / 60:,.0f} requests/s",
        "nodes": nodes,
        "workers": nodes * WORKERS,
        "requests": len(positions),
        "laid_out_s": marks["prepare"] - begun,
        "part_mb": part / 1e6,
        "clocks_s": marks["go"] - marks["clock"],
        "look_ms": 1000 * (marks["ends"] - marks["status"]) / LOOKS,
        "merged_s": merged_s,
        "per_second": len(positions) / merged_s,
        "memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "before_s": messages * MESSAGE_S + nodes * part / BYTES_PER_S,
        "wrong": faults(positions, dues, streams, requests),
    }


def merged(executor: ClusterExecutor, recorder: Recorder, run: Any, folder: Path) -> tuple[Any, Any]:
    """The positions of all records, and their due times less that of the first (s), in order of position."""
    ids, dues = [], []
    for table in executor.tables(recorder, run, folder):
        ids += [int(name.rpartition("-")[2]) for name in table["request_id"].to_pylist()]
        dues.append(table["due"].to_numpy())
    positions, due = np.array(ids), np.concatenate(dues)
    order = np.argsort(positions)
    return positions[order], due[order] - due.min()


def faults(positions: Any, dues: Any, streams: int | None, requests: int) -> list[str]:
    """What is wrong with the merged level."""
    found = []
    first = streams or 0  # what the slots send first is not in the order
    if not np.array_equal(positions, np.arange(first, first + requests)):
        found.append("a request is missing or there twice")
    if streams is None and (np.diff(dues) < -0.001).any():
        found.append("sends of different nodes are out of step by more than 1 ms")
    return found


def in_own_process(nodes: int, streams: int | None, requests: int) -> dict[str, Any]:
    """The row of a case, measured in a process of its own."""
    command = [sys.executable, __file__, "--case", json.dumps([nodes, streams, requests])]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    row: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return row


def main(argv: Sequence[str]) -> int:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--nodes", default="10,100,1000")
    options.add_argument("--streams", type=int, default=1_000_000)
    options.add_argument("--requests", type=int, default=1_000_000)
    options.add_argument("--case", help=argparse.SUPPRESS)
    given = options.parse_args(argv)
    if given.case:
        print(json.dumps(case(*json.loads(given.case))))
        return 0
    loads: list[tuple[int | None, int]] = [(None, given.requests), (given.streams, given.requests)]
    counts = [int(count) for count in given.nodes.split(",")]
    rows = [in_own_process(nodes, streams, requests) for streams, requests in loads for nodes in counts]
    print_table(COLUMNS, rows)
    wrong = sorted({fault for row in rows for fault in row["wrong"]})
    print("; ".join(wrong) or "each request is there once, and all nodes are in step")
    write_result("cluster_simulation", {"levels": rows, "wrong": wrong})
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
