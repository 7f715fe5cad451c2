"""The connections of a worker to the addresses of its level: which address is next, and what is open to it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from fmbench_lib.load.sending.connection import Connection, Poller
from fmbench_lib.load.sending.exchange import Exchange
from fmbench_lib.load.sending.targets import Target, resolve, tls_context


class Pool:
    """`done` is told of each exchange that is over, as a connection is."""

    def __init__(self, plan: dict[str, Any], poller: Poller, done: Callable[[Connection, Exchange], None]) -> None:
        self.targets = [resolve(number, address) for number, address in enumerate(plan["targets"])]
        self._poller = poller
        self._done = done
        self._context = tls_context(plan["ca_file"]) if any(target.tls for target in self.targets) else None
        self._outstanding = [0] * len(self.targets)
        self._next = plan["number"]  # workers take turns each from a place of its own
        self._choose: Callable[[Sequence[int], int], int] = (
            next_in_turn if plan["balance"] == "round_robin" else least_outstanding
        )
        self._idle: list[list[Connection]] = [[] for _ in self.targets]

    def choose(self) -> Target:
        """The address of the next request, which is outstanding from now on."""
        number = 0
        if len(self.targets) > 1:
            number = self._choose(self._outstanding, self._next)
            self._next = number + 1 if self._choose is least_outstanding else self._next + 1
        self._outstanding[number] += 1
        return self.targets[number]

    def idle(self, target: Target) -> Connection | None:
        """An open connection that nothing is under way on, as far as its socket knows by now."""
        waiting = self._idle[target.number]
        while waiting:
            connection = waiting.pop()
            if connection.open and connection.alive():
                return connection
            connection.close()
        return None

    def new(self, target: Target) -> Connection:
        """A connection that is not open yet."""
        return Connection(target, self._poller, self._done, self._lost, self._context if target.tls else None)

    def over(self, connection: Connection) -> None:
        """A request has ended; its connection can carry another if it is still open."""
        self._outstanding[connection.target.number] -= 1
        if connection.open:
            self._idle[connection.target.number].append(connection)

    def _lost(self, connection: Connection) -> None:
        waiting = self._idle[connection.target.number]
        if connection in waiting:
            waiting.remove(connection)


def least_outstanding(outstanding: Sequence[int], first: int) -> int:
    """The address with the fewest requests outstanding; equals take turns, `first` begins."""
    count = len(outstanding)
    return min(range(count), key=lambda one: (outstanding[one], (one - first) % count))


def next_in_turn(outstanding: Sequence[int], first: int) -> int:
    """The address whose turn it is, whatever is outstanding."""
    return first % len(outstanding)
