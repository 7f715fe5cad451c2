"""The arrival processes that `load.arrival` can name: ours, one row each, and those of installed packages."""

from __future__ import annotations

from dataclasses import dataclass

from fmbench_lib.config.installed import installed_names

ARRIVALS_GROUP = "fmbench.arrivals"
"""Entry point group of the arrival processes that installed packages add."""


@dataclass(frozen=True, slots=True)
class ArrivalParameter:
    """A key of `load` that only some processes read. `missing` says what to write where a process cannot do without."""

    key: str
    missing: str = ""


@dataclass(frozen=True, slots=True)
class ArrivalFacts:
    """One arrival process: the module that holds its `PROCESS`, and what a config must know about it.

    `has_own_times`: its times are recorded, with an end and a rate of their own, so `request_rates` may be left out.
    """

    name: str
    module: str
    parameters: tuple[ArrivalParameter, ...] = ()
    has_own_times: bool = False


_MODULES = "fmbench_lib.load.levels.arrivals"

ARRIVALS = {
    facts.name: facts
    for facts in (
        ArrivalFacts("constant", f"{_MODULES}.constant"),
        ArrivalFacts("poisson", f"{_MODULES}.poisson"),
        ArrivalFacts("gamma", f"{_MODULES}.gamma", (ArrivalParameter("burstiness"),)),
        ArrivalFacts(
            "trace",
            f"{_MODULES}.trace",
            (ArrivalParameter("trace", missing="write the file whose times `arrival: trace` follows"),),
            has_own_times=True,
        ),
    )
}


def known_arrivals() -> tuple[str, ...]:
    """The names that `load.arrival` can have: ours, then those that installed packages add."""
    return tuple(dict.fromkeys((*ARRIVALS, *installed_names(ARRIVALS_GROUP))))


def has_own_times(arrival: str) -> bool:
    """Whether a process follows recorded times; one of an installed package always has the rate that is asked for."""
    return arrival in ARRIVALS and ARRIVALS[arrival].has_own_times


def reads(arrival: str, key: str) -> bool:
    """Whether a process reads this parameter of `load`; one of an installed package may read any."""
    return arrival not in ARRIVALS or key in {parameter.key for parameter in ARRIVALS[arrival].parameters}
