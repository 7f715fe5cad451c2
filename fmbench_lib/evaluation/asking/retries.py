"""Which requests to judges and embedding endpoints are repeated, and after which pause."""

from __future__ import annotations

import re
from collections.abc import Iterable

RETRIED = frozenset({"http_429", "http_5xx", "timeout", "connect", "truncated", "dns", "endpoint", "cancelled"})
"""The classes of errors after which a request is repeated."""

_FIRST_PAUSE_S = 1.0
_LONGEST_PAUSE_S = 30.0
_LONGEST_ASKED_FOR_S = 120.0


def pause_before(tries: int, asked_for: float = 0.0) -> float:
    """Seconds to wait before a request that was sent so many times, at least once, is sent again: what its server asked
    for, up to a limit, if that is longer than ours."""
    ours = min(_FIRST_PAUSE_S * 2.0 ** min(tries - 1, 10), _LONGEST_PAUSE_S)
    return max(ours, min(asked_for, _LONGEST_ASKED_FOR_S))


def retry_after(headers: Iterable[tuple[str, str]]) -> float | None:
    """The seconds of a `Retry-After` header; None without one, or where it is a date."""
    said = next((value.strip() for name, value in headers if name.lower() == "retry-after"), "")
    return float(said) if re.fullmatch(r"\d{1,6}(\.\d+)?", said, re.ASCII) else None
