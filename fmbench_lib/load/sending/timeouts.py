"""The time limits of a request: in all, to connect, to the first byte, between bytes. All in nanoseconds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from fmbench_lib.load.sending.exchange import Exchange
from fmbench_lib.load.sending.worker_protocol import WorkerLoad


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits that a level sets; all but the first may be None."""

    total_ns: int
    connect_ns: int | None = None
    first_byte_ns: int | None = None
    read_ns: int | None = None

    @classmethod
    def of(cls, load: WorkerLoad) -> Limits:
        """The limits that a level's load sets, in seconds there."""
        return cls(
            int(load["timeout"] * 1e9),
            _nanoseconds(load["connect_timeout"]),
            _nanoseconds(load["first_byte_timeout"]),
            _nanoseconds(load["read_timeout"]),
        )

    @property
    def shortest_ns(self) -> int:
        """No exchange runs out of time sooner than this after it has come to a new state."""
        limits = (self.total_ns, self.connect_ns, self.first_byte_ns, self.read_ns)
        return min(limit for limit in limits if limit is not None)

    def expiry(self, exchange: Exchange) -> tuple[int, str]:
        """When an exchange runs out of time in the state it is in, and the message of that error."""
        expiry = exchange.due_ns + self.total_ns, f"no complete response within {_s(self.total_ns)} of its due time"
        if exchange.sent_ns is None:
            if self.connect_ns is not None and exchange.begun_ns is not None:
                message = f"no connection within {_s(self.connect_ns)}"
                expiry = min(expiry, (exchange.begun_ns + self.connect_ns, message))
        elif not exchange.user_ns:
            if self.first_byte_ns is not None:
                message = f"no byte of the response within {_s(self.first_byte_ns)} of its sending"
                expiry = min(expiry, (exchange.sent_ns + self.first_byte_ns, message))
        elif self.read_ns is not None:
            message = f"no further byte of the response within {_s(self.read_ns)}"
            expiry = min(expiry, (exchange.user_ns[-1] + self.read_ns, message))
        return expiry


class Deadlines:
    """When the first of the requests under way can run out of time: only then are all of them looked at."""

    __slots__ = ("_limits", "_shortest_ns", "_stops", "next_ns")

    def __init__(self, limits: Limits) -> None:
        self.next_ns: int | None = None  # no request under way runs out of time before
        self._limits = limits
        self._shortest_ns = limits.shortest_ns
        self._stops: list[tuple[int, int]] = []  # of this process: when it went on, and how long it had not run

    def stopped(self, went_on_ns: int, length_ns: int) -> None:
        """This process did not run for so long: what was under way gets that much longer, as nobody read its answer."""
        self._stops.append((went_on_ns, length_ns))

    def watch(self, exchange: Exchange, now: int) -> None:
        """Watch an exchange that was started, or is under way still."""
        at = min(self._expiry(exchange)[0], now + self._shortest_ns)  # it may come to another state
        if self.next_ns is None or at < self.next_ns:
            self.next_ns = at

    def expired(self, exchanges: Iterable[Exchange], now: int) -> Iterator[tuple[Exchange, str]]:
        """Those that have run out of time by now, each with its message; the others stay watched."""
        if self.next_ns is None or now < self.next_ns:
            return
        self.next_ns = None
        for exchange in list(exchanges):
            at, message = self._expiry(exchange)
            if at <= now:
                yield exchange, message
            else:
                self.watch(exchange, now)

    def _expiry(self, exchange: Exchange) -> tuple[int, str]:
        at, message = self._limits.expiry(exchange)
        return at + sum(length for went_on, length in self._stops if exchange.due_ns < went_on), message


def _nanoseconds(seconds: float | None) -> int | None:
    return None if seconds is None else int(seconds * 1e9)


def _s(nanoseconds: int) -> str:
    return f"{nanoseconds / 1e9:g} s"
