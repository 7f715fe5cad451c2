"""The machines of a cluster that sent a level: what each sent, how late it was, and how its clock stands."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fmbench_lib.metrics.columns import Cells, Column
from fmbench_lib.metrics.level_sample import LevelSample
from fmbench_lib.metrics.missing import NAN, Row, text

NODES = (
    Column("nodes", "", "whole number", "machines of a cluster that sent the level; empty where it was the client's"),
    Column(
        "requests_by_node",
        "",
        "text",
        "measured requests of each machine, its busiest worker's CPU, the p99 of its lags (s), and why it was lost, as "
        'JSON: `{"4f2a91c0": {"requests": 90, "cpu": 0.4, "schedule_lag_p99": 0.0002, "client_lag_p99": 0.0001, '
        '"lost": null}}`',
    ),
    Column(
        "node_clock_bound",
        "s",
        "number",
        "how far the times of one machine may lie from those of another: bound of the clocks' measured difference",
    ),
)

_COUNTED = ("requests", "cpu", "schedule_lag_p99", "client_lag_p99", "lost")


@dataclass(frozen=True, slots=True)
class NodeCounts:
    """What one machine did of a level, as `NodeFacts` has it."""

    name: str
    requests: int | None
    cpu: float | None
    schedule_lag_p99: float | None
    client_lag_p99: float | None
    lost: str | None


def nodes(sample: LevelSample) -> Cells:
    """The columns `NODES`."""
    machines: list[Mapping[str, Any]] = sample.facts.get("nodes") or []
    if not machines:
        return {"nodes": NAN, "requests_by_node": None, "node_clock_bound": NAN}
    counted = {str(machine["name"]): {name: machine[name] for name in _COUNTED} for machine in machines}
    bounds = sorted((float(machine["clock_bound"]) for machine in machines), reverse=True)
    return {
        "nodes": len(machines),
        "requests_by_node": json.dumps(counted),
        "node_clock_bound": sum(bounds[:2]) if len(bounds) > 1 else 0.0,
    }


def node_counts(row: Row) -> list[NodeCounts]:
    """The column `requests_by_node` of a row, by machine; empty where there is no cluster."""
    counted: Mapping[str, Mapping[str, Any]] = json.loads(text(row, "requests_by_node") or "{}")
    return [NodeCounts(name, **each) for name, each in counted.items()]
