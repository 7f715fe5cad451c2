"""A cluster whose nodes are agents in this process, each asked through threads of its own; their workers are real."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from fmbench_lib.errors import NodeLostError
from fmbench_lib.load.cluster.cluster_executor import ClusterExecutor
from fmbench_lib.load.cluster.node_agent import NodeAgent
from fmbench_lib.load.recording.recorder import Recorder, SentPrompt
from fmbench_lib.load.sending.engine import LevelRun, Progress
from fmbench_lib.predictors.openai import OpenAiPredictor
from fmbench_lib.workspace import LevelKey
from tests.load.level_builder import make_level


@dataclass
class ThreadAnswer:
    """What a thread will have returned."""

    node: ThreadNode
    future: Future[Any]

    def get(self) -> Any:
        if self.node.silent:
            raise NodeLostError("it did not answer")
        result = self.future.result(60)
        if self.node.dead:
            raise NodeLostError("its process was killed")
        return pickle.loads(result)


@dataclass
class ThreadNode:
    """An agent in this process. What goes to it and comes back is pickled, as between machines."""

    name: str
    folder: Path
    host: str = "10.0.0.1"
    cores: int = 2
    dead: bool = False
    silent: bool = False
    asked: list[str] = field(default_factory=list)
    before: Callable[[ThreadNode, str], None] = lambda node, method: None

    def __post_init__(self) -> None:
        self.agent = NodeAgent(str(self.folder))
        self._pool = ThreadPoolExecutor(4)

    def ask(self, method: str, *arguments: Any) -> ThreadAnswer:
        self.asked.append(method)
        self.before(self, method)
        if self.dead or self.silent:
            raise_lost: Future[Any] = Future()
            raise_lost.set_result(b"")
            return ThreadAnswer(self, raise_lost)
        sent = pickle.dumps(arguments)

        def call() -> bytes:
            return pickle.dumps(getattr(self.agent, method)(*pickle.loads(sent)))

        return ThreadAnswer(self, self._pool.submit(call))

    def give_up(self) -> None:
        self.asked.append("given up")

    def kill(self) -> None:
        """As `kill -9` of the agent's process ends its workers: they read the end of their pipes."""
        self.dead = True
        self.agent.clear()

    def end(self) -> None:
        self.agent.clear()
        self._pool.shutdown()


@dataclass
class ThreadCluster:
    """Such nodes."""

    all: Sequence[ThreadNode]
    workers_per_node: int | None = 1

    def nodes(self) -> Sequence[ThreadNode]:
        return [node for node in self.all if not node.dead]

    def share(self, value: Any) -> Any:
        return value


MakeCluster = Callable[..., ThreadCluster]


@pytest.fixture
def make_cluster(tmp_path: Path) -> Iterator[MakeCluster]:
    """Makes a cluster of so many nodes."""
    made: list[ThreadNode] = []

    def make(count: int, workers_per_node: int | None = 1) -> ThreadCluster:
        folder = tmp_path / "agents"
        folder.mkdir(exist_ok=True)
        nodes = [ThreadNode(f"node-{letter}", folder) for letter in "abcdefgh"[:count]]
        made.extend(nodes)
        return ThreadCluster(nodes, workers_per_node)

    yield make
    for node in made:
        node.end()


@dataclass(frozen=True)
class SentByCluster:
    """A level that a cluster has sent: its records in the order of sending."""

    run: LevelRun
    rows: list[dict[str, Any]]

    def of(self, phase: str) -> list[dict[str, Any]]:
        return [row for row in self.rows if row["phase"] == phase]

    @property
    def positions(self) -> list[int]:
        return [int(row["request_id"].rpartition("-")[2]) for row in self.rows]


Send = Callable[..., SentByCluster]


@pytest.fixture
def send(tmp_path: Path) -> Send:
    """Sends a level of `prompts` prompts from a cluster, the first `warmup` of them as warm-up."""

    def run(
        cluster: ThreadCluster,
        url: str | Sequence[str],
        prompts: int,
        *,
        warmup: int = 0,
        on_progress: Callable[[Progress], Any] = lambda _: None,
        **level: Any,
    ) -> SentByCluster:
        urls = (url,) if isinstance(url, str) else tuple(url)
        predictor = OpenAiPredictor(urls[0], "m")
        wanted = make_level(urls, range(warmup), range(warmup, prompts), **{"timeout": 20.0, **level})
        folder = tmp_path / "level"
        folder.mkdir()
        recorder = Recorder(
            predictor,
            [SentPrompt(f"p{number}", 3) for number in range(prompts)],
            urls,
            LevelKey("exp", "p.jsonl", "load"),
            None,
        )
        executor = ClusterExecutor(cluster)
        requests = (predictor.encode(f"Question {number}?") for number in range(prompts))
        done = executor.run(wanted, requests, folder, recorder, on_progress)
        rows = [row for table in executor.tables(recorder, done, folder) for row in table.to_pylist()]
        rows.sort(key=lambda row: int(row["request_id"].rpartition("-")[2]))
        return SentByCluster(done, rows)

    return run
