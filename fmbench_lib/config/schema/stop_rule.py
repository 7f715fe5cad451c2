"""The rule that ends a level."""

from __future__ import annotations

import math
from dataclasses import dataclass

DEFAULT_DURATION = 60.0
"""Seconds of measurement when a config gives neither requests nor duration."""

LONGEST_UNTIL = 600.0
"""Maximum seconds of measurement when only `load.until` ends a level."""

LEAST_ITERATIONS = 5
MOST_ITERATIONS = 105


@dataclass(frozen=True, slots=True)
class StopRule:
    """A level ends after `requests` measured requests or `duration` seconds, whichever comes first (None: no limit),
    but its duration does not end it before `min_requests` have been sent."""

    requests: int | None = None
    duration: float | None = None
    min_requests: int = 0


def stop_rule(
    *,
    requests: int | None,
    duration: float | None,
    min_iterations: int | None,
    max_iterations: int | None,
    concurrency: int | None,
    rate: float | None,
) -> StopRule:
    """The rule of one level.

    If `requests` or `duration` is given, nothing else counts. With neither, a level lasts 60 s, but at least
    `min_iterations` (default 5) and at most `max_iterations` (default 105) times its width in requests: the concurrency
    of a closed loop; in an open loop the requests due in one second, at least one. So a level at 0.01 requests/s runs
    until its fifth request, and one at 100 requests/s, with at most 10,500 of them, for its 60 s.

    :param rate: requests per second.
    """
    if requests is not None or duration is not None:
        return StopRule(requests, duration)
    width = concurrency if concurrency is not None else max(1, math.ceil(rate or 0))
    least = LEAST_ITERATIONS if min_iterations is None else min_iterations
    most = MOST_ITERATIONS if max_iterations is None else max_iterations
    return StopRule(max(least, most) * width, DEFAULT_DURATION, least * width)
