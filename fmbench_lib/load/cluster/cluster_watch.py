"""A level on a cluster while it runs: begun on all nodes at one moment, watched, and stopped."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from fmbench_lib.errors import NodeLostError
from fmbench_lib.load.cluster.clock_offsets import NodeClock, Offset, measure
from fmbench_lib.load.cluster.node import Node
from fmbench_lib.load.cluster.node_messages import NodeStatus
from fmbench_lib.load.cluster.shared_level import SharedLevel
from fmbench_lib.load.sending.early_stop import Stop, Watch
from fmbench_lib.load.sending.engine import GRACE_S, Progress

_START_DELAY_NS = 250_000_000
_START_DELAY_PER_NODE_NS = 2_000_000
_LOOK_S = 0.1
_LOOK_PER_NODE_S = 0.001
_ASKED_AT_ONCE = 8
"""Clocks that are read at the same time: more of them would only wait for each other."""


def read_clocks(shared: SharedLevel, clock: Callable[[], int] = time.monotonic_ns) -> None:
    """Measure the offset of each node's clock: before the level, or again after it. `clock` is the driver's."""
    nodes = shared.nodes

    def offset(node: Node) -> Offset | None:
        try:
            return measure(lambda: node.ask("clock").get(), clock)
        except NodeLostError as error:
            nodes.lose_silent(node, error)
            return None

    left = nodes.left
    with ThreadPoolExecutor(_ASKED_AT_ONCE) as pool:
        for node, measured in zip(left, pool.map(offset, left), strict=True):
            if measured is not None:
                before = shared.clocks.get(node.name)
                shared.clocks[node.name] = NodeClock(measured) if before is None else replace(before, after=measured)


def begin(shared: SharedLevel) -> None:
    """Let the workers of all nodes begin at one moment. Raises WorkerError where a node is lost before it."""
    keys, delay = shared.keys.news(), _START_DELAY_NS + _START_DELAY_PER_NODE_NS * len(shared.nodes.all)
    shared.nodes.check_none_lost()
    shared.begin_ns = time.monotonic_ns() + delay
    shared.nodes.ask("go", lambda node: (shared.clocks[node.name].to_node(shared.begin_ns), keys))


def watch_nodes(
    shared: SharedLevel,
    progress: Progress,
    on_progress: Callable[[Progress], object],
    stop_now: Callable[[], Stop | None],
) -> Stop | None:
    """Watch the nodes until all have ended. Returns why they were told to stop, if they were.

    A node that is lost ends the level: what the others would measure from then on is another load. Where `stop_now`
    gives a reason, what is in flight has ten seconds to end.
    """
    watching = _Watching(shared, progress)
    while not watching.over():
        watching.look()
        on_progress(progress)
        watching.asked(stop_now(), time.monotonic())
    return watching.why


class _Watching:
    """What the driver knows of a level that runs."""

    def __init__(self, shared: SharedLevel, progress: Progress) -> None:
        self.why: Stop | None = None
        self._shared, self._progress = shared, progress
        self._watch = Watch(shared.level)
        self._seen: dict[str, NodeStatus] = {}
        self._told = self._window_known = False
        self._cut_at = math.inf
        self._wait = _LOOK_S + _LOOK_PER_NODE_S * len(shared.nodes.all)

    def over(self) -> bool:
        """Whether every node that is left has ended."""
        left = self._shared.nodes.left
        return all(node.name in self._seen and self._seen[node.name].ended for node in left)

    def look(self) -> None:
        """Hear how far the nodes are, and tell them what follows from it."""
        nodes = self._shared.nodes
        heard: Mapping[str, NodeStatus] = nodes.ask("status", lambda _: (self._wait,))
        self._seen.update(heard)
        for node in nodes.left:
            if (failure := heard[node.name].failure) is not None:
                nodes.lose(node, failure)
        self._count()
        keys = self._shared.keys.news()
        if keys is not None:
            nodes.ask("give_keys", lambda _: (keys,))
        self._spread_window_start(heard)
        self._watch_for_end(heard)

    def asked(self, stop: Stop | None, now: float) -> None:
        """The level is to end for this reason, None for none: nothing more is sent, later what is in flight is cut."""
        if stop is not None and self._cut_at == math.inf and self.why != stop:
            self._cut_at = now + GRACE_S
            if not self._told:
                self._end(stop)
        if now > self._cut_at:
            self.why, self._cut_at = stop or self.why, math.inf
            self._shared.nodes.ask("cut")

    def _end(self, why: Stop | None) -> None:
        self.why, self._told = why, True
        self._shared.nodes.ask("stop")

    def _count(self) -> None:
        """What was heard of all nodes; of a lost one, the last."""
        seen, progress = self._seen.values(), self._progress
        progress.sent = sum(status.sent for status in seen)
        progress.done = sum(status.done for status in seen)
        progress.errors = sum(status.errors for status in seen)
        progress.in_flight = sum(status.in_flight for status in seen)

    def _spread_window_start(self, heard: Mapping[str, NodeStatus]) -> None:
        """Tell all nodes when the first measured request was due, as the end of a closed loop's time follows it."""
        if self._window_known:
            return
        clocks = self._shared.clocks
        known = [(name, status.window_start_ns) for name, status in heard.items() if status.window_start_ns]
        if known:
            start = min(clocks[name].to_driver(start_ns) for name, start_ns in known)
            self._shared.nodes.ask("window_starts", lambda node: (clocks[node.name].to_node(start),))
            self._window_known = True

    def _watch_for_end(self, heard: Mapping[str, NodeStatus]) -> None:
        """Stop all nodes where the level should end, one of them is lost, or has sent its part of a closed loop."""
        if self._told:
            return
        for status in heard.values():
            self._watch.learn(status.latencies)
        elapsed = time.monotonic() - self._progress.begun
        why = self._stop_for_lost() or self._watch.look(elapsed, self._progress)
        if why is not None or any(status.exhausted for status in heard.values()):
            self._end(why)

    def _stop_for_lost(self) -> Stop | None:
        lost = self._shared.nodes.lost
        if not lost:
            return None
        return Stop("node_lost", "; ".join(f"{name}: {reason}" for name, reason in lost.items()))
