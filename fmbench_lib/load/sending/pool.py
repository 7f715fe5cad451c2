"""The connections of a worker to the addresses of its level: which address is next, and what is open to it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from fmbench_lib.load.sending.back_off import BackOff
from fmbench_lib.load.sending.connection import Connection, monotonic_ns
from fmbench_lib.load.sending.exchange import Exchange
from fmbench_lib.load.sending.poller import Poller
from fmbench_lib.load.sending.targets import Target, resolve, tls_context
from fmbench_lib.load.sending.worker_protocol import WorkerPlan


class Carrier(Protocol):
    """What carries one exchange: a connection, or a call of a user script. `opening_ns`: what opening it took."""

    target: Target
    opening_ns: int

    def abandon(self, error: str, message: str) -> None:
        """End the exchange under way from our side, with an error class and its message."""


class Pool:
    """The connections. `done` is called for each exchange that is over, as a connection calls it."""

    def __init__(self, plan: WorkerPlan, poller: Poller, done: Callable[[Carrier, Exchange], None]) -> None:
        self.targets = [resolve(number, address) for number, address in enumerate(plan["targets"])]
        self._poller = poller
        self._told = done
        ca_bundle = plan["load"]["ca_bundle"]
        self._context = tls_context(ca_bundle) if any(target.tls for target in self.targets) else None
        self._outstanding = [0] * len(self.targets)
        self._next = plan["number"]  # each worker starts at an address of its own
        self._choose: Callable[[Sequence[int], int], int] = (
            next_in_turn if plan["load"]["balance"] == "round_robin" else least_outstanding
        )
        several = len(self.targets) > 1 and self._choose is least_outstanding
        self._back_off = BackOff(len(self.targets)) if several else None
        self._idle: list[list[Connection]] = [[] for _ in self.targets]

    def choose(self) -> Target:
        """The address of the next request, which counts as outstanding there from now on."""
        number = 0
        if len(self.targets) > 1:
            outstanding = self._outstanding
            if self._back_off is not None and self._back_off.active:
                outstanding = self._back_off.weighed(outstanding, monotonic_ns())
            number = self._choose(outstanding, self._next)
            self._next = number + 1 if self._choose is least_outstanding else self._next + 1
        self._outstanding[number] += 1
        return self.targets[number]

    def idle(self, target: Target) -> Connection | None:
        """An open connection that carries nothing, as far as its socket knows by now; None where there is none."""
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

    def over(self, target: Target, exchange: Exchange) -> None:
        """A request to this address has ended for good."""
        self._outstanding[target.number] -= 1
        if self._back_off is not None:
            self._back_off.ended(target.number, failed=exchange.failed, now=exchange.end_ns)

    def _done(self, connection: Connection, exchange: Exchange) -> None:
        """An exchange has ended; its connection can carry another if it is still open."""
        self._told(connection, exchange)
        if connection.open:
            self._idle[connection.target.number].append(connection)

    def _lost(self, connection: Connection) -> None:
        waiting = self._idle[connection.target.number]
        if connection in waiting:
            waiting.remove(connection)


def least_outstanding(outstanding: Sequence[int], first: int) -> int:
    """The address with the fewest requests outstanding; equals take turns, `first` begins."""
    count = len(outstanding)
    return min(range(count), key=lambda number: (outstanding[number], (number - first) % count))


def next_in_turn(outstanding: Sequence[int], first: int) -> int:
    """The address whose turn it is, whatever is outstanding."""
    return first % len(outstanding)
