"""What a node's clock does to what is measured: clocks that are 50 ms off and 200 ppm fast, in a Ray cluster.

Of its four nodes one's monotonic clock is ahead and fast, another's behind and slow, and those of the other two are
this machine's: they are faked in all Python processes of a node. The emulator's ledger has the true times.

    python benchmarks/cluster_clocks.py [--ahead-ms 50] [--ppm 200] [--event-rate 5000] [--seconds 20]

Prints for each node what was planted, what was found of it and within which bound; how far its requests' TTFT is off,
and how far the times of their sending lie from the truth once they are on the driver's clock; and by how much the
window's edges miss the first and last measured request. Needs Ray. Fails where a time lies outside the bound (and
0.5 ms for the way to the emulator), a drift is off by more than twice the bound over the level, or the TTFT of a node
with a planted clock is off by more than that of the others (and 0.05 ms).
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from output import print_table, write_result

from fmbench_lib.calibration.measurement import Answers, Load, Sent, errors_of, ledger_of, send
from fmbench_lib.config.ray_settings import RaySettings
from fmbench_lib.emulator import LedgerEntry, launch
from fmbench_lib.load.cluster.cluster_executor import ClusterExecutor
from fmbench_lib.load.cluster.ray_nodes import RayCluster, ray_cluster
from fmbench_lib.metrics.statistics.accuracy import magnitude

FAKED_CLOCK = Path(__file__).parent / "faked_clock"
STORE_BYTES = 80 << 20
WAY_S, NOISE_S = 5e-4, 5e-5
NOTICED_S = 0.01  # a worker sees that nothing is left to send when it next wakes
COLUMNS = (
    ("node", "node"), ("requests", "requests"), ("planted_ms", "planted ms"), ("found_ms", "found ms"),
    ("bound_ms", "bound ms"), ("planted_ppm", "planted ppm"), ("found_ppm", "found ppm"),
    ("ttft_p50_ms", "TTFT error p50 ms"), ("ttft_p99_ms", "p99 ms"), ("sent_p50_ms", "sent off by p50 ms"),
    ("sent_most_ms", "most ms"),
)  # fmt: skip


@contextmanager
def cluster_of(clocks: Sequence[tuple[float, float]], since_ns: int) -> Iterator[tuple[RayCluster, list[str]]]:
    """A Ray cluster with nodes whose clocks are by so many ms ahead and ppm fast, and the ids that Ray gives them."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    from ray.cluster_utils import Cluster

    node = {"num_cpus": 1, "object_store_memory": STORE_BYTES}
    cluster = Cluster(initialize_head=True, head_node_args={**node, "include_dashboard": False})
    nodes = [cluster.head_node]
    try:
        for ahead_ms, ppm in clocks[1:]:
            planted = json.dumps([round(ahead_ms * 1e6), ppm, since_ns])
            faked = {"FAKED_MONOTONIC": planted, "PYTHONPATH": str(FAKED_CLOCK)} if (ahead_ms, ppm) != (0, 0) else {}
            nodes.append(cluster.add_node(**node, env_vars=faked))
        with ray_cluster(RaySettings(cluster.address, nodes=len(clocks), workers_per_node=1)) as joined:
            yield joined, [each.node_id[:8] for each in nodes]
    finally:
        cluster.shutdown()


def row_of(
    clock: tuple[float, float], facts: Mapping[str, Any], records: pd.DataFrame, sent: Sent, since_ns: int,
    ledger: Mapping[str, LedgerEntry],
) -> dict[str, Any]:  # fmt: skip
    """What came of a node's clock."""
    own = records[records["worker"].isin(facts["workers"])]
    errors = errors_of(own, ledger)
    true_ns = own["request_id"].map({name: entry.received_ns for name, entry in ledger.items()})
    off_s = own["sent"].to_numpy() - true_ns.to_numpy() / 1e9
    (ahead_ms, ppm), passed_ms = clock, (sent.run.begin_ns - since_ns) / 1e6
    return {
        "node": facts["name"], "requests": len(own), "planted_ms": ahead_ms + passed_ms * ppm / 1e6,
        "found_ms": -1000 * facts["clock_offset"], "bound_ms": 1000 * facts["clock_bound"], "planted_ppm": ppm,
        "found_ppm": facts["clock_drift_ppm"],
        "ttft_p50_ms": 1000 * (magnitude(errors.ttft, 0.5) or 0),
        "ttft_p99_ms": 1000 * (magnitude(errors.ttft, 0.99) or 0),
        "sent_p50_ms": 1000 * float(np.median(off_s)), "sent_most_ms": 1000 * float(off_s[np.abs(off_s).argmax()]),
    }  # fmt: skip


def faults(rows: Sequence[Mapping[str, Any]], edges_ms: Sequence[float], seconds: float) -> list[str]:
    """What is not as it should be."""
    found = []
    still = max(row["ttft_p50_ms"] for row in rows if not row["planted_ppm"])
    for row in rows:
        bound = row["bound_ms"]
        # Read a moment before the level began, in which a fast clock moves by microseconds.
        if abs(row["found_ms"] - row["planted_ms"]) > bound + 0.2 or abs(row["sent_p50_ms"]) > bound + 1000 * WAY_S:
            found.append(f"{row['node']}: its times are off by more than the bound")
        if abs(row["found_ppm"] - row["planted_ppm"]) > 2 * bound * 1000 / seconds:
            found.append(f"{row['node']}: its drift is off")
        if row["ttft_p50_ms"] > still + 1000 * NOISE_S:
            found.append(f"{row['node']}: its TTFT is off by {row['ttft_p50_ms']:.3f} ms")
    (begin_ms, end_ms), allowed = edges_ms, max(row["bound_ms"] for row in rows) + 1000 * WAY_S
    if abs(begin_ms) > allowed or not -allowed < end_ms < allowed + 1000 * NOTICED_S:
        found.append("the window is off by more than the bound")
    return found


def level(
    given: argparse.Namespace, clocks: Sequence[tuple[float, float]]
) -> tuple[list[dict[str, Any]], tuple[float, float]]:
    """The rows of a level's nodes, and by how many ms its window begins and ends after the truth."""
    answers, since_ns = Answers(), time.monotonic_ns()
    with (
        cluster_of(clocks, since_ns) as (cluster, names),
        tempfile.TemporaryDirectory() as folder,
        launch(answers.behaviour) as server,
    ):
        executor = ClusterExecutor(cluster)
        sent = send(Load(event_rate=given.event_rate), server, answers, given.seconds, Path(folder), executor=executor)
        ledger, records = ledger_of(server), sent.records(Path(folder))
    measured = records[records["phase"] == "measured"]
    nodes = {facts["name"]: facts for facts in sent.run.nodes}
    rows = [
        row_of(clock, nodes[name], measured, sent, since_ns, ledger) for clock, name in zip(clocks, names, strict=True)
    ]
    received = [ledger[each].received_ns / 1e9 for each in measured["request_id"]]
    begin, end = sent.window
    return rows, (1000 * (begin - min(received)), 1000 * (end - max(received)))


def main(argv: Sequence[str]) -> int:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--ahead-ms", type=float, default=50.0)
    options.add_argument("--ppm", type=float, default=200.0)
    options.add_argument("--event-rate", type=float, default=5000.0)
    options.add_argument("--seconds", type=float, default=20.0)
    given = options.parse_args(argv)
    clocks = [(0.0, 0.0), (given.ahead_ms, given.ppm), (-given.ahead_ms, -given.ppm), (0.0, 0.0)]
    rows, edges_ms = level(given, clocks)
    print_table(COLUMNS, rows)
    print(
        "the window begins {:+.3f} ms after the first request arrived, and ends {:+.3f} ms after the last".format(
            *edges_ms
        )
    )
    wrong = faults(rows, edges_ms, given.seconds)
    print("; ".join(wrong) or "no latency changes, and the window is right within the bound")
    write_result("cluster_clocks", {"options": vars(given), "nodes": rows, "edges_ms": edges_ms, "wrong": wrong})
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
