"""What an arrival process is to the schedule: the contract of each module in this folder and of installed packages."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from fmbench_lib.config.load_settings import LoadSettings


@dataclass(frozen=True, slots=True)
class ArrivalProcess:
    """One arrival process, by its times or by its gaps. All chance comes from `generator`, so that a seed gives one
    schedule, and parameters are read from `load`.

    `offsets(rate, generator, load)` gives the times of arrival in seconds after the start, ascending. They are endless
    and come at `rate` requests per second on average.

    A process that follows recorded times has `own_rate(load)`, their requests per second (None where they have no
    length). Its offsets end, and its `rate` may be None: then it keeps its own pace.

    A process of independent gaps has `gap(generator, load)`, the next gap in a unit of its own, instead of `offsets`:
    the schedule stretches the gaps so that its mean over a level is exactly the rate (see `exact_spans`).
    """

    offsets: Callable[[float | None, random.Random, LoadSettings], Iterator[float]] | None = None
    own_rate: Callable[[LoadSettings], float | None] | None = None
    gap: Callable[[random.Random, LoadSettings], float] | None = None


def times_of(gap: Callable[[], float]) -> Iterator[float]:
    """The endless times of arrival of a process whose gaps, in seconds, `gap` draws one by one."""
    time = 0.0
    while True:
        time += gap()
        yield time
