"""A Ray cluster as nodes that send levels: an actor on each, which Ray ends with the run.

Ray carries the questions and answers. It does not see a request: the actors start the load workers as processes of
their own. Nothing of Ray is imported before a cluster is joined.
"""

from __future__ import annotations

import contextlib
import math
import os
import socket
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from fmbench_lib import __version__
from fmbench_lib.config.ray_settings import RaySettings
from fmbench_lib.errors import InputError, NodeLostError, WorkerError
from fmbench_lib.load.cluster.node_agent import NodeAgent
from fmbench_lib.load.cluster.node_messages import NodeIdentity
from fmbench_lib.load.cluster.task_agent import TaskAgent

_ANSWER_S = 15.0
_LONG_ANSWER_S = 120.0
_LONG_QUESTIONS = ("prepare", "next_records")
"""Workers are given up after 30 s, a part is decoded within seconds: more than either takes."""
_HEAD_GONE_S = 300
_START_S = 60.0  # an actor's process imports this package
_LEAST_WAIT_S = 0.05
_CALLS_AT_ONCE = 4
_MOST_TASKS = 4  # at a time on one node: each may hold a level's records in memory
_CONNECT_S = 10.0
_LONGEST_REASON = 200
_HEAD = "node:__internal_head__"
_INSTALL = "load.executor: ray needs Ray: pip install 'fmbench-lib[ray]'"


@contextlib.contextmanager
def ray_cluster(settings: RaySettings) -> Iterator[RayCluster]:
    """Join a Ray cluster, and leave it at the end: its agents end with that, and their workers with them.

    Raises InputError where Ray is not installed, or no cluster answers at the address.
    """
    ray = _ray()
    address = settings.address
    _check_listening(address)
    try:
        ray.init(address=address, namespace="fmbench", log_to_driver=False, logging_level="error")
    except (ConnectionError, ValueError, RuntimeError, ray.exceptions.RayError) as error:
        raise _no_cluster(address, error) from None
    try:
        yield RayCluster(ray, settings)
    finally:
        ray.shutdown()


class RayCluster:
    """The nodes of a Ray cluster; an agent that is lost is started anew for the next level where its node is left."""

    def __init__(self, ray: Any, settings: RaySettings) -> None:
        self.workers_per_node = settings.workers_per_node
        self._ray = ray
        self._settings = settings
        self._agents: dict[str, RayNode] = {}
        # As `ray://` it has its own port, which the driver reaches.
        here = settings.address.startswith("ray://")
        self._head = settings.address if here else str(ray.get_runtime_context().gcs_address)

    def nodes(self) -> Sequence[RayNode]:
        """The nodes that a level can use now. Raises WorkerError where fewer are left than were asked for."""
        alive = self._alive()
        wanted = self._settings.nodes or len(alive)
        if len(alive) < wanted or not alive:
            raise WorkerError(f"load.ray.nodes: {wanted} were asked for, and the Ray cluster has {len(alive)}")
        agents = _answering({node_id: agent for node_id, agent in self._agents.items() if node_id in alive}, _ANSWER_S)
        untried = [node_id for node_id in alive if node_id not in agents]
        while len(agents) < wanted and untried:
            count = wanted - len(agents)
            agents |= _answering({node_id: self._start(alive[node_id]) for node_id in untried[:count]}, _START_S)
            untried = untried[count:]
        if len(agents) < (self._settings.nodes or 1):
            raise WorkerError(f"load.ray.nodes: {wanted} were asked for, and {len(agents)} of {len(alive)} answer")
        self._agents = {node_id: agents[node_id] for node_id in sorted(agents)[:wanted]}
        return list(self._agents.values())

    def task_workers(self) -> Sequence[RayTaskWorker]:
        """Processes for work without a clock: one for each core of a node, four at most.

        Raises WorkerError where no node is left.
        """
        alive = list(self._alive().values())[: self._settings.nodes]
        if not alive:
            raise WorkerError("the Ray cluster has no node for tasks")
        return [
            RayTaskWorker(self._ray, self._actor(TaskAgent, node, 1), str(node["NodeID"])[:8])
            for node in alive
            for _ in range(min(int(node["Resources"].get("CPU", 1)) or 1, _MOST_TASKS))
        ]

    def driver_host(self) -> str:
        """The address at which the nodes reach this machine."""
        return str(self._ray.util.get_node_ip_address())

    def share(self, value: Any) -> Any:
        """The value's reference: Ray's object store brings it to each node once."""
        return self._ray.put(value)

    def _check_head(self) -> None:
        """Raise WorkerError where the cluster's head is gone: Ray itself would ask it for minutes."""
        try:
            _connect(self._head)
        except OSError as error:
            why = error.strerror or str(error)
            raise WorkerError(
                f"load.ray.address: the head of the Ray cluster at {self._head} is gone ({why})"
            ) from None

    def _alive(self) -> dict[str, Mapping[str, Any]]:
        """The nodes that run, by id; without the head, where the placement says so. Raises WorkerError where the
        cluster's head is gone."""
        self._check_head()
        nodes = [node for node in self._ray.nodes() if node["Alive"]]
        if self._settings.placement == "no_head":
            nodes = [node for node in nodes if _HEAD not in node["Resources"]]
        return {node["NodeID"]: node for node in sorted(nodes, key=lambda node: str(node["NodeID"]))}

    def _start(self, node: Mapping[str, Any]) -> RayNode:
        """Start the agent of a node, which the node's load workers are processes of."""
        # What Ray was told that the node has: several nodes of a test are one machine.
        most_cores = int(node["Resources"].get("CPU", sys.maxsize)) or 1
        name, host = str(node["NodeID"])[:8], str(node["NodeManagerAddress"])
        return RayNode(self._ray, self._actor(NodeAgent, node, _CALLS_AT_ONCE), name, host, most_cores)

    def _actor(self, kind: type[NodeAgent] | type[TaskAgent], node: Mapping[str, Any], at_once: int) -> Any:
        """Start an agent on this node and no other. It takes none of the CPUs that Ray counts."""
        strategies = import_module("ray.util.scheduling_strategies")
        there = strategies.NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
        options = {"num_cpus": 0, "max_concurrency": at_once, "max_restarts": 0, "scheduling_strategy": there}
        return self._ray.remote(kind).options(**options).remote()


class RayNode:
    """The agent on one node. Its name begins the id that Ray gave the node."""

    def __init__(self, ray: Any, actor: Any, name: str, host: str, most_cores: int) -> None:
        self.name, self.host, self.cores = name, host, most_cores
        self._ray = ray
        self._actor = actor

    def ask(self, method: str, *arguments: Any) -> RayAnswer:
        """Call a method of the agent."""
        return self.ask_for(_LONG_ANSWER_S if method in _LONG_QUESTIONS else _ANSWER_S, method, *arguments)

    def ask_for(self, seconds: float, method: str, *arguments: Any) -> RayAnswer:
        """As `ask`, with so long for the answer from now on."""
        reference = getattr(self._actor, method).remote(*arguments)
        return RayAnswer(self._ray, reference, seconds, time.monotonic() + seconds)

    def give_up(self) -> None:
        """As `Node.give_up`: Ray kills its process as soon as it can reach it."""
        with contextlib.suppress(self._ray.exceptions.RayError, ValueError):
            self._ray.kill(self._actor)


@dataclass(frozen=True, slots=True)
class RayTaskWorker:
    """A process for tasks on a node. A task may take any time: Ray says when its process or node is gone."""

    ray: Any
    actor: Any
    name: str

    def call(self, method: str, *arguments: bytes) -> Any:
        """Call a method of its agent, and wait. Raises as `RayAnswer.get`."""
        return RayAnswer(self.ray, getattr(self.actor, method).remote(*arguments)).get()


@dataclass(frozen=True, slots=True)
class RayAnswer:
    """What a call will have returned: `seconds` after it was asked, by the monotonic time `until`; None: whenever."""

    ray: Any
    reference: Any
    seconds: float | None = None
    until: float = math.inf

    def get(self) -> Any:
        """Wait for it. Raises NodeLostError where the agent or its node is gone, else what the method raised."""
        errors = self.ray.exceptions
        try:
            # From when it was asked: many that hang are waited for together, not one after the other.
            left = None if self.seconds is None else max(_LEAST_WAIT_S, self.until - time.monotonic())
            return self.ray.get(self.reference, timeout=left)
        except errors.GetTimeoutError:
            raise NodeLostError(f"it did not answer within {self.seconds:g} s") from None
        except errors.RayTaskError as error:
            raise error.cause if isinstance(error.cause, Exception) else WorkerError(str(error)) from None
        except errors.RayError as error:
            raise NodeLostError(_reason(error)) from None


def _answering(agents: Mapping[str, RayNode], seconds: float) -> dict[str, RayNode]:
    """Those of these agents that answer within this time; the others are given up. Raises InputError where one has
    another version."""
    asked = {node_id: agent.ask_for(seconds, "identity") for node_id, agent in agents.items()}
    found = {}
    for node_id, answer in asked.items():
        agent = agents[node_id]
        try:
            identity: NodeIdentity = answer.get()
        except NodeLostError:
            agent.give_up()
            continue
        if identity.fmbench != __version__:
            raise InputError(
                f"node {agent.name} ({identity.host}) has fmbench-lib {identity.fmbench}, this machine "
                f"{__version__}: install the same version on all nodes"
            )
        agent.cores = min(agent.cores, identity.cores)
        found[node_id] = agent
    return found


def _check_listening(address: str) -> None:
    """Raise InputError where nothing listens at an address: Ray itself would try for minutes."""
    if address == "auto":
        return
    try:
        _connect(address)
    except (OSError, OverflowError) as error:
        raise _no_cluster(address, error) from None


def _connect(address: str) -> None:
    """Connect to an address of Ray's, once."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    socket.create_connection((host.strip("[]"), int(port)), _CONNECT_S).close()


def _no_cluster(address: str, error: Exception) -> InputError:
    why = " ".join(str(getattr(error, "strerror", None) or error).split()) or type(error).__name__
    why = why if len(why) <= _LONGEST_REASON else f"{why[:_LONGEST_REASON]}…"
    return InputError(f"load.ray.address: no Ray cluster at {address} ({why}); start one with `ray start --head`")


def _reason(error: Exception) -> str:
    """Why Ray lost an actor, in a line: its messages are many lines long."""
    if "its node has died" in " ".join(str(error).split()):
        return "its machine left the Ray cluster"
    return "its process or its machine died"


def _ray() -> Any:
    # Read when Ray is imported: a benchmark reports nothing to anyone, and shows no progress bars of others.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    # Ray kills this process when the head has been gone for so long; the level's end and `_check_head` come before.
    os.environ.setdefault("RAY_gcs_rpc_server_reconnect_timeout_s", str(_HEAD_GONE_S))
    try:
        return import_module("ray")
    except ImportError:
        raise InputError(_INSTALL) from None
