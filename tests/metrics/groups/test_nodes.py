"""The machines of a cluster in a level's row and verdict."""

from __future__ import annotations

import json
import math
from typing import Any

from fmbench_lib.metrics.checks.node_checks import busy_nodes, lost_nodes, node_clocks
from fmbench_lib.metrics.groups.nodes import nodes
from fmbench_lib.metrics.thresholds import Thresholds
from fmbench_lib.metrics.verdict import verdict

LIMITS = Thresholds()


def counts(**changes: Any) -> dict[str, Any]:
    quiet = {"requests": 100, "cpu": 0.2, "schedule_lag_p99": 0.0001, "client_lag_p99": 0.0001, "lost": None}
    return {**quiet, **changes}


def row(**machines: dict[str, Any]) -> dict[str, Any]:
    return {"requests_by_node": json.dumps(machines), "TTFT_p50": 0.2, "nodes": len(machines)}


class _Sample:
    """What `nodes` reads of a sample."""

    def __init__(self, **facts: Any) -> None:
        self.facts = facts


def fact(name: str, bound: float) -> dict[str, Any]:
    return {"name": name, "host": "h", "workers": [0], "clock_offset": 0.05, "clock_bound": bound, **counts()}


def test_a_level_of_this_machine_alone_has_no_nodes() -> None:
    cells = nodes(_Sample(nodes=None))  # type: ignore[arg-type]
    assert math.isnan(cells["nodes"])  # type: ignore[arg-type]
    assert cells["requests_by_node"] is None
    assert math.isnan(cells["node_clock_bound"])  # type: ignore[arg-type]


def test_the_clocks_of_two_nodes_may_lie_apart_by_both_bounds() -> None:
    cells = nodes(_Sample(nodes=[fact("a", 0.001), fact("b", 0.003), fact("c", 0.002)]))  # type: ignore[arg-type]
    assert (cells["nodes"], cells["node_clock_bound"]) == (3, 0.005)
    assert json.loads(str(cells["requests_by_node"]))["b"] == counts()
    one = nodes(_Sample(nodes=[fact("a", 0.001)]))  # type: ignore[arg-type]
    assert one["node_clock_bound"] == 0.0  # there is no other clock to compare with


def test_a_lost_node_makes_a_level_invalid() -> None:
    judged = row(a=counts(), b=counts(requests=None, lost="its process was killed"))
    (finding,) = lost_nodes(judged, LIMITS)
    assert finding.verdict == "invalid"
    assert finding.client
    assert finding.reason.startswith("node b of 2 was lost (its process was killed), and its requests with it")
    assert verdict({"requests": 100, "successes": 100, **judged}).verdict == "invalid"


def test_the_node_that_is_overloaded_is_named_with_its_share() -> None:
    (busy,) = busy_nodes(row(a=counts(), b=counts(requests=300, cpu=0.97)), LIMITS)
    assert busy.reason == "node b, which sent 300 of the 400 requests, used 97% of a core: use more workers there"
    (late,) = busy_nodes(row(a=counts(schedule_lag_p99=0.03), b=counts()), LIMITS)
    assert "node a, which sent 100 of the 200 requests, sent 30 ms late at p99" in late.reason
    # 2 ms and 5% of a TTFT of 200 ms never count, and what was read late has the kernel's stamps.
    assert list(busy_nodes(row(a=counts(schedule_lag_p99=0.0099, client_lag_p99=0.5), b=counts()), LIMITS)) == []


def test_clocks_that_are_not_known_degrade_the_windows_edges() -> None:
    (finding,) = node_clocks({"node_clock_bound": 0.012}, LIMITS)
    assert finding.verdict == "degraded"
    assert "12 ms" in finding.reason
    assert list(node_clocks({"node_clock_bound": 0.0049}, LIMITS)) == []
    assert list(node_clocks({"node_clock_bound": math.nan}, LIMITS)) == []
