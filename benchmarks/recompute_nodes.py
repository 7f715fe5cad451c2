"""The columns of a cluster's machines, from the records of their workers. Written from docs/metrics.md, "Columns"."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
from recompute_part import Part


def requests_by_node(part: Part) -> str | None:
    """What each machine sent and how late, as JSON; none where one machine sent."""
    machines = part.level.facts.get("nodes") or []
    worker = part.level.numbers("worker")
    counted: dict[str, dict[str, Any]] = {}
    for machine in machines:
        own = part.level.measured & np.isin(worker, machine["workers"])
        lost = machine["lost"]
        counted[machine["name"]] = {
            "requests": None if lost else int(own.sum()),
            "cpu": machine["cpu"],
            "schedule_lag_p99": None if lost else _p99(part, "schedule_lag", own),
            "client_lag_p99": None if lost else _p99(part, "client_lag", own),
            "lost": lost,
        }
    return json.dumps(counted) if machines else None


def node_clock_bound(part: Part) -> float:
    """The two largest bounds together, as they may lie on either side; 0 for a single machine."""
    bounds = sorted(machine["clock_bound"] for machine in part.level.facts.get("nodes") or [])
    return math.nan if not bounds else float(sum(bounds[-2:])) if len(bounds) > 1 else 0.0


def nodes(part: Part) -> float:
    """How many machines there were."""
    return len(part.level.facts.get("nodes") or []) or math.nan


def _p99(part: Part, name: str, own: Any) -> float | None:
    values = part.level.numbers(name)[own]
    values = values[~np.isnan(values)]
    return float(np.quantile(values, 0.99)) if len(values) else None
