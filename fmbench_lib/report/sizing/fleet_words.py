"""Fleets in words, the same in every form."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from fmbench_lib.metrics.decision.wording import figure, usd
from fmbench_lib.metrics.sizing.fleets import Fleet
from fmbench_lib.metrics.sizing.size import Crossover, SizedRate, Sizing
from fmbench_lib.metrics.sizing.sized_copy import SizedCopy
from fmbench_lib.metrics.sizing.sizing_question import SizingQuestion
from fmbench_lib.report.numbers import MISSING, percent, several


def question_text(question: SizingQuestion) -> str:
    """What is asked: `600 requests/min with latency p95 ≤ 2 s, 20% head-room`."""
    rate = "fleets" if question.rate is None else f"{figure(question.rate)} requests/min"
    parts = [f"{rate} with {' and '.join(limit.label for limit in question.limits)}"]
    parts += [f"{percent(question.headroom)} head-room"] if question.headroom else []
    parts += [several(question.spare, "spare") if question.spare == 1 else f"{question.spare} spares"] * bool(
        question.spare
    )
    parts += ["requests dealt out at random"] if question.routing == "random" else []
    return ", ".join(parts)


def fleet_text(fleet: Fleet, copy: SizedCopy) -> str:
    """A fleet: `3 copies of vllm (3 × g5.2xlarge)`."""
    if copy.by_token:
        return f"{copy.name} (paid by the token)"
    machines = f"{fleet.machines} × {copy.instance_type or 'an unnamed machine'}"
    return f"{several(fleet.copies or 0, 'copy').replace('copys', 'copies')} of {copy.name} ({machines})"


def answer(sizing: Sizing, sized: SizedRate) -> str:
    """Which fleet to take for a rate, and what it costs and carries."""
    if sized.chosen is None:
        return _no_answer(sized)
    fleet, copy = sized.fleets[sized.chosen], sizing.copies[sized.chosen]
    parts = [_costs(fleet)]
    parts += [f"{family} p95 about {figure(value)} s" for family, value in fleet.p95.items() if value is not None]
    if fleet.carries is not None and fleet.headroom is not None:
        more = f", {figure(100 * fleet.headroom, 2)}% more" if fleet.headroom > 0 else ""
        parts.append(f"carries {figure(fleet.carries)} requests/min{more}")
    fewer = _fewer(fleet)
    return f"{_by(sizing.question, sized)} {fleet_text(fleet, copy)}: {'; '.join(filter(None, parts))}.{fewer}"


def with_spare(sizing: Sizing, sized: SizedRate) -> str:
    """The fleet to take with one copy more, in case one fails; empty where spares are asked for or there are none."""
    if sized.chosen is None or sizing.question.spare or sizing.copies[sized.chosen].by_token:
        return ""
    fleet, copy = sized.fleets[sized.chosen], sizing.copies[sized.chosen]
    assert fleet.copies is not None  # the chosen one is enough
    more = replace(
        fleet,
        copies=fleet.copies + 1,
        machines=(fleet.copies + 1) * copy.machines,
        hourly=None if copy.hourly is None else (fleet.copies + 1) * copy.hourly,
        per_million=None,
    )
    return f"With one spare (N+1): {fleet_text(more, copy)}: {_costs(more) or 'no price known'}."


def crossover_text(crossover: Crossover) -> str:
    """From which rate machines cost less than tokens."""
    pair = f"{crossover.machines} against {crossover.tokens}"
    even = (
        f"one copy costs what the tokens cost at {percent(crossover.utilisation)} of what it carries within the limits"
        if crossover.utilisation is not None
        else "its copies do not keep the limits"
    )
    if crossover.rate is None or crossover.copies is None:
        return f"{pair}: machines never cost less ({even})."
    copies = several(crossover.copies, "copy").replace("copys", "copies")
    return f"{pair}: machines cost less from {figure(crossover.rate)} requests/min on, with {copies} ({even})."


def notes_of(sizing: Sizing) -> Iterator[tuple[str, tuple[str, ...]]]:
    """What must be known of each copy: where its figures are from, how it scales, and which levels were not used."""
    for copy, notes in zip(sizing.copies, sizing.notes, strict=True):
        unused = tuple(f"not used: {one}" for one in copy.unused)
        yield copy.name, (_measured(copy), *_law(copy), *notes, *unused)


def cell(fleet: Fleet) -> str:
    """A fleet in a table of rates: `3 (3.64 USD/h)`, with `?` where nothing shows that so much is carried."""
    if fleet.copies is None:
        return MISSING
    cost = "" if fleet.hourly is None else f" ({usd(fleet.hourly)}/h)"
    return f"{fleet.copies or 'tokens'}{cost}{'?' if fleet.beyond else ''}"


def _costs(fleet: Fleet) -> str:
    if fleet.hourly is None or fleet.monthly is None:
        return ""
    million = "" if fleet.per_million is None else f", {usd(fleet.per_million)} per 1M tokens"
    return f"{usd(fleet.hourly)}/h, {usd(fleet.monthly)} a month{million}"


def _by(question: SizingQuestion, sized: SizedRate) -> str:
    at = f"At {figure(sized.rate)} requests/min"
    if question.weight == 1:
        return f"{at} the cheapest is"
    if question.weight == 0:
        return f"{at} the fewest machines has"
    return f"{at}, with a weight of {figure(question.weight)} on cost, the best is"


def _fewer(fleet: Fleet) -> str:
    if fleet.possible is None or fleet.copies is None or fleet.possible >= fleet.copies:
        return ""
    return f" {fleet.possible} may do: the intervals and the gaps between the measured loads leave it open."


def _no_answer(sized: SizedRate) -> str:
    reasons = {fleet.why_none for fleet in sized.fleets if fleet.why_none}
    reasons |= {f"{fleet.name} was not measured at so much" for fleet in sized.fleets if fleet.beyond}
    priceless = any(fleet.enough and fleet.hourly is None for fleet in sized.fleets)
    reasons |= {"no price is known: the table has the machines"} if priceless else set()
    return f"At {figure(sized.rate)} requests/min no fleet can be named: {'; '.join(sorted(reasons))}."


def _measured(copy: SizedCopy) -> str:
    tokens = f"{figure(copy.tokens_in or 0, 4)} tokens in and {figure(copy.tokens_out or 0, 4)} out"
    work = tokens if copy.tokens is not None else "an unknown number of tokens"
    return f"measured in {copy.run} with {copy.payload_file}: {work} a request"


def _law(copy: SizedCopy) -> tuple[str, ...]:
    """How a copy scales, and the loads that were measured."""
    if copy.curve is None:
        return ()
    points = ", ".join(f"{figure(60 * point.rate)}/min at {figure(point.in_flight)}" for point in copy.curve.points)
    law = copy.curve.law
    if law is None:
        return (f"throughput by requests in flight: {points} (too few loads for a scalability law)",)
    peak = "none" if law.peak is None else f"at {figure(law.peak)}"
    if law.peak is not None and law.peak > copy.curve.points[-1].in_flight:
        peak += ", beyond what was measured"
    return (
        f"throughput by requests in flight: {points}; scalability law: contention {law.contention:.3g}, "
        f"coherency {law.coherency:.3g}, greatest misfit {percent(law.misfit)}, peak {peak}",
    )
