"""Waiting for AWS: often at first, then less so, and never past a deadline."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

_FIRST_S = 0.25
_LONGEST_S = 15.0


def looks(patience: float, pause: Callable[[float], None]) -> Iterator[bool]:
    """One turn for each look at what is waited for; the value is False at the last one.

    :param patience: for how long to look, s.
    :param pause: waits so many seconds between two looks; it may raise to end the waiting.
    """
    deadline = time.monotonic() + patience
    delay = _FIRST_S
    while True:
        left = deadline - time.monotonic()
        yield left > 0
        if left <= 0:
            return
        pause(min(delay, left))
        delay = min(2 * delay, _LONGEST_S)
