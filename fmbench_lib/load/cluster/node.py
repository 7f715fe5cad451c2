"""What a level needs of a cluster: nodes that can be asked, and a way to hand all of them the same thing.

How the questions travel is the cluster's own affair: as calls of Ray's actors, or in tests as those of threads.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, TypeVar

from fmbench_lib.errors import NodeLostError, WorkerError


class Answer(Protocol):
    """What becomes of a question."""

    def get(self) -> Any:
        """Wait for the answer. Raises NodeLostError where the node is lost, and what the agent's method raises."""


class Node(Protocol):
    """One node: a name that tells it from the others, the address of its machine, and how many cores it has."""

    name: str
    host: str
    cores: int

    def ask(self, method: str, *arguments: Any) -> Answer:
        """Call a method of its `NodeAgent`, without waiting for the answer."""

    def give_up(self) -> None:
        """End its agent, which does not answer, and with it the workers; does not wait for that."""


class Cluster(Protocol):
    """The nodes of a run. `workers_per_node`: how many workers each gets, None for as many as suit."""

    workers_per_node: int | None

    def nodes(self) -> Sequence[Node]:
        """The nodes that a level can use now, always in the same order. Raises WorkerError where too few are left."""

    def share(self, value: Any) -> Any:
        """Something that stands for a value as an argument of many questions, and is sent to each node only once."""


Result = TypeVar("Result")


class Nodes:
    """The nodes of one level; those that are lost are asked nothing more, and why they are is kept in `lost`."""

    def __init__(self, nodes: Sequence[Node]) -> None:
        self.all = tuple(nodes)
        self.lost: dict[str, str] = {}
        self._silent: set[str] = set()

    @property
    def left(self) -> list[Node]:
        """The nodes that are not lost."""
        return [node for node in self.all if node.name not in self.lost]

    def lose(self, node: Node, reason: str) -> None:
        """A node cannot go on with the level; the first reason stands."""
        self.lost.setdefault(node.name, reason)

    def lose_silent(self, node: Node, error: NodeLostError) -> None:
        """A node does not answer. It may only hang, or be cut off: when it is back, it must not go on sending."""
        self.lose(node, str(error))
        self._silent.add(node.name)
        node.give_up()

    def clear(self) -> None:
        """End the level on all nodes that answer, those that are lost too."""
        for answer in [node.ask("clear") for node in self.all if node.name not in self._silent]:
            with contextlib.suppress(NodeLostError):
                answer.get()

    def check_none_lost(self) -> None:
        """Raise WorkerError where a node is lost: the level has not begun, and is not measured on the others."""
        if self.lost:
            raise WorkerError("; ".join(f"node {name}: {reason}" for name, reason in self.lost.items()))

    def ask(self, method: str, arguments: Callable[[Node], tuple[Any, ...]] = lambda _: ()) -> Mapping[str, Any]:
        """Ask all nodes that are left at once; returns the answers by name, without those of nodes that got lost."""
        asked = [(node, node.ask(method, *arguments(node))) for node in self.left]
        answers = {}
        for node, answer in asked:
            try:
                answers[node.name] = answer.get()
            except NodeLostError as error:
                self.lose_silent(node, error)
        return answers
