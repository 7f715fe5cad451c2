"""What is claimed of the difference between two levels, and why not where nothing is.

A claim is a measure that differs, with its interval and a p-value; Holm's correction (1979) is over all claims of a
comparison, so that of many levels that are equal one in twenty comparisons, not one in twenty figures, says otherwise.
No claim is made of a level that is invalid, of percentiles of a queue that grew, of figures too short to have an
interval, and of figures per request where the requests ask for different work.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, cast

from fmbench_lib.metrics.comparison.compared_level import ONE_A_REQUEST, ComparedLevel, Figure
from fmbench_lib.metrics.comparison.matching import level_name
from fmbench_lib.metrics.comparison.measures import CLAIMED, MEASURES, Measure
from fmbench_lib.metrics.missing import number, text
from fmbench_lib.metrics.statistics.effects import Effect, effect
from fmbench_lib.metrics.statistics.paired_shares import holm
from fmbench_lib.metrics.statistics.rank_test import RankEffect, rank_effect

SIGNIFICANT = 0.05
UNEQUAL_WORK = 0.05
Outcome = Literal["better", "worse", "no difference", "no claim"]


@dataclass(frozen=True, slots=True)
class Claim:
    """A measure of two levels, `base` and `new` their values (None where missing).

    `effect`: the relative difference, None where none can be said, and then `why_none` says why. `p`: corrected for all
    claims of the comparison. `difference` is absolute, for shares: they have no ratio where one is 0.
    """

    measure: Measure
    base: float | None
    new: float | None
    effect: Effect | None = None
    p: float | None = None
    why_none: str = ""

    @property
    def outcome(self) -> Outcome:
        """What can be said."""
        if self.p is None:
            return "no claim"
        if self.p >= SIGNIFICANT or self.base is None or self.new is None:
            return "no difference"
        larger = self.effect.change > 0 if self.effect else self.new > self.base
        return "better" if larger == (self.measure.better == "higher") else "worse"


@dataclass(frozen=True, slots=True)
class RankClaim:
    """Whether requests of the new level tend to take longer than those of the base, over the whole distribution of a
    family of times. `effect`: None where nothing can be said, and then `why_none` says why · `p`: corrected for all
    claims of the comparison."""

    family: str
    effect: RankEffect | None = None
    p: float | None = None
    why_none: str = ""

    @property
    def outcome(self) -> Outcome:
        """What can be said."""
        if self.p is None or self.effect is None:
            return "no claim"
        if self.p >= SIGNIFICANT:
            return "no difference"
        return "worse" if self.effect.longer > 0.5 else "better"


@dataclass(frozen=True, slots=True)
class LevelComparison:
    """Two levels beside each other: what differs in how they were measured, what is claimed of each measure, and of the
    whole distribution of those families of which both p50 and p95 are compared. `paired`: in turns, in one run."""

    base: ComparedLevel
    new: ComparedLevel
    claims: tuple[Claim, ...]
    notes: tuple[str, ...] = ()
    ranks: tuple[RankClaim, ...] = ()
    paired: bool = False

    @property
    def name(self) -> str:
        """The level by its base's name."""
        return level_name(self.base.row)

    def claim(self, name: str) -> Claim | None:
        """The claim of a measure, None where it was not compared."""
        return next((claim for claim in self.claims if claim.measure.name == name), None)


@dataclass(frozen=True, slots=True)
class RunComparison:
    """Two runs beside each other. `levels` are the pairs that were compared, `only_base` and `only_new` the names of
    levels without a partner. `lost`: the levels of either run that should have been measured and have no figures, with
    the reason; `unjudged`: those of the new run among them that would have been compared. `missed_budget`: why no level
    of the new experiments meets every budget of their run; empty where one does.
    """

    base: str
    new: str
    levels: tuple[LevelComparison, ...]
    only_base: tuple[str, ...] = ()
    only_new: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()
    unjudged: tuple[str, ...] = ()
    missed_budget: str = ""


def compare_levels(
    pairs: Sequence[tuple[ComparedLevel, ComparedLevel]], names: Sequence[str] = CLAIMED, *, paired: bool = False
) -> list[LevelComparison]:
    """Compare levels in these measures. `paired`: both were measured in turns in one run, repeat beside repeat."""
    found = [_compared(base, new, names, paired) for base, new in pairs]
    made: list[Claim | RankClaim] = []
    for level in found:
        made += [*level.claims, *level.ranks]
    corrected = iter(holm([one.p for one in made if one.p is not None]))
    with_p = iter([replace(one, p=None if one.p is None else next(corrected)) for one in made])
    return [
        replace(
            level,
            claims=tuple(cast("Claim", next(with_p)) for _ in level.claims),
            ranks=tuple(cast("RankClaim", next(with_p)) for _ in level.ranks),
        )
        for level in found
    ]


def _compared(base: ComparedLevel, new: ComparedLevel, names: Sequence[str], paired: bool) -> LevelComparison:
    families = [family for family in ONE_A_REQUEST if {f"{family}_p50", f"{family}_p95"} <= set(names)]
    ranks = tuple(_of_ranks(base, new, family, paired) for family in families)
    return LevelComparison(base, new, _claims(base, new, names, paired), _notes(base, new), ranks, paired)


def _of_ranks(base: ComparedLevel, new: ComparedLevel, family: str, paired: bool) -> RankClaim:
    per_request = MEASURES[f"{family}_p50"].per_request
    why = _forbidden(base, new) or (work_differs(base, new) if per_request else "")
    why = why or _unknown(base, new, f"{family}_p50")
    if why:
        return RankClaim(family, why_none=why)
    sides = [list(zip(level.series.get(family, ()), level.states, strict=True)) for level in (base, new)]
    known = [[(values, state) for values, state in side if state is not None] for side in sides]
    if any(len(one) < len(all_of) for one, all_of in zip(known, sides, strict=True)):
        return RankClaim(family, why_none="the queue of a repeat grew, so its times only tell how long was measured")
    found = rank_effect(known[0], known[1], paired=paired)
    if found is None:
        return RankClaim(family, why_none="the single requests are not known")
    if found.enough < 1:
        return RankClaim(family, why_none=_too_few(found.enough))
    return RankClaim(family, found, found.p)


def _too_few(enough: float) -> str:
    longer = f"measure {math.ceil(10 / max(enough, 1e-9)) / 10:.2g} times as long" if enough > 0.01 else "too few"
    return f"too few independent requests: {longer}"


def work_differs(base: ComparedLevel, new: ComparedLevel) -> str:
    """Why figures per request cannot be compared: the requests ask for different work; empty where they can."""
    for kind, word in (("completion", "output"), ("prompt", "prompt")):
        one, other = (number(level.row, f"{kind}_token_count_mean") for level in (base, new))
        if one and other is not None and abs(other - one) > UNEQUAL_WORK * max(one, other):
            return f"unequal work: {one:.4g} against {other:.4g} {word} tokens a request"
    return ""


def _claims(base: ComparedLevel, new: ComparedLevel, names: Sequence[str], paired: bool) -> tuple[Claim, ...]:
    forbidden, unequal = _forbidden(base, new), work_differs(base, new)
    claims = []
    for name in names:
        measure = MEASURES[name]
        values = base.figures[name].value, new.figures[name].value
        why = forbidden or (unequal if measure.per_request else "") or _unknown(base, new, name)
        if why:
            claims.append(Claim(measure, *values, why_none=why))
        elif name == "error_rate":
            claims.append(_of_errors(measure, base, new))
        else:
            claims.append(_of_figures(measure, base.figures[name], new.figures[name], paired))
    return tuple(claims)


def _forbidden(base: ComparedLevel, new: ComparedLevel) -> str:
    invalid = [which for which, level in (("base", base), ("new", new)) if level.row.get("verdict") == "invalid"]
    return f"the {' and the '.join(invalid)} level is invalid" if invalid else ""


def _unknown(base: ComparedLevel, new: ComparedLevel, name: str) -> str:
    missing = [which for which, level in (("base", base), ("new", new)) if level.figures[name].value is None]
    if missing:
        return f"not known of {' and '.join(missing)}"
    alone = [which for which, level in (("base", base), ("new", new)) if level.summary_only]
    if alone and name != "error_rate":
        return f"of {' and '.join(alone)} only the figures of another tool are known, not its requests"
    if MEASURES[name].family is None:
        return ""
    growing = [which for which, level in (("base", base), ("new", new)) if text(level.row, "sustainable") == "no"]
    return f"the queue of {' and '.join(growing)} grew, so its times only tell how long was measured" if growing else ""


def _of_figures(measure: Measure, base: Figure, new: Figure, paired: bool) -> Claim:
    enough = min(base.enough, new.enough)
    if enough < 1:
        return Claim(measure, base.value, new.value, why_none=_too_few(enough))
    in_turns = paired and len(base.readings) == len(new.readings)
    found = effect(base.readings, new.readings, paired=in_turns)
    if found is None:
        return Claim(measure, base.value, new.value, why_none="too short for an interval")
    return Claim(measure, base.value, new.value, found, found.p)


def _of_errors(measure: Measure, base: ComparedLevel, new: ComparedLevel) -> Claim:
    """The score test of two shares with Campbell's correction (2007, `(N-1)/N`); without an error it is 1."""
    counts = [(number(level.row, "errors"), number(level.row, "requests")) for level in (base, new)]
    (errors, requests), (new_errors, new_requests) = counts
    values = base.figures[measure.name].value, new.figures[measure.name].value
    if errors is None or new_errors is None or not requests or not new_requests:
        return Claim(measure, *values, why_none="the requests are not known")
    total, share = requests + new_requests, (errors + new_errors) / (requests + new_requests)
    variance = share * (1 - share) * (1 / requests + 1 / new_requests) * total / (total - 1)
    distance = abs(errors / requests - new_errors / new_requests)
    p = 1.0 if variance <= 0 else math.erfc(distance / math.sqrt(2 * variance))
    return Claim(measure, *values, p=p)


def _notes(base: ComparedLevel, new: ComparedLevel) -> tuple[str, ...]:
    """What differs in how two levels were measured, said before any number."""
    notes = [
        f"{word}: {base.setup.get(word) or 'not known'} against {new.setup.get(word) or 'not known'}"
        for word in dict.fromkeys((*base.setup, *new.setup))
        if base.setup.get(word) != new.setup.get(word)
    ]
    if unequal := work_differs(base, new):
        notes.append(f"{unequal}; compare TPOT, output tokens/s and USD per token")
    shares = [number(level.row, "cached_token_share") for level in (base, new)]
    if shares[0] is not None and shares[1] is not None and abs(shares[0] - shares[1]) > UNEQUAL_WORK:
        notes.append(f"prompt tokens from a cache: {shares[0]:.0%} against {shares[1]:.0%}")
    for word, name in (("verdict", "verdict"), ("sustainable", "sustainable"), ("price of", "price_source")):
        one, other = text(base.row, name), text(new.row, name)
        if one != other:
            notes.append(f"{word}: {one or 'not known'} against {other or 'not known'}")
    repeats = (base.repeats, new.repeats)
    if not base.summary_only and not new.summary_only and min(repeats) == 1:
        notes.append("measured once, so this speaks of these runs only: set load.repeats to 3")
    return tuple(notes)
