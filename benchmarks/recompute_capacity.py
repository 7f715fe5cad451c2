"""The rate at which an endpoint ends requests while there is work for all of its slots. Written from docs/metrics.md,
"Whether a load can be sustained", with numpy alone."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from recompute_reading import Flags, Floats

PARTS = 20
Span = tuple[float, float]


@dataclass
class Requests:
    """The requests due up to the end of the window, in order; those without an end have an infinite one."""

    due: list[float]
    end: list[float]
    window: Span
    until: float

    @property
    def counted(self) -> list[int]:
        """Those that ended after the start of the window and up to `until`."""
        return [i for i, end in enumerate(self.end) if self.window[0] < end <= self.until]

    def in_flight(self) -> list[tuple[float, float, int, bool]]:
        """From when to when how many were in flight, and whether it was until one ended (an end before an arrival)."""
        start = self.window[0]
        changes = [(end, 0) for end in self.end if start < end <= self.until]
        changes += [(due, 1) for due in self.due if start < due <= self.until]
        steps, since = [], start
        count = sum(due <= start for due in self.due) - sum(end <= start for end in self.end)
        for moment, arrives in [*sorted(changes), (self.until, 2)]:
            steps.append((since, moment, max(count, 0), arrives == 0))
            since, count = moment, count + {0: -1, 1: 1, 2: 0}[arrives]
        return steps


def requests_of(due: Floats, ended: Floats, failed: Flags, window: Span) -> Requests:
    """The requests that tell of the capacity, and until when their ends do."""
    order = [i for i in np.argsort(due, kind="stable") if due[i] <= window[1]]
    ends = [math.inf if math.isnan(ended[i]) else float(ended[i]) for i in order]
    last = max([end for end in ends if end < math.inf], default=window[1])
    failures = [float(end) for end, is_failed in zip(ended, failed, strict=True) if is_failed and end > window[1]]
    until = max(window[1], min([last, *failures]))
    return Requests([float(due[i]) for i in order], ends, window, until)


def load_of(requests: Requests, arrivals: float) -> tuple[float, float]:
    """The logarithm of the offered rate over the capacity, and its standard error."""
    steps, counted = requests.in_flight(), requests.counted
    if not counted or arrivals <= 0 or not any(count for _, _, count, _ in steps):
        return 0.0, math.inf
    slots = _slots(steps, 1 + max(_overtaken(requests, i) for i in counted))
    per_slot = len(counted) / sum((until - since) * min(count, slots) for since, until, count, _ in steps)
    seconds = requests.window[1] - requests.window[0]
    variance = _variance(requests, steps, slots, per_slot)
    return math.log(arrivals / seconds / (slots * per_slot)), math.sqrt(variance / len(counted))


def _overtaken(requests: Requests, number: int) -> int:
    return sum(end > requests.end[number] for end in requests.end[:number])


def _slots(steps: list[tuple[float, float, int, bool]], least: int) -> int:
    time_at: dict[int, float] = {}
    ends_at: dict[int, int] = {}
    for since, until, count, ends in steps:
        time_at[count] = time_at.get(count, 0.0) + until - since
        ends_at[max(count, 1)] = ends_at.get(max(count, 1), 0) + ends
    total, likelihoods = sum(ends_at.values()), []
    for slots in range(1, max(1, *time_at) + 1):
        work = sum(seconds * min(count, slots) for count, seconds in time_at.items())
        logs = sum(ends * math.log(min(count, slots)) for count, ends in ends_at.items())
        likelihoods.append(logs - total * math.log(work) if work > 0 else -math.inf)
    likely = [slots for slots, value in enumerate(likelihoods, 1) if value >= max(likelihoods) - 1]
    return min(max(least, likely[0]), likely[-1])


def _services(requests: Requests, slots: int) -> list[float]:
    """How long each had a slot: from when one was free, the `slots`-th latest end before being over, to its end."""
    latest, services = [-math.inf] * slots, []
    for due, end in zip(requests.due, requests.end, strict=True):
        services.append(max(0.0, end - max(due, latest[0])))
        latest = sorted([*latest, end])[1:]
    return [services[i] for i in requests.counted]


def _variance(requests: Requests, steps: list[tuple[float, float, int, bool]], slots: int, per_slot: float) -> float:
    services = _services(requests, slots)
    count, mean = len(services), sum(services) / len(services)
    squared = float(np.var(services)) / mean**2 if mean > 0 else 1.0
    independent = (squared * count + 10) / (count + 10)
    edges = np.linspace(*requests.window, PARTS + 1)
    inside = [sum(since < requests.end[i] <= until for i in requests.counted) for since, until in pairwise(edges)]
    if not sum(inside):
        return independent
    moments = [requests.window[0], *(step[1] for step in steps)]
    work = np.cumsum([0.0, *((until - since) * min(held, slots) for since, until, held, _ in steps)])
    off = np.array(inside) - per_slot * np.diff(np.interp(edges, moments, work))
    squares, neighbours = float(np.dot(off, off)), float(np.dot(off[1:], off[:-1]))
    of_parts = max(squares + neighbours, squares / 4, 0.25) * PARTS / (PARTS - 1) / sum(inside)
    return independent if of_parts / 3 <= independent <= 2.5 * of_parts else of_parts
