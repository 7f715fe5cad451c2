"""The time limits of a request: in all, to connect, to the first byte, between bytes. All in nanoseconds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fmbench_lib.load.sending.exchange import Exchange


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits that a level sets; all but the first may be None."""

    total_ns: int
    connect_ns: int | None = None
    first_byte_ns: int | None = None
    read_ns: int | None = None

    @classmethod
    def from_plan(cls, plan: Mapping[str, Any]) -> Limits:
        """The limits of a worker's plan, which has them in seconds."""
        keys = ("timeout", "connect_timeout", "first_byte_timeout", "read_timeout")
        return cls(*(None if plan[key] is None else int(plan[key] * 1e9) for key in keys))  # type: ignore[arg-type]

    @property
    def shortest_ns(self) -> int:
        """No exchange runs out of time sooner than this after it has come to a new state."""
        return min(one for one in (self.total_ns, self.connect_ns, self.first_byte_ns, self.read_ns) if one is not None)

    def expiry(self, exchange: Exchange) -> tuple[int, str]:
        """When an exchange runs out of time in the state it is in, and what is said of it then."""
        found = exchange.due_ns + self.total_ns, f"no complete response within {_s(self.total_ns)} of its due time"
        if exchange.sent_ns is None:
            if self.connect_ns is not None and exchange.begun_ns is not None:
                found = min(found, (exchange.begun_ns + self.connect_ns, f"no connection within {_s(self.connect_ns)}"))
        elif not exchange.user_ns:
            if self.first_byte_ns is not None:
                said = f"no byte of the response within {_s(self.first_byte_ns)} of its sending"
                found = min(found, (exchange.sent_ns + self.first_byte_ns, said))
        elif self.read_ns is not None:
            said = f"no further byte of the response within {_s(self.read_ns)}"
            found = min(found, (exchange.user_ns[-1] + self.read_ns, said))
        return found


def _s(nanoseconds: int) -> str:
    return f"{nanoseconds / 1e9:g} s"
