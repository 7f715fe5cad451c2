"""Work on a cluster gives what it gives here, in the same order, whatever becomes of the nodes."""

from __future__ import annotations

import contextlib
import os
import pickle
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from fmbench_lib.errors import InputError, NodeLostError
from fmbench_lib.host.task_pool import ThisProcess
from fmbench_lib.load.cluster.cluster_tasks import ClusterPool
from fmbench_lib.load.cluster.task_agent import TaskAgent
from tests.load.cluster.test_ray_nodes import line_of, two_nodes  # noqa: F401 - a fixture


@dataclass
class Worker:
    """An agent in this process that is lost with its task number `dies_at`, and waits in each task for `gate`."""

    name: str
    dies_at: int | None = None
    gate: threading.Event | None = None
    versions: dict[str, str] = field(default_factory=dict)
    done: int = 0
    dead: bool = False
    gone: threading.Event = field(default_factory=threading.Event)
    agent: TaskAgent = field(default_factory=TaskAgent)

    def call(self, method: str, *arguments: bytes) -> Any:
        if self.gate is not None and method == "run":
            assert self.gate.wait(30)
        if method == "run":
            self.dead |= self.done == self.dies_at
            self.done += 1
        if self.dead:
            self.gone.set()
            raise NodeLostError("its machine left the Ray cluster")
        found = getattr(self.agent, method)(*arguments)
        return {**found, **self.versions} if method == "versions" else found


@dataclass
class Workers:
    """A cluster of these."""

    all: Sequence[Worker]
    joined: int = 0
    left: int = 0

    def task_workers(self) -> Sequence[Worker]:
        return self.all

    @contextlib.contextmanager
    def join(self) -> Iterator[Workers]:
        self.joined += 1
        yield self
        self.left += 1


@pytest.fixture(autouse=True)
def variables() -> Iterator[None]:
    """An agent sets some for its process."""
    before = dict(os.environ)
    yield
    os.environ.clear()
    os.environ.update(before)


def square(number: int) -> int:
    return number * number


def where(_: int) -> str:
    return threading.current_thread().name


def refuse_seven(number: int) -> int:
    if number == 7:
        raise InputError("seven is refused")
    return number


def mapped(cluster: Workers, compute: Callable[[int], Any], long_s: float = 0.0) -> tuple[list[Any], list[str]]:
    said: list[str] = []
    with ClusterPool(cluster.join, said.append, long_s) as pool:
        found = list(pool.map(compute, range(50)))
    assert cluster.left == cluster.joined
    return found, said


def test_results_are_those_of_this_process_in_order() -> None:
    cluster = Workers([Worker("a"), Worker("b"), Worker("c")])
    assert mapped(cluster, square) == (list(ThisProcess().map(square, range(50))), [])
    assert sum(worker.done for worker in cluster.all) == 50
    assert cluster.joined == 1


def test_what_is_not_long_joins_no_cluster() -> None:
    cluster = Workers([Worker("a")])
    assert mapped(cluster, square, long_s=60.0) == ([square(each) for each in range(50)], [])
    assert cluster.joined == 0


def test_work_begins_here_and_goes_on_there() -> None:
    found, _ = mapped(Workers([Worker("a")]), where, long_s=1e-9)
    here = threading.current_thread().name
    assert found[0] == here
    assert here not in found[1:]


def test_tasks_are_taken_as_they_are_needed() -> None:
    taken: list[int] = []

    def tasks() -> Iterator[int]:
        for number in range(1000):
            taken.append(number)
            yield number

    with ClusterPool(Workers([Worker("a"), Worker("b")]).join, print, 0.0) as pool:
        found = pool.map(square, tasks())
        assert [next(found) for _ in range(10)] == [square(each) for each in range(10)]
        assert len(taken) <= 10 + 3
        found.close()  # type: ignore[attr-defined]


@pytest.mark.parametrize("dies_at", [0, 1])
def test_the_tasks_of_a_lost_node_are_done_by_the_others(dies_at: int) -> None:
    lost = Worker("a", dies_at)
    found, said = mapped(Workers([lost, Worker("b", gate=lost.gone)]), square)
    assert found == [square(each) for each in range(50)]
    assert said == ["node a is not used any more: its machine left the Ray cluster"]


def test_without_any_node_left_all_is_done_here() -> None:
    found, said = mapped(Workers([Worker("a", 3), Worker("b", 2)]), square)
    assert found == [square(each) for each in range(50)]
    assert sorted(said) == [f"node {name} is not used any more: its machine left the Ray cluster" for name in "ab"]


def test_an_error_of_a_task_is_raised_as_here() -> None:
    with pytest.raises(InputError, match="seven is refused"):
        mapped(Workers([Worker("a"), Worker("b")]), refuse_seven)


def test_without_a_cluster_all_is_done_here_and_that_is_said_in_a_line() -> None:
    def join() -> Any:
        raise InputError("load.ray.address: no Ray cluster at auto")

    said: list[str] = []
    with ClusterPool(join, said.append, 0.0) as pool:
        assert list(pool.map(square, range(3))) == list(pool.map(square, range(3))) == [0, 1, 4]
        assert not pool.has_others()
    assert said == ["the cluster is not used, all is computed here: load.ray.address: no Ray cluster at auto"]


def test_a_node_with_another_library_is_not_used() -> None:
    other = Worker("b", versions={"rouge-score": "", "numpy": "1.0"})
    cluster = Workers([Worker("a"), other, Worker("b", versions=other.versions)])
    found, said = mapped(cluster, square)
    assert found == [square(each) for each in range(50)]
    assert [worker.done for worker in cluster.all] == [50, 0, 0]
    assert said == ["node b is not used: it has numpy 1.0, rouge-score missing, other than this machine"]


def test_what_cannot_travel_is_done_here() -> None:
    found, [line] = mapped(Workers([Worker("a")]), lambda number: number)
    assert found == list(range(50))
    assert line.startswith("the cluster is not used for this: ")


_TASKS = """
import os, sys
from fmbench_lib.config.ray_settings import RaySettings
from fmbench_lib.data.tokenizers import WordTokenizer
from fmbench_lib.load.cluster.cluster_tasks import ClusterPool
from fmbench_lib.load.cluster.ray_nodes import ray_cluster
texts = [[f"text {n} " * n for n in range(k, k + 20)] for k in range(200)]
with ClusterPool(lambda: ray_cluster(RaySettings(sys.argv[1])), print, 0.0) as pool:
    found = []
    for number, counts in enumerate(pool.map(WordTokenizer().count_many, texts)):
        found.append(counts)
        if number == 20:
            print("counting", flush=True)
            sys.stdin.readline()
print(found == [WordTokenizer().count_many(each) for each in texts], flush=True)
"""


@pytest.mark.thorough
def test_a_ray_cluster_that_loses_a_node_counts_what_this_machine_does(
    two_nodes: subprocess.Popen[str],  # noqa: F811
) -> None:
    root, address = Path(__file__).parents[3], line_of(two_nodes)
    command = [sys.executable, "-c", _TASKS, address]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    with subprocess.Popen(
        command, cwd=root, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as driver:
        assert line_of(driver) == "counting"
        assert two_nodes.stdin is not None
        two_nodes.stdin.write("remove\n")
        two_nodes.stdin.flush()
        assert line_of(two_nodes) == "removed"
        out, _ = driver.communicate("\n", timeout=120)
    lines = out.splitlines()
    assert "True" in lines
    assert any(" is not used any more: its " in line for line in lines), lines


def test_what_agents_compute_is_pickled() -> None:
    agent = TaskAgent()
    agent.begin(pickle.dumps(square))
    assert pickle.loads(agent.run(pickle.dumps(12))) == 144
