"""Bounds of the client's error in the percentiles, written from docs/metrics.md, "The client's own delays"."""

from __future__ import annotations

import math
from functools import cache

import numpy as np
from recompute_part import Part
from recompute_reading import Floats, Level

FAMILIES = ("latency", "TTFT", "ITL")


def client_error(part: Part, family: str, q: float) -> float:
    """By how much a percentile may be too high, in s; NaN where that is not known."""
    low, high = _bounds(part.level, tuple(np.flatnonzero(part.successes).tolist()))[family]
    known = ~np.isnan(high)
    return float(np.quantile(high[known], q) - np.quantile(low[known], q)) if known.any() else math.nan


@cache
def _bounds(level: Level, successes: tuple[int, ...]) -> dict[str, tuple[Floats, Floats]]:
    """The least values that the successes may have, and the published ones."""
    chosen = list(successes)
    lags = level.numbers("client_lag")[chosen]
    if not chosen or np.isnan(lags).any():
        return dict.fromkeys(FAMILIES, (np.empty(0), np.empty(0)))
    late = np.nan_to_num(level.times["schedule_lag"][chosen])
    early = [_early(level, index, max(lag, float(np.median(lags)))) for index, lag in zip(chosen, lags, strict=True)]
    latency, ttft = level.times["latency"][chosen], level.times["TTFT"][chosen]
    gaps = np.concatenate([np.empty(0), *(level.gaps[index] for index in chosen)])
    shorter = np.concatenate([np.empty(0), *(each for _, _, each in early)])
    return {
        "latency": (latency - late - np.array([last for _, last, _ in early]), latency),
        "TTFT": (ttft - late - np.array([first for first, _, _ in early]), ttft),
        "ITL": (np.maximum(gaps - shorter, 0.0), gaps),
    }


def _early(level: Level, index: int, lag: float) -> tuple[float, float, Floats]:
    """How much earlier than their stamps the first and the last event may be, and the first event of every read but the
    first, if the response has ITL."""
    events = level.events[index]
    if not level.streamed[index]:
        return 0.0, 0.0, np.empty(0)
    if not len(events):
        return lag, lag, np.empty(0)
    bounds, read_before, stamp = [], level.numbers("sent")[index], events[0]
    for number, event in enumerate(events):
        if event > stamp:
            read_before, stamp = stamp, event
        last = number == len(events) - 1
        together = event >= level.numbers("end")[index] if last else events[number + 1] == event
        bounds.append(min(lag, event - read_before) if together else 0.0)
    firsts = [number for number in range(1, len(events)) if events[number] != events[number - 1]]
    return bounds[0], bounds[-1], np.array([bounds[number] for number in firsts if len(level.gaps[index])])
