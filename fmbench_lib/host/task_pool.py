"""Where work that takes long is done: here, or wherever else a pool has processes. What comes out is the same."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Protocol, TypeVar

Task = TypeVar("Task")
Result = TypeVar("Result")


class TaskPool(Protocol):
    """Does tasks that do not depend on each other."""

    def has_others(self) -> bool:
        """Whether it has processes elsewhere, once this process has done as much as it is to do alone."""
        ...

    def map(self, compute: Callable[[Task], Result], tasks: Iterable[Task]) -> Iterator[Result]:
        """What `compute` returns for each task, in the order of the tasks, which are taken as they are needed; raises
        what it raises. `compute`, tasks and results are values that can be pickled."""
        ...


class ThisProcess:
    """One task after the other, in this process."""

    def has_others(self) -> bool:
        """False."""
        return False

    def map(self, compute: Callable[[Task], Result], tasks: Iterable[Task]) -> Iterator[Result]:
        """As the built-in `map`."""
        return map(compute, tasks)
