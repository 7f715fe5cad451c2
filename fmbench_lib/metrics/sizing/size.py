"""The answer to a sizing question: fleets of every experiment, which one to take, and where prices cross."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fmbench_lib.metrics.sizing.fleets import Fleet, FleetSizer
from fmbench_lib.metrics.sizing.sized_copy import SizedCopy
from fmbench_lib.metrics.sizing.sizing_question import RATES, SizingQuestion

_MOST_CROSSING = 256


@dataclass(frozen=True, slots=True)
class SizedRate:
    """The fleets for one rate (requests per minute), in the order of the copies, and the place of the one to take: None
    where none is enough, or none that is has a price."""

    rate: float
    fleets: tuple[Fleet, ...]
    chosen: int | None


@dataclass(frozen=True, slots=True)
class Crossover:
    """From which rate machines cost less than tokens.

    `rate`: requests per minute, None where they never do · `copies`: the fleet that does first · `utilisation`: the
    share of what one copy carries within the limits at which it costs what the tokens of its requests cost; above 1 one
    copy never pays.
    """

    machines: str
    tokens: str
    rate: float | None
    copies: int | None
    utilisation: float | None


@dataclass(frozen=True, slots=True)
class Sizing:
    """`asked`: for the user's rate, None without one · `grid`: for rates from 1 to 10,000 a minute · `notes`: of each
    copy."""

    question: SizingQuestion
    copies: tuple[SizedCopy, ...]
    asked: SizedRate | None
    grid: tuple[SizedRate, ...]
    crossovers: tuple[Crossover, ...]
    notes: tuple[tuple[str, ...], ...]


def size(copies: Sequence[SizedCopy], question: SizingQuestion, rates: Sequence[float] = RATES) -> Sizing:
    """Size fleets of these copies."""
    sizers = [FleetSizer.of(copy, question) for copy in copies]
    return Sizing(
        question=question,
        copies=tuple(copies),
        asked=None if question.rate is None else _at(sizers, question.rate, question.weight),
        grid=tuple(_at(sizers, rate, question.weight) for rate in rates),
        crossovers=tuple(
            _crossover(one, other)
            for one in sizers
            for other in sizers
            if not one.copy.by_token and other.copy.by_token and one.copy.hourly and other.copy.per_request
        ),
        notes=tuple((*sizer.copy.notes, *sizer.notes) for sizer in sizers),
    )


def choose(fleets: Sequence[Fleet], weight: float) -> int | None:
    """The place of the fleet with the least `weight · cost / least cost + (1 − weight) · machines / fewest machines`.

    Weight 1 is the cheapest, 0 the one with the fewest machines, and of equal ones the other decides. Only fleets that
    are enough; without a price only where no weight is on it. None where there is none.
    """
    able = [place for place, fleet in enumerate(fleets) if fleet.enough and (fleet.hourly is not None or weight == 0)]
    if not able:
        return None
    costs = [fleets[place].hourly or 0.0 for place in able]
    machines = [float(fleets[place].machines or 0) for place in able]

    def score(index: int) -> tuple[float, float, float]:
        cost, count = (_in_units(values, index) for values in (costs, machines))
        return weight * cost + (1 - weight) * count, cost, count

    return able[min(range(len(able)), key=score)]


def _in_units(values: Sequence[float], index: int) -> float:
    """A value as a multiple of the least one above 0; 0 stays 0."""
    least = min((value for value in values if value > 0), default=1.0)
    return values[index] / least


def _at(sizers: Sequence[FleetSizer], rate: float, weight: float) -> SizedRate:
    fleets = tuple(sizer.fleet(rate) for sizer in sizers)
    return SizedRate(rate, fleets, choose(fleets, weight))


def _crossover(machines: FleetSizer, tokens: FleetSizer) -> Crossover:
    """The first fleet that can carry the rate at which it costs what the tokens cost."""
    hourly, per_request = machines.copy.hourly, tokens.copy.per_request
    assert hourly is not None  # `size` asks only where both are known
    assert per_request is not None
    one = hourly / per_request / 60  # requests per minute whose tokens cost what one copy does
    least, alone, spare = 0.0, machines.carries(1), machines.question.spare
    for copies in range(1, _MOST_CROSSING + 1):
        carries = machines.carries(copies) / (1 + machines.question.headroom)
        even = one * (copies + spare)
        if even <= carries:
            return Crossover(machines.copy.name, tokens.copy.name, max(even, least), copies + spare, one / alone)
        least = carries
    return Crossover(machines.copy.name, tokens.copy.name, None, None, one / alone if alone else None)
