"""The schedule of an open loop: the arrival process that `load.arrival` names, looked up and drawn from a seed."""

from __future__ import annotations

import random
from collections.abc import Iterator
from importlib import import_module

from fmbench_lib.config.arrival_facts import ARRIVALS, ARRIVALS_GROUP, known_arrivals
from fmbench_lib.config.installed import load_installed
from fmbench_lib.config.schema.load_section import LoadSettings
from fmbench_lib.errors import InputError
from fmbench_lib.load.levels.arrivals.arrival_process import ArrivalProcess


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
    return installed


def arrival_offsets(load: LoadSettings, rate: float | None, seed: str) -> Iterator[float]:
    """Times of arrival in seconds after the start, at `rate` requests per second on average.

    Endless, except for a process with times of its own, which needs no rate. Raises ValueError for an unknown process,
    a rate or a parameter that is not positive, or a trace without times.
    """
    process = arrival_process(load.arrival)
    if process.own_rate is None and (rate is None or rate <= 0):
        raise ValueError(f"a request rate must be positive, not {rate}")
    return process.offsets(rate, random.Random(seed), load)


def mean_rate(load: LoadSettings, rate: float | None) -> float | None:
    """Requests per second of an open loop: `rate`, else that of the process's own times; None where they have none."""
    own_rate = None if rate is not None else arrival_process(load.arrival).own_rate
    return rate if own_rate is None else own_rate(load)
