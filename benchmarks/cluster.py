"""How accurately several nodes measure together: TTFT errors and CPU per event of 1, 2 and 4 nodes of a Ray cluster.

The nodes are processes of this machine (`ray.cluster_utils`), so they share its cores with the emulator: what is
compared is what sharing, Ray and the merging cost, not what more machines bring. The same number of load workers sends
every load, from one node or dealt out to several, and also without Ray: more workers use more CPU per event wherever
they are, as each wakes for fewer of them.

    python benchmarks/cluster.py [--streams 64,256,512] [--nodes 1,2,4] [--workers 4] [--seconds 10] [--times 1]

Needs Ray (`pip install 'fmbench-lib[ray]'`). Fails where several nodes are more than 10% (and 0.05 ms, 2 µs) worse than
one, or one is than the same workers without Ray, a request is missing, or open loops are not sent as scheduled (as
`arrivals.py` judges). Figures are medians over `--times`.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import product
from pathlib import Path
from statistics import median
from typing import Any

import arrivals
from output import print_table, write_result

from fmbench_lib.calibration.measurement import Answers, Load, ledger_of, row_of, send
from fmbench_lib.config.ray_settings import RaySettings
from fmbench_lib.emulator import launch
from fmbench_lib.load.cluster.cluster_executor import ClusterExecutor
from fmbench_lib.load.cluster.ray_nodes import RayCluster, ray_cluster
from fmbench_lib.load.executor import Executor, OneMachine
from fmbench_lib.load.sending.engine import LevelRun
from fmbench_lib.load.sending.level import Level

RATES = (100.0, 1000.0)
STORE_BYTES = 80 << 20
WORSE = 1.10
NOISE_S, NOISE_CPU_S = 5e-5, 2e-6
COLUMNS = (
    ("load", "load"),
    ("sent_by", "sent by"),
    ("workers", "workers"),
    ("requests", "requests"),
    ("joined", "joined"),
    ("rate", "of ideal rate"),
    ("TTFT_error_p50_ms", "TTFT error p50 ms"),
    ("TTFT_error_p99_ms", "p99 ms"),
    ("ITL_error_mean_ms", "ITL error mean ms"),
    ("schedule_lag_p99_ms", "sent late p99 ms"),
    ("cpu_us", "CPU µs/event"),
    ("bound_ms", "clock bound ms"),
)


HERE = "without Ray"
IN_SUMMARY = ("TTFT_error_p50_ms", "TTFT_error_p99_ms", "cpu_us", "bound_ms")
SUMMARY = (("streams", "median of"), ("sent_by", "sent by"), *((name, dict(COLUMNS)[name]) for name in IN_SUMMARY))


class Workers(OneMachine):
    """This machine, with so many load workers."""

    def __init__(self, count: int) -> None:
        self.count = count

    def run(self, level: Level, *given: Any, **named: Any) -> LevelRun:
        """As `OneMachine.run`."""
        return super().run(replace(level, load=replace(level.load, workers=self.count)), *given, **named)


@contextmanager
def cluster_of(nodes: int, workers: int) -> Iterator[RayCluster]:
    """A Ray cluster of so many nodes on this machine, which share so many load workers."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    from ray.cluster_utils import Cluster

    node = {"num_cpus": 1, "object_store_memory": STORE_BYTES}
    cluster = Cluster(initialize_head=True, head_node_args={**node, "include_dashboard": False})
    try:
        for _ in range(nodes - 1):
            cluster.add_node(**node)
        with ray_cluster(RaySettings(cluster.address, nodes=nodes, workers_per_node=workers // nodes)) as joined:
            yield joined
    finally:
        cluster.shutdown()


def level(streams: int, seconds: float, executor: Executor, sent_by: str) -> dict[str, Any]:
    """The row of one level."""
    load, answers = Load(streams=streams), Answers()
    with tempfile.TemporaryDirectory() as folder, launch(answers.behaviour) as server:
        sent = send(load, server, answers, seconds, Path(folder), executor=executor)
        row = row_of(load, answers, sent.records(Path(folder)), sent, ledger_of(server))
    bounds = [node["clock_bound"] for node in row["nodes"] or ()]
    in_ms = ("TTFT_error_p50", "TTFT_error_p99", "ITL_error_mean", "schedule_lag_p99")
    return {
        **row,
        **{f"{name}_ms": 1000 * (row[name] or 0.0) for name in in_ms},
        "rate": f"{row['share_of_ideal']:.1%}",
        "cpu_us": 1e6 * (row["client_cpu_per_event"] or 0.0),
        "bound_ms": 1000 * max(bounds, default=0.0),
        "sent_by": sent_by,
    }


def middle(rows: Sequence[Mapping[str, Any]], streams: int, sent_by: str, name: str) -> float:
    """The median of a figure over the repeats of a level."""
    return median(row[name] or 0.0 for row in rows if (row["streams"], row["sent_by"]) == (streams, sent_by))


def summary(rows: Sequence[Mapping[str, Any]], streams: int, sent_by: str) -> dict[str, Any]:
    """The medians of a load's repeats."""
    medians = {name: middle(rows, streams, sent_by, name) for name in IN_SUMMARY}
    return {"streams": f"{streams} streams", "sent_by": sent_by, **medians}


def faults(rows: Sequence[Mapping[str, Any]], counts: Sequence[int]) -> list[str]:
    """What is worse from several nodes than from the fewest, or from these than without Ray."""
    found = [f"{row['load']}, {row['sent_by']}: requests missing" for row in rows if row["joined"] < row["requests"]]
    noise = {"TTFT_error_p50": NOISE_S, "TTFT_error_p99": NOISE_S, "client_cpu_per_event": NOISE_CPU_S}
    names = [HERE, *map(nodes_name, counts)]
    pairs = [(names[0], names[1]), *((names[1], name) for name in names[2:])]
    for streams, (than, name) in product(dict.fromkeys(row["streams"] for row in rows), pairs):
        for figure, least in noise.items():
            before, value = (middle(rows, streams, each, figure) for each in (than, name))
            if value > max(WORSE * before, before + least):
                found.append(f"{streams} streams, {name}: {figure} {value:.3g} s, {than}: {before:.3g} s")
    return found


def nodes_name(count: int) -> str:
    """What sends a level with Ray."""
    return f"{count} node{'s' if count > 1 else ''}"


def main(argv: Sequence[str]) -> int:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--streams", default="64,256,512")
    options.add_argument("--nodes", default="1,2,4")
    options.add_argument("--workers", type=int, default=4)
    options.add_argument("--seconds", type=float, default=10.0)
    options.add_argument("--times", type=int, default=1)
    given = options.parse_args(argv)
    loads, counts = ([int(each) for each in text.split(",")] for text in (given.streams, given.nodes))
    rows: list[dict[str, Any]] = []
    sent: list[dict[str, Any]] = []
    # In turns, as what else runs on the machine changes.
    for number, count in product(range(given.times), counts):
        with cluster_of(count, given.workers) as cluster:
            executors = {HERE: Workers(given.workers), nodes_name(count): ClusterExecutor(cluster)}
            for streams in loads:
                rows += [level(streams, given.seconds, executor, name) for name, executor in executors.items()]
            for name, executor in executors.items() if not number else ():
                found = arrivals.levels(given.seconds, RATES, executor=executor)
                sent += [{**row, "sent_by": name} for row in found]
    rows.sort(key=lambda row: (row["streams"], row["sent_by"]))
    print_table(COLUMNS, rows)
    print_table(SUMMARY, [summary(rows, *each) for each in product(loads, (HERE, *map(nodes_name, counts)))])
    print_table((("sent_by", "sent by"), *arrivals.COLUMNS), sent)
    late = [f"{row['sent_by']}, {row['arrival']} {row['rate']:g}/s: late" for row in sent if arrivals.wrong(row)]
    wrong = faults(rows, counts) + late
    print("; ".join(wrong) or "several nodes are as exact as one, and that as its workers without Ray")
    write_result("cluster", {"seconds": given.seconds, "levels": rows, "arrivals": sent, "wrong": wrong})
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
