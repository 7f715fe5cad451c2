"""The schedule of an open loop: the arrival process that `load.arrival` names, looked up and drawn from a seed."""

from __future__ import annotations

import random
from collections.abc import Iterator
from functools import partial
from importlib import import_module
from itertools import chain, islice

from fmbench_lib.config.arrival_facts import ARRIVALS, ARRIVALS_GROUP, known_arrivals
from fmbench_lib.config.installed import load_installed
from fmbench_lib.config.load_settings import LoadSettings
from fmbench_lib.config.schema.stop_rule import DEFAULT_DURATION
from fmbench_lib.errors import InputError
from fmbench_lib.load.levels.arrivals.arrival_process import ArrivalProcess
from fmbench_lib.load.levels.arrivals.exact_spans import Span, count_in, exact_spans

_LEAST_IN_SPAN = 100


def arrival_process(name: str) -> ArrivalProcess:
    """The process of this name: one of ours, or one of an installed package, which never replaces ours.

    Raises ValueError for a name that does not exist, InputError for an installed process that cannot be used.
    """
    if name in ARRIVALS:
        built_in: ArrivalProcess = import_module(ARRIVALS[name].module).PROCESS
        return built_in
    if name not in known_arrivals():
        raise ValueError(f"unknown arrival process {name!r}: one of {', '.join(known_arrivals())}")
    installed = load_installed(ARRIVALS_GROUP, name, "arrival process")
    if not isinstance(installed, ArrivalProcess):
        raise InputError(f"arrival process {name}: its entry point is {installed!r}; give an ArrivalProcess")
    if installed.offsets is None and installed.gap is None:
        raise InputError(f"arrival process {name}: it has neither offsets nor a gap; give it one of them")
    return installed


def arrival_offsets(load: LoadSettings, rate: float | None, seed: str, span: Span | None = None) -> Iterator[float]:
    """Times of arrival in seconds after the start, at `rate` requests per second on average.

    Endless, except for a process with times of its own, which needs no rate. A process of gaps has exactly the requests
    of `span` in its seconds, and in every stretch of them that follows; without `span`, a minute's at that rate.

    Raises ValueError for an unknown process, a rate or a parameter that is not positive, or a trace without times.
    """
    process, generator = arrival_process(load.arrival), random.Random(seed)
    if process.own_rate is None and (rate is None or rate <= 0):
        raise ValueError(f"a request rate must be positive, not {rate}")
    if process.offsets is not None:
        return process.offsets(rate, generator, load)
    assert rate is not None
    assert process.gap is not None
    return exact_spans(partial(process.gap, generator, load), span or _some_span(rate))


def level_offsets(load: LoadSettings, rate: float | None, seed: str, warmup: int, span: Span | None) -> Iterator[float]:
    """Times of arrival of a level: `warmup` of them before the measured ones, whose `span` is exact where it is given.

    The warm-up comes from the process too, but evenly before recorded times. It is drawn by itself, so that the
    measured times do not depend on its length. Raises ValueError as `arrival_offsets` does.
    """
    process = arrival_process(load.arrival)
    times = arrival_offsets(load, rate, seed, span)
    if process.own_rate is None and process.gap is None:
        return times
    gap = 1 / (mean_rate(load, rate) or 1.0)
    if process.gap is None or not warmup:
        before: Iterator[float] = (number * gap for number in range(warmup))
    else:
        before = islice(arrival_offsets(load, rate, f"{seed}/warm-up", Span(warmup, warmup * gap)), warmup)
    return chain(before, (warmup * gap + time for time in times))


def mean_rate(load: LoadSettings, rate: float | None) -> float | None:
    """Requests per second of an open loop: `rate`, else that of the process's own times; None where they have none."""
    own_rate = None if rate is not None else arrival_process(load.arrival).own_rate
    return rate if own_rate is None else own_rate(load)


def _some_span(rate: float) -> Span:
    """The span of a level that may end anywhere: a minute, but so many requests that chance has room in it."""
    count = max(_LEAST_IN_SPAN, count_in(rate, DEFAULT_DURATION))
    return Span(count, count / rate)
