"""Long requests and silences of a level, written from docs/metrics.md, "Stalls"."""

from __future__ import annotations

import math

import numpy as np
from recompute_part import Part
from recompute_reading import Floats

LONG = 5
NOT_THE_ENDPOINTS = ("timeout", "cancelled", "connect", "dns")


def _quantile(values: Floats, q: float) -> float:
    known = values[~np.isnan(values)]
    return float(np.quantile(known, q)) if known.size else math.nan


def long_requests(part: Part) -> tuple[float, float]:
    """How many requests were in flight for long, and their share of all time in flight."""
    level = part.level
    times, tokens = (level.ended - level.sent)[part.chosen], level.numbers("completion_tokens")[part.chosen]
    usual, usual_tokens = _quantile(times, 0.95), _quantile(tokens, 0.95)
    whole = float(np.nansum(times))
    if math.isnan(usual) or whole <= 0:
        return math.nan, math.nan
    longer = np.ones(len(times))
    if usual_tokens > 0:
        longer = np.where(tokens > usual_tokens, tokens / usual_tokens, 1.0)
    long = times > LONG * usual * longer
    return int(np.count_nonzero(long)), float(np.nansum(times[long])) / whole


def silence_max(part: Part) -> float:
    """The longest silence."""
    found = _silences(part)
    return max(found) if found else math.nan


def silence_plausible(part: Part) -> float:
    """The longest silence that the others, and the waits within requests, make plausible."""
    found, requests = _silences(part), int(np.count_nonzero(part.chosen))
    if len(found) < 12 or requests < 30:
        return math.nan
    blocks = max(6, min(20, len(found) // 5, requests // 5))
    longest = [float(max(block)) for block in np.array_split(np.array(found), blocks)]
    first, middle, third = (float(np.quantile(longest, q)) for q in (0.25, 0.5, 0.75))
    wait = _quantile(_waits(part), 0.75)
    return max(middle * max(3.0, (third / first) ** 4), 0.0 if math.isnan(wait) else wait)


def _silences(part: Part) -> list[float]:
    """Their lengths in order of time."""
    if part.window is None:
        return []
    (start, end), level = part.window, part.level
    periods: list[list[float]] = []
    for begun, ended in sorted(zip(level.sent.tolist(), level.ended.tolist(), strict=True)):
        if math.isnan(begun) or math.isnan(ended) or ended <= start or begun >= end:
            continue
        begun, ended = max(begun, start), min(ended, end)
        if periods and begun <= periods[-1][1]:
            periods[-1][1] = max(periods[-1][1], ended)
        else:
            periods.append([begun, ended])
    signs = np.array([moment for moment in _signs(part) if start < moment < end])
    found: list[float] = []
    for begun, ended in periods:
        inside = np.unique(signs[(signs > begun) & (signs < ended)]) if signs.size else signs
        found += np.diff([begun, *inside, ended]).tolist()
    return found


def _signs(part: Part) -> list[float]:
    """The arrivals of content, and the ends of the requests that the client did not give up."""
    level = part.level
    ends = [end for end, error in zip(level.ended, level.texts("error"), strict=True) if error not in NOT_THE_ENDPOINTS]
    return [*ends, *level.numbers("first"), *level.numbers("last"), *(time for times in level.events for time in times)]


def _waits(part: Part) -> Floats:
    """The longest wait within each success."""
    level, waits = part.level, []
    sent, first, last, end = (level.numbers(name) for name in ("sent", "first", "last", "end"))
    for index in np.flatnonzero(part.successes):
        if math.isnan(first[index]):
            waits.append(end[index] - sent[index])
            continue
        parts = [first[index] - sent[index], end[index] - last[index], *level.gaps[index]]
        waits.append(max(value for value in [0.0, *parts] if not math.isnan(value)))
    return np.array(waits, dtype=np.float64)
