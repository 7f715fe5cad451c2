"""Whether the machines of a cluster spoil a level: one that was lost, is too busy, or whose clock is not known."""

from __future__ import annotations

from collections.abc import Iterator

from fmbench_lib.metrics.finding import MORE_WORKERS, Finding, in_seconds, time_scale
from fmbench_lib.metrics.groups.nodes import NodeCounts, node_counts
from fmbench_lib.metrics.missing import Row, number
from fmbench_lib.metrics.thresholds import Thresholds


def lost_nodes(row: Row, _limits: Thresholds) -> Iterator[Finding]:
    """Machines that were lost: the others sent less than the load that was asked for."""
    counted = node_counts(row)
    for node in counted:
        if node.lost is not None:
            reason = f"node {node.name} of {len(counted)} was lost ({node.lost}), and its requests with it"
            yield Finding("invalid", f"{reason}: measure again", client=True)


def busy_nodes(row: Row, limits: Thresholds) -> Iterator[Finding]:
    """Machines that did not keep up with their part; the check of the level as a whole sees only their share."""
    counted = node_counts(row)
    total = sum(node.requests or 0 for node in counted)
    for node in counted:
        why = _overloaded(node, row, limits)
        if why is not None and node.requests:
            share = f"which sent {node.requests} of the {total} requests"
            yield Finding("degraded", f"node {node.name}, {share}, {why}", client=True)


def node_clocks(row: Row, limits: Thresholds) -> Iterator[Finding]:
    """Clocks that are not known well enough to put the requests of several machines in one order."""
    bound = number(row, "node_clock_bound")
    if bound is not None and bound > limits.node_clock_bound:
        reason = f"the clocks of two nodes may differ by {in_seconds(bound)} after alignment"
        unsure = "the window's edges and the order of requests of different nodes are no better known"
        yield Finding("degraded", f"{reason}, so {unsure} (times of one request are): use nodes that are closer")


def _overloaded(node: NodeCounts, row: Row, limits: Thresholds) -> str | None:
    """Why a machine did not keep up, None where it did. Late reads alone say nothing: the kernel has stamped them."""
    if node.cpu is not None and node.cpu > limits.cpu_degraded:
        return f"used {node.cpu:.0%} of a core: {MORE_WORKERS} there"
    lag, scale = node.schedule_lag_p99, time_scale(row)
    if lag is None or scale is None or lag <= max(limits.lag_floor, limits.lag_degraded * scale[1]):
        return None
    return f"sent {in_seconds(lag)} late at p99: use less busy machines, or more of them"
