"""The smallest fleet of copies that carries a rate within the limits, and what it costs."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from fmbench_lib.metrics.prices import MONTH_HOURS
from fmbench_lib.metrics.sizing.copy_fleets import MOST_COPIES, CopyFleets
from fmbench_lib.metrics.sizing.open_loop_rates import RateCurve
from fmbench_lib.metrics.sizing.sized_copy import SizedCopy
from fmbench_lib.metrics.sizing.sizing_question import SizingQuestion
from fmbench_lib.metrics.token_rates import TOKENS_OF_PRICE

_DISAGREE = 0.2
_FEW_BEYOND = 1e-3
_ONE_IN_TWENTY = 1.645


@dataclass(frozen=True, slots=True)
class Fleet:
    """A fleet for a rate.

    `rate`: requests per minute to carry, without head-room · `copies`: so many are enough, spares included; None where
    none are, and `why_none` says why · `possible`: so few may do, for the hour of the mean, by the other ends of the
    intervals, with what may lie between the measured loads · `machines`: in all copies · `carries`: the greatest rate
    of an hour within the limits, without the spares, requests per minute · `p95`: expected by family, s · `hourly`:
    USD, None where unknown · `per_million`: USD for a million tokens at this rate · `beyond`: no level shows that so
    much is carried.
    """

    name: str
    rate: float
    copies: int | None = None
    possible: int | None = None
    machines: int | None = None
    carries: float | None = None
    p95: Mapping[str, float | None] = field(default_factory=dict)
    hourly: float | None = None
    per_million: float | None = None
    beyond: bool = False
    why_none: str = ""

    @property
    def monthly(self) -> float | None:
        """USD for a month of 730 hours."""
        return None if self.hourly is None else self.hourly * MONTH_HOURS

    @property
    def headroom(self) -> float | None:
        """The share by which the fleet carries more than the rate."""
        return None if self.carries is None else self.carries / self.rate - 1

    @property
    def enough(self) -> bool:
        """Whether the fleet carries the rate, as far as it was measured."""
        return self.copies is not None and not self.beyond


@dataclass(frozen=True, slots=True)
class FleetSizer:
    """Sizes fleets of one copy. `queues`: by its closed loops, `rates`: by its open ones; the one that is used, or
    neither. `notes`: which, and how they agree."""

    copy: SizedCopy
    question: SizingQuestion
    queues: CopyFleets | None
    rates: RateCurve | None
    notes: tuple[str, ...] = ()

    @classmethod
    def of(cls, copy: SizedCopy, question: SizingQuestion) -> FleetSizer:
        """The sizer of a copy. Open loops are used without closed ones, or where they show that a copy carries less."""
        if copy.by_token:
            return cls(copy, question, None, None)
        if copy.curve is None:
            return cls(copy, question, None, copy.rates, (_BY_RATES,) if copy.rates else ())
        queues = CopyFleets.of(copy.curve, question.limits, question.routing, copy.variation)
        if copy.rates is None:
            return cls(copy, question, queues, None)
        against = _disagreement(queues, copy.rates, question)
        if against:
            return cls(copy, question, None, copy.rates, (against, _BY_RATES))
        return cls(copy, question, queues, None, ("its open loops agree with its closed ones",))

    def fleet(self, rate: float) -> Fleet:
        """The smallest fleet for a rate of requests per minute."""
        room = 1 + self.question.headroom
        wanted, usual = busy_hour(rate, self.copy.variation) / 60 * room, rate / 60 * room
        if self.copy.by_token:
            return self._paid_by_token(rate, usual)
        if self.queues is not None:
            return self._of_queues(self.queues, rate, wanted, usual)
        if self.rates is not None:
            return self._of_rates(self.rates, rate, wanted, usual)
        return Fleet(self.copy.name, rate, why_none="no level that may be used")

    def carries(self, copies: int) -> float:
        """The greatest rate of so many copies within the limits, requests per minute; 0 where there is none."""
        if self.queues is not None:
            return 60 * self.queues.carries(copies)
        one = self.rates.within(self.question.limits) if self.rates is not None else None
        return 60 * copies * (one or 0.0)

    def _paid_by_token(self, rate: float, wanted: float) -> Fleet:
        """No machines: what was measured within the limits is carried; of more nothing is known."""
        copy, price = self.copy, self.copy.per_request
        if copy.served is None or price is None:
            return Fleet(copy.name, rate, why_none=f"no level that may be used has {self._limits()}")
        return Fleet(
            name=copy.name,
            rate=rate,
            copies=0,
            possible=0,
            machines=0,
            carries=60 * copy.served,
            p95=copy.served_p95,
            hourly=60 * rate * price,
            per_million=self._per_million(price),
            beyond=wanted > copy.served * (1 + 1e-9),
        )

    def _of_rates(self, rates: RateCurve, rate: float, wanted: float, usual: float) -> Fleet:
        one = rates.within(self.question.limits)
        if one is None:
            return Fleet(self.copy.name, rate, why_none=f"{self._limits()} is not met at the least rate measured")
        enough = max(1, math.ceil(wanted / one - 1e-9))
        better = rates.within(self.question.limits, sure=False) or one
        possible = min(max(1, math.ceil(usual / better - 1e-9)), enough)
        p95 = {limit.family: rates.p95(limit.family, rate / 60 / enough) for limit in self.question.limits}
        return self._whole(rate, enough, possible, p95)

    def _of_queues(self, queues: CopyFleets, rate: float, wanted: float, usual: float) -> Fleet:
        enough = queues.least_copies("assured", wanted)
        if enough is None:
            missed = queues.missed_alone("assured")
            why = f"{missed.label} is not met at the least load measured" if missed else f"over {MOST_COPIES:,} copies"
            return Fleet(self.copy.name, rate, why_none=why)
        possible = min(queues.least_copies("possible", usual) or enough, enough)
        p95 = {one.family: queues.p95("expected", enough, rate / 60, one) for one in self.question.limits}
        return self._whole(rate, enough, possible, p95)

    def _whole(self, rate: float, enough: int, possible: int, p95: Mapping[str, float | None]) -> Fleet:
        """A fleet with its spare copies and prices."""
        copies = enough + self.question.spare
        hourly = None if self.copy.hourly is None else copies * self.copy.hourly
        return Fleet(
            name=self.copy.name,
            rate=rate,
            copies=copies,
            possible=possible + self.question.spare,
            machines=copies * self.copy.machines,
            carries=self.carries(enough),
            p95=p95,
            hourly=hourly,
            per_million=None if hourly is None else self._per_million(hourly / (60 * rate)),
        )

    def _per_million(self, per_request: float) -> float | None:
        tokens = self.copy.tokens
        return per_request / tokens * TOKENS_OF_PRICE if tokens else None

    def _limits(self) -> str:
        return " and ".join(limit.label for limit in self.question.limits)


def busy_hour(rate: float, variation: float = 1.0) -> float:
    """The rate of the busiest of 20 hours, requests per minute, where `rate` is the mean of a Poisson process.

    The work of `n` requests varies by `√((1 + c²) / n)` of itself; `variation` is the squared coefficient of variation
    `c²` of their services.
    """
    return rate * (1 + _ONE_IN_TWENTY * math.sqrt((1 + variation) / (60 * rate)))


_BY_RATES = (
    "sized by open loops, whose queueing is that of arrivals dealt out at random: with each request sent to the copy "
    "that has the fewest, fewer copies may do"
)


def _disagreement(queues: CopyFleets, rates: RateCurve, question: SizingQuestion) -> str:
    """What an open loop shows that closed loops of the same copy did not; empty where it bears them out."""
    for point in rates.points:
        for limit in question.limits:
            expected, (measured, _) = queues.p95("expected", 1, point.rate, limit), point.p95[limit.family]
            known = queues.beyond(1, point.rate) <= _FEW_BEYOND
            if expected is not None and known and measured > (1 + _DISAGREE) * expected:
                return (
                    f"one copy had {limit.family} p95 {measured:.3g} s at {60 * point.rate:.4g} requests/min, where "
                    f"its closed loops promise {expected:.3g} s"
                )
    return ""
