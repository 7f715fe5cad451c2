"""Schedules whose mean rate over their span is exactly the one that was asked for.

A Poisson process of 2 requests/s has 120 arrivals in a minute give or take 11, so that a level of a minute easily
offers 10% more or less than its name says, and throughput and price follow. Here the number of arrivals is given and
only where they fall is left to chance, as the process has it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import accumulate, repeat
from typing import NamedTuple


class Span(NamedTuple):
    """So many requests in so many seconds."""

    requests: int
    seconds: float


def count_in(rate: float, seconds: float) -> int:
    """How many arrivals a span of `seconds` has at `rate` per second: the nearest whole number, at least one."""
    return max(1, round(rate * seconds))


def exact_times(gap: Callable[[], float], span: Span) -> list[float]:
    """The times of arrival of `span.requests` requests, ascending, from 0; their gaps, the last one to the end of the
    span, are drawn by `gap` in any unit and stretched to fill it.

    Gamma variables divided by their sum are distributed as those given their sum (Lukacs 1955), so that Poisson and
    gamma processes are exactly those with that many arrivals in the span, cut at an arrival: for Poisson, uniform draws
    in order (Cox & Lewis 1966, section 2.1). The gaps keep their distribution up to terms of `1 / span.requests`.
    """
    ends = list(accumulate(gap() for _ in range(span.requests)))
    if ends[-1] <= 0:  # a shape so small that every gap is rounded to nothing: one burst
        return [0.0] * span.requests
    return [end * span.seconds / ends[-1] for end in (0.0, *ends[:-1])]


def exact_spans(gap: Callable[[], float], span: Span) -> Iterator[float]:
    """Endless times of arrival, one span after the other, each with exactly its number of requests.

    A level that ends somewhere else is off by less than the chance of one span.
    """
    start = 0.0
    for each in repeat(span):
        yield from (start + time for time in exact_times(gap, each))
        start += each.seconds
