"""Which requests to judges and embedding endpoints are repeated, and after which pause."""

from __future__ import annotations

RETRIED = frozenset({"http_429", "http_5xx", "timeout", "connect", "truncated", "dns", "endpoint", "cancelled"})
"""The classes of errors after which a request is repeated."""

_FIRST_PAUSE_S = 1.0
_LONGEST_PAUSE_S = 30.0


def pause_before(tries: int) -> float:
    """Seconds to wait before a request that was sent so many times, at least once, is sent again."""
    return min(_FIRST_PAUSE_S * 2.0 ** min(tries - 1, 10), _LONGEST_PAUSE_S)
