"""What is asked of Ray and made of its answers: by a stand-in of its few functions, and of a cluster in the last tests.

The stand-in does no more than Ray's documentation says of what is called here.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

from fmbench_lib.config.ray_settings import RaySettings
from fmbench_lib.emulator import Emulator
from fmbench_lib.errors import InputError, NodeLostError, WorkerError
from fmbench_lib.load.cluster import ray_nodes
from fmbench_lib.load.cluster.node_agent import NodeAgent
from fmbench_lib.load.cluster.ray_nodes import RayCluster, ray_cluster


class RayError(Exception):
    """Base of what Ray raises."""


class RayTaskError(RayError):
    def __init__(self, cause: Exception) -> None:
        super().__init__(f"traceback of {cause}")
        self.cause = cause


class GetTimeoutError(RayError):
    pass


class ActorDiedError(RayError):
    pass


class StandIn:
    """Ray with nodes of these ids; `remote` makes actors that live here."""

    exceptions = SimpleNamespace(RayError=RayError, RayTaskError=RayTaskError, GetTimeoutError=GetTimeoutError)

    def __init__(self, *ids: str) -> None:
        self.alive = dict.fromkeys(ids, True)
        self.started: list[str] = []
        self.killed: list[str] = []
        self.head = "10.0.0.0:6379"
        self.answers: Callable[[str], Callable[[], Any]] | None = None
        self.calls: dict[str, Callable[[], Any]] = {}

    def get_runtime_context(self) -> Any:
        return SimpleNamespace(gcs_address=self.head)

    def nodes(self) -> list[dict[str, Any]]:
        head = {"node:__internal_head__": 1.0}
        return [
            {
                "NodeID": node,
                "Alive": alive,
                "NodeManagerAddress": f"10.0.0.{number}",
                "Resources": {"CPU": 4.0, **(head if number == 0 else {})},
            }
            for number, (node, alive) in enumerate(self.alive.items())
        ]

    def get(self, reference: Callable[[], Any], timeout: float) -> Any:
        assert timeout > 0
        return reference()

    def kill(self, actor: Any) -> None:
        self.killed.append(actor.node)

    def put(self, value: Any) -> Any:
        return ("reference", value)

    def remote(self, agent: type[NodeAgent]) -> Any:
        def options(scheduling_strategy: Any, **given: Any) -> Any:
            assert given["num_cpus"] == 0
            return SimpleNamespace(remote=lambda: self._actor(agent, scheduling_strategy.node_id))

        return SimpleNamespace(options=options)

    def _actor(self, agent: type[NodeAgent], node: str) -> Any:
        self.started.append(node)
        made = agent()

        def method(name: str) -> Any:
            def call(*arguments: Any) -> Any:
                def answer() -> Any:
                    if not self.alive[node]:
                        raise ActorDiedError("The actor died unexpectedly before finishing this task.\n\tclass: Agent")
                    if name in self.calls:
                        return self.calls[name]()
                    if name == "identity" and self.answers is not None:
                        return self.answers(node)()
                    try:
                        return getattr(made, name)(*arguments)
                    except Exception as error:
                        raise RayTaskError(error) from error

                return answer

            return SimpleNamespace(remote=call)

        return type("Actor", (), {"node": node, "__getattr__": lambda _, name: method(name)})()


@pytest.fixture
def strategies(monkeypatch: pytest.MonkeyPatch) -> None:
    """The module of Ray's that says where an actor is to be, and a head that listens."""
    real = ray_nodes._connect
    monkeypatch.setattr(ray_nodes, "_connect", lambda address: None if "10.0.0.0" in address else real(address))
    found = SimpleNamespace(NodeAffinitySchedulingStrategy=lambda node_id, soft: SimpleNamespace(node_id=node_id))
    monkeypatch.setattr(ray_nodes, "import_module", lambda name: found)


pytestmark = pytest.mark.usefixtures("strategies")


def test_each_node_has_one_agent_for_all_levels() -> None:
    ray = StandIn("aaaaaaaaaaaa", "bbbbbbbbbbbb")
    cluster = RayCluster(ray, RaySettings())
    first, second = cluster.nodes(), cluster.nodes()
    assert [(node.name, node.host) for node in first] == [("aaaaaaaa", "10.0.0.0"), ("bbbbbbbb", "10.0.0.1")]
    assert list(first) == list(second)
    assert ray.started == ["aaaaaaaaaaaa", "bbbbbbbbbbbb"]
    assert all(1 <= node.cores <= 4 for node in first)


def test_the_next_level_is_sent_by_what_is_left_unless_a_number_was_asked_for() -> None:
    ray = StandIn("aaaaaaaaaaaa", "bbbbbbbbbbbb")
    every, two = RayCluster(ray, RaySettings()), RayCluster(ray, RaySettings(nodes=2))
    assert (len(every.nodes()), len(two.nodes())) == (2, 2)
    ray.alive["aaaaaaaaaaaa"] = False
    assert [node.name for node in every.nodes()] == ["bbbbbbbb"]
    with pytest.raises(WorkerError, match=r"load.ray.nodes: 2 were asked for, and the Ray cluster has 1"):
        two.nodes()


def test_a_head_that_is_gone_is_said() -> None:
    ray = StandIn("aaaaaaaaaaaa")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        ray.head = f"127.0.0.1:{listener.getsockname()[1]}"
        cluster = RayCluster(ray, RaySettings())
        assert len(cluster.nodes()) == 1
    with pytest.raises(WorkerError, match=r"the head of the Ray cluster at 127\.0\.0\.1:\d+ is gone \(Connection ref"):
        cluster.nodes()


def test_the_head_can_be_left_out() -> None:
    ray = StandIn("head", "bbbbbbbbbbbb", "cccccccccccc")
    cluster = RayCluster(ray, RaySettings(placement="no_head", nodes=1))
    assert [node.name for node in cluster.nodes()] == ["bbbbbbbb"]


def test_each_core_of_a_node_has_a_process_for_tasks_four_at_most() -> None:
    ray = StandIn("head", "bbbbbbbbbbbb")
    names = [worker.name for worker in RayCluster(ray, RaySettings(placement="no_head")).task_workers()]
    assert names == ["bbbbbbbb"] * 4
    assert len(RayCluster(ray, RaySettings(nodes=1)).task_workers()) == 4


def test_a_dead_agent_is_a_lost_node_and_a_fault_of_its_own_is_raised_as_it_was() -> None:
    ray = StandIn("aaaaaaaaaaaa")
    (node,) = RayCluster(ray, RaySettings()).nodes()
    with pytest.raises(WorkerError, match="this node has no level"):
        node.ask("go", 5).get()

    def silent() -> Any:
        raise GetTimeoutError

    ray.calls["status"] = silent
    with pytest.raises(NodeLostError, match="it did not answer within 15 s"):
        node.ask("status", 0.1).get()
    node.give_up()
    assert ray.killed == ["aaaaaaaaaaaa"]
    ray.alive["aaaaaaaaaaaa"] = False
    with pytest.raises(NodeLostError, match=r"its process or its machine died\Z"):
        node.ask("clock").get()

    def left() -> Any:
        raise ActorDiedError("The actor died because\nits node has died. Node Id: 4f")

    ray.alive["aaaaaaaaaaaa"] = True
    ray.calls["clock"] = left
    with pytest.raises(NodeLostError, match="its machine left the Ray cluster"):
        node.ask("clock").get()


def test_nodes_that_ray_has_and_that_do_not_answer_are_left_out() -> None:
    ray = StandIn("aaaaaaaaaaaa", "bbbbbbbbbbbb", "cccccccccccc")
    hung = "aaaaaaaaaaaa"

    def identity(node: str) -> Callable[[], Any]:
        def answer() -> Any:
            if node == hung:
                raise GetTimeoutError
            return NodeAgent().identity()

        return answer

    ray.answers = identity
    assert [node.name for node in RayCluster(ray, RaySettings()).nodes()] == ["bbbbbbbb", "cccccccc"]
    assert ray.killed == [hung]
    # Where fewer are wanted than there are, another takes its place.
    assert [node.name for node in RayCluster(ray, RaySettings(nodes=2)).nodes()] == ["bbbbbbbb", "cccccccc"]
    with pytest.raises(WorkerError, match=r"load.ray.nodes: 3 were asked for, and 2 of 3 answer"):
        RayCluster(ray, RaySettings(nodes=3)).nodes()


def test_another_version_on_a_node_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray_nodes, "__version__", "0.0.1")
    with pytest.raises(InputError, match=r"this machine 0\.0\.1: install the same version on all nodes"):
        RayCluster(StandIn("aaaaaaaaaaaa"), RaySettings()).nodes()


def test_without_ray_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> Any:
        raise ImportError(name)

    monkeypatch.setattr(ray_nodes, "import_module", missing)
    with (
        pytest.raises(InputError, match=r"load.executor: ray needs Ray: pip install 'fmbench-lib\[ray\]'"),
        ray_cluster(RaySettings()),
    ):
        pass


@pytest.mark.parametrize("error", [ConnectionError, RayError])  # the latter of a head that does not answer
def test_a_machine_without_a_cluster_is_said_in_one_line(
    monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    def refuse(**_: Any) -> None:
        raise error("Could not find any running Ray instance.\nPlease specify the one to connect to")

    monkeypatch.setattr(
        ray_nodes, "import_module", lambda name: SimpleNamespace(init=refuse, exceptions=StandIn.exceptions)
    )
    with pytest.raises(InputError) as caught, ray_cluster(RaySettings()):
        pass
    assert str(caught.value) == (
        "load.ray.address: no Ray cluster at auto (Could not find any running Ray instance. "
        "Please specify the one to connect to); start one with `ray start --head`"
    )


@pytest.mark.parametrize("form", ["127.0.0.1:{}", "ray://127.0.0.1:{}", "ray://localhost:{}"])
def test_where_nothing_listens_ray_is_not_asked(monkeypatch: pytest.MonkeyPatch, form: str) -> None:
    monkeypatch.setattr(ray_nodes, "import_module", lambda name: SimpleNamespace())
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = form.format(listener.getsockname()[1])
    with pytest.raises(InputError) as caught, ray_cluster(RaySettings(address)):
        pass
    assert str(caught.value).startswith(f"load.ray.address: no Ray cluster at {address} (Connection refused); ")


# -- a cluster of Ray's own on this machine, where it is installed ---------------------------------------------------

_CLUSTER = """
import os, sys, time
os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
from ray.cluster_utils import Cluster
node = {"num_cpus": 1, "object_store_memory": 80 << 20}
cluster = Cluster(initialize_head=True, head_node_args={**node, "include_dashboard": False})
added = [cluster.add_node(**node) for _ in range(1)]
print(cluster.address, flush=True)
for line in sys.stdin:
    cluster.remove_node(added.pop(), allow_graceful=False)
    print("removed", flush=True)
cluster.shutdown()
"""

_DRIVER = """
import sys, tempfile
from pathlib import Path
from fmbench_lib.config.ray_settings import RaySettings
from fmbench_lib.load.cluster.cluster_executor import ClusterExecutor
from fmbench_lib.load.cluster.ray_nodes import ray_cluster
from fmbench_lib.load.recording.recorder import Recorder, SentPrompt
from fmbench_lib.predictors.openai import OpenAiPredictor
from fmbench_lib.workspace import LevelKey
from tests.load.level_builder import make_level
address, url, seconds = sys.argv[1:]
predictor = OpenAiPredictor(url, "m")
level = make_level([url], range(4), range(4, 12), concurrency=4, duration=float(seconds), prompt_reuse="allowed")
recorder = Recorder(predictor, [SentPrompt(f"p{n}", 3) for n in range(12)], [url], LevelKey("e", "p", "l"), None)
said = []
def progress(seen):
    if seen.done > 20 and not said:
        said.append(True)
        print("sending", flush=True)
with ray_cluster(RaySettings(address)) as cluster, tempfile.TemporaryDirectory() as folder:
    executor = ClusterExecutor(cluster)
    run = executor.run(level, (predictor.encode(f"Q {n}?") for n in range(12)), Path(folder), recorder, progress)
    rows = sum(table.num_rows for table in executor.tables(recorder, run, Path(folder)))
    print(run.stop_reason, rows > 20, [node["lost"] for node in run.nodes], flush=True)
"""


@pytest.fixture
def two_nodes() -> Iterator[subprocess.Popen[str]]:
    """A process with a Ray cluster of two nodes; it has printed the address. A line ends the second node."""
    pytest.importorskip("ray")
    command = [sys.executable, "-c", _CLUSTER]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield process
        assert process.stdin is not None
        process.stdin.close()
        process.wait(60)


def line_of(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def drive(address: str, url: str, seconds: float) -> subprocess.Popen[str]:
    root = Path(__file__).parents[3]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    command = [sys.executable, "-c", _DRIVER, address, url, str(seconds)]
    return subprocess.Popen(command, cwd=root, env=environment, stdout=subprocess.PIPE, text=True)


def load_workers(url: str) -> list[psutil.Process]:
    """The load workers on this machine, whoever started them, that are connected to this emulator."""
    port = int(url.split(":")[2].partition("/")[0])
    found = []
    for process in psutil.process_iter():
        try:
            if "fmbench_lib.load.sending.worker" in process.cmdline() and any(
                each.raddr and each.raddr.port == port for each in process.net_connections()
            ):
                found.append(process)
        except psutil.Error:
            continue
    return found


def wait_until(condition: Callable[[], bool], seconds: float) -> bool:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if condition():
            return True
        time.sleep(0.05)
    return condition()


@pytest.mark.thorough
def test_a_level_of_a_ray_cluster_and_one_that_loses_a_node(
    emulator: Emulator, two_nodes: subprocess.Popen[str]
) -> None:
    address = line_of(two_nodes)
    with drive(address, emulator.url, 1.0) as whole:
        assert whole.stdout is not None
        assert whole.stdout.read().splitlines()[-1] == "duration True [None, None]"
    with drive(address, emulator.url, 60.0) as losing:
        assert line_of(losing) == "sending"
        assert two_nodes.stdin is not None
        two_nodes.stdin.write("remove\n")
        two_nodes.stdin.flush()
        assert line_of(two_nodes) == "removed"
        assert losing.stdout is not None
        # Ray prints the last words of the node's own process too.
        (said,) = [line for line in losing.stdout.read().splitlines() if line.startswith("node_lost")]
    assert said.startswith("node_lost True [")
    assert said.count("None") == 1
    assert wait_until(lambda: load_workers(emulator.url) == [], 10)


@pytest.mark.thorough
def test_workers_end_with_their_driver_whatever_kills_it(emulator: Emulator, two_nodes: subprocess.Popen[str]) -> None:
    with drive(line_of(two_nodes), emulator.url, 60.0) as driver:
        assert line_of(driver) == "sending"
        assert len(load_workers(emulator.url)) == 2
        os.kill(driver.pid, signal.SIGKILL)
        driver.wait(10)
    assert wait_until(lambda: load_workers(emulator.url) == [], 10)
