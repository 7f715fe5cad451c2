"""A level laid out for a cluster: as for one machine, and then each node's part of it."""

from __future__ import annotations

import ipaddress
import os
import tempfile
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from fmbench_lib.errors import InputError
from fmbench_lib.load.cluster.clock_offsets import NodeClock
from fmbench_lib.load.cluster.node import Cluster, Node, Nodes
from fmbench_lib.load.cluster.node_messages import CommonPart, NodePart
from fmbench_lib.load.cluster.sharing import entries_of_nodes, read_entries, workers_of_nodes
from fmbench_lib.load.recording.recorder import Recorder
from fmbench_lib.load.sending.engine import counts_requests
from fmbench_lib.load.sending.layout import Order, RequestWriter, addresses, prompt_count, write_order
from fmbench_lib.load.sending.level import Level
from fmbench_lib.load.sending.request_signing import Keys
from fmbench_lib.predictors.base import HttpRequest

_PROXY_VARIABLES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


@dataclass(slots=True)
class SharedLevel:
    """A level and the nodes that have it: the workers of each, by its name, and its clock once that is measured."""

    level: Level
    level_id: str
    order: Order
    keys: Keys
    nodes: Nodes
    workers: dict[str, tuple[int, ...]]
    clocks: dict[str, NodeClock] = field(default_factory=dict)
    begin_ns: int = 0
    """When it began, on the driver's clock."""


def hand_to_nodes(
    level: Level, requests: Iterable[HttpRequest], cluster: Cluster, folder: Path, recorder: Recorder
) -> SharedLevel:
    """Lay a level out, with its files in `folder`, and have the workers of all nodes ready to begin.

    Raises InputError for a level that cannot be sent from a cluster, WorkerError where a node is lost or cannot begin.
    """
    nodes = cluster.nodes()
    _check(level, nodes)
    workers = workers_of_nodes(_most_workers(level, cluster, nodes), level.max_in_flight)
    nodes, workers = nodes[: len(nodes) - workers.count(())], [each for each in workers if each]
    order = write_order(level, folder, 1)
    entries = entries_of_nodes(read_entries(order.files[0]), workers, level.concurrency)
    common, keys = _common_part(level, requests, folder, recorder, order, sum(map(len, workers)))
    parts = {node.name: NodePart(numbers, own) for node, numbers, own in zip(nodes, workers, entries, strict=True)}
    named = {node.name: numbers for node, numbers in zip(nodes, workers, strict=True)}
    shared = SharedLevel(level, common.level_id, order, keys, Nodes(nodes), named)
    handed = cluster.share(common)
    try:
        shared.nodes.ask("prepare", lambda node: (handed, parts[node.name]))
        shared.nodes.check_none_lost()
    except BaseException:
        shared.nodes.clear()
        raise
    return shared


def _check(level: Level, nodes: Sequence[Node]) -> None:
    """Raise InputError where a level needs something that is on this machine alone."""
    if level.script is not None:
        raise InputError("load.executor: ray cannot call user scripts; write load.executor: local")
    if level.load.until is not None and level.load.until.measure == "TTFT":
        raise InputError("load.until: with load.executor: ray write it of latency, such as ci_p95 < 5%")
    hosts = {node.host for node in nodes}
    here = [entry["host"] for entry in addresses(level.urls) if _is_loopback(entry["host"])]
    if here and len(hosts) > 1:
        raise InputError(f"{here[0]} is another machine on each node of the cluster: give an address that all reach")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _most_workers(level: Level, cluster: Cluster, nodes: Sequence[Node]) -> list[int]:
    """How many workers each node may have. A single one counts what its node has in flight, see `counts_requests`."""
    each = cluster.workers_per_node
    if each is None and counts_requests(level):
        each = 1
    return [max(node.cores - 1, 1) if each is None else each for node in nodes]


def _common_part(
    level: Level, requests: Iterable[HttpRequest], folder: Path, recorder: Recorder, order: Order, workers: int
) -> tuple[CommonPart, Keys]:
    index = folder / "prompts.idx"
    with tempfile.TemporaryFile(dir=folder) as prompts:  # without a name, as requests hold keys
        writer = RequestWriter(prompts, index, requests, prompt_count(level))
        writer.write(prompt_count(level))
        prompts.seek(0)
        content = prompts.read()
    keys = Keys(writer.signing)
    bundle = level.load.ca_bundle
    common = CommonPart(
        level=replace(level, load=replace(level.load, trace=None)),
        level_id=level.level_id or uuid.uuid4().hex[:12],
        requests=content,
        index=index.read_bytes(),
        recorder=recorder,
        workers=workers,
        horizon=order.horizon,
        reason=order.reason,
        signing=keys.settings,
        proxies={name: value for name, value in os.environ.items() if name.lower() in _PROXY_VARIABLES},
        ca_bundle=None if bundle is None else Path(bundle).read_bytes(),
    )
    return common, keys
