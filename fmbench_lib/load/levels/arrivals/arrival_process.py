"""What an arrival process is to the schedule: the contract of each module in this folder and of installed packages."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from fmbench_lib.config.schema.load_section import LoadSettings


@dataclass(frozen=True, slots=True)
class ArrivalProcess:
    """One arrival process.

    `offsets(rate, generator, load)` gives the times of arrival in seconds after the start, ascending. They are endless,
    come at `rate` requests per second on average, and are drawn from `generator` alone, so that a seed gives one
    schedule. It may read parameters of its own from `load`.

    A process that follows recorded times has `own_rate(load)`, their requests per second (None where they have no
    length). Its offsets end, and its `rate` may be None: then it keeps its own pace.
    """

    offsets: Callable[[float | None, random.Random, LoadSettings], Iterator[float]]
    own_rate: Callable[[LoadSettings], float | None] | None = None


def times_of(gap: Callable[[], float]) -> Iterator[float]:
    """The endless times of arrival of a process whose gaps, in seconds, `gap` draws one by one."""
    time = 0.0
    while True:
        time += gap()
        yield time
