"""Work that takes long, done by the nodes of a cluster: begun here, and sent there once it has taken a while.

What no node answers is computed here, so that a result never depends on the cluster, nor does an error.
"""

from __future__ import annotations

import contextlib
import pickle
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager, ExitStack
from itertools import chain
from queue import Empty, SimpleQueue
from typing import Any, Protocol, TypeVar

from fmbench_lib.errors import FmbenchError, explained
from fmbench_lib.load.cluster.task_agent import installed_versions

Task = TypeVar("Task")
Result = TypeVar("Result")

LONG_S = 10.0
"""Seconds of work after which a cluster is joined: joining one takes about half of that."""


class TaskWorker(Protocol):
    """A process on a node."""

    @property
    def name(self) -> str:
        """Where it is."""
        ...

    def call(self, method: str, *arguments: bytes) -> Any:
        """What a method of its `TaskAgent` returns. Raises NodeLostError where it is gone, else what that raises."""
        ...


class TaskWorkers(Protocol):
    """A cluster that was joined."""

    def task_workers(self) -> Sequence[TaskWorker]:
        """Its processes for tasks."""
        ...


class ClusterPool:
    """A `TaskPool` over a cluster, which `join` joins when `long_s` seconds of tasks were done here.

    `say` is told in a line what was not used, and why. Close it to leave the cluster.
    """

    def __init__(
        self,
        join: Callable[[], AbstractContextManager[TaskWorkers]],
        say: Callable[[str], object],
        long_s: float = LONG_S,
    ) -> None:
        self._join, self._say, self._left_s = join, say, long_s
        self._joined = ExitStack()
        self._workers: list[TaskWorker] | None = None
        self._said: set[str] = set()

    def __enter__(self) -> ClusterPool:
        return self

    def __exit__(self, *reason: object) -> None:
        self._joined.close()

    def has_others(self) -> bool:
        """As `TaskPool` says; joins the cluster when it is time to."""
        return self._left_s <= 0 and bool(self._there())

    def map(self, compute: Callable[[Task], Result], tasks: Iterable[Task]) -> Iterator[Result]:
        """As `TaskPool` says."""
        left = iter(tasks)
        packed: bytes | None = None
        for task in left:
            if self.has_others():
                packed = self._packed(compute) if packed is None else packed
                if packed:
                    yield from self._mapped(packed, compute, chain([task], left))
                    return
            begun = time.monotonic()
            result = compute(task)
            self._left_s -= time.monotonic() - begun
            yield result

    def _there(self) -> list[TaskWorker]:
        """The workers that are left; the cluster is joined by the first question."""
        if self._workers is None:
            self._workers = []
            try:
                found = self._joined.enter_context(self._join()).task_workers()
                self._workers = [worker for worker in found if self._is_like_here(worker)]
            except FmbenchError as error:
                self._note(f"the cluster is not used, all is computed here: {error}")
        return self._workers

    def _is_like_here(self, worker: TaskWorker) -> bool:
        here = installed_versions()
        try:
            there = worker.call("versions")
        except FmbenchError as error:
            self._note(f"node {worker.name} is not used: {error}")
            return False
        other = [f"{name} {there.get(name) or 'missing'}" for name in here if there.get(name) != here[name]]
        if other:
            self._note(f"node {worker.name} is not used: it has {', '.join(other)}, other than this machine")
        return not other

    def _packed(self, compute: Callable[[Task], Result]) -> bytes:
        """A function as it travels; empty where it cannot."""
        try:
            return pickle.dumps(compute, pickle.HIGHEST_PROTOCOL)
        except Exception as error:  # noqa: BLE001 - what cannot be pickled says so in its own way
            self._note(f"the cluster is not used for this: {explained(error)}")
            return b""

    def _note(self, line: str) -> None:
        """Say a line once: a node has several processes."""
        if line not in self._said:
            self._said.add(line)
            self._say(line)

    def _mapped(self, packed: bytes, compute: Callable[[Task], Result], tasks: Iterator[Task]) -> Iterator[Result]:
        crew = _Crew(self._there(), packed, self._drop)
        waiting: deque[tuple[Task, Future[bytes | None]]] = deque()

        def first() -> Result:
            task, future = waiting.popleft()
            answer = future.result()
            found: Result = compute(task) if answer is None else pickle.loads(answer)
            return found

        try:
            for task in tasks:
                waiting.append((task, crew.submit(pickle.dumps(task, pickle.HIGHEST_PROTOCOL))))
                if len(waiting) > crew.size:
                    yield first()
            while waiting:
                yield first()
        finally:
            crew.end()

    def _drop(self, worker: TaskWorker, error: Exception) -> None:
        self._note(f"node {worker.name} is not used any more: {explained(error)}")
        if self._workers is not None and worker in self._workers:
            self._workers.remove(worker)


class _Crew:
    """A thread for each worker, which hands it a task at a time. A worker that fails one hands it back, and is given
    no more; with the last of them, tasks are answered by None."""

    def __init__(
        self, workers: Sequence[TaskWorker], compute: bytes, drop: Callable[[TaskWorker, Exception], None]
    ) -> None:
        self.size = self._left = len(workers)
        self._compute, self._drop = compute, drop
        self._queue: SimpleQueue[tuple[Future[bytes | None], bytes] | None] = SimpleQueue()
        self._lock = threading.Lock()
        for worker in workers:
            threading.Thread(target=self._serve, args=(worker,), daemon=True).start()

    def submit(self, task: bytes) -> Future[bytes | None]:
        """What a worker will have answered; None where there is none left."""
        future: Future[bytes | None] = Future()
        with self._lock:
            if self._left:
                self._queue.put((future, task))
            else:
                future.set_result(None)
        return future

    def end(self) -> None:
        """Let the threads end once each has its answer; what is in the queue is not done any more."""
        with self._lock:
            self._empty()
            for _ in range(self.size):
                self._queue.put(None)

    def _serve(self, worker: TaskWorker) -> None:
        entry: tuple[Future[bytes | None], bytes] | None = None
        try:
            worker.call("begin", self._compute)
            while (entry := self._queue.get()) is not None:
                entry[0].set_result(worker.call("run", entry[1]))
        except Exception as error:  # noqa: BLE001 - whatever it is, here the task is done or raises the same
            self._leave(worker, error, entry)

    def _leave(self, worker: TaskWorker, error: Exception, entry: tuple[Future[bytes | None], bytes] | None) -> None:
        with self._lock:
            self._drop(worker, error)
            self._left -= 1
            if entry is not None:
                self._queue.put(entry)
            if not self._left:
                self._empty()

    def _empty(self) -> None:
        with contextlib.suppress(Empty):  # a worker may take the last one meanwhile
            while True:
                entry = self._queue.get_nowait()
                if entry is not None:
                    entry[0].set_result(None)
