"""The greatest load that meets its objectives, from one model of all levels. Numbers in, the next load out.

First the answer is bracketed: the load grows by factors until a level misses, or shrinks until one meets. From then on
the distribution of the answer (`capacity_posterior`) decides: levels are measured at its median, where they are most
informative; the last ones show the answer, at a load that the distribution holds for safe, and confirm it by a repeat.

`next_load` is a function of the levels tried so far and of nothing else, so that a search that was cut short goes on
where it was. It may ask for a load that was tried before: that is the confirmation.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from fmbench_lib.load.levels.capacity_posterior import CapacityPosterior, Look
from fmbench_lib.load.levels.search_terms import Ended, Kind, Objective, Outcome, Reading, Tried

TOLERANCE = 1.05
"""A rate is found when what meets and what misses are within this ratio."""

SAFE = 0.95
"""The answer is at most 5% too high with this probability."""

RESERVED = 4
"""Levels that are kept for showing the answer and confirming it."""

_GROWTH, _NEAR_GROWTH = 4.0, 2.0
_NEAR, _RISE, _NO_BETTER = 0.3, 0.1, 0.02
_WORTH_SHOWING = 1.1
_NEAR_MISS = 1.08
_UNKNOWN_ERROR, _UNKNOWN_ERROR_CLOSED = 0.8, 0.4
_CERTAIN_SHARE = 0.4
_APART = 1.01
_NEIGHBOURS, _MOST_REPEATS = 3, 4
_Z95 = 1.96


@dataclass(frozen=True, slots=True)
class Search:
    """A search. `most` bounds the load (None: no bound), `levels` the number of levels tried."""

    kind: Kind
    objectives: tuple[Objective, ...]
    start: float = 1.0
    most: float | None = None
    levels: int = 12

    def next_load(self, tried: Sequence[Tried]) -> int | float | None:
        """The load of the next level; one that was tried is to be measured again. None when the search has ended."""
        load, _ = self._step(tried)
        if load is None or len(tried) >= self.levels:
            return None
        return int(load) if self.whole else load

    def result(self, tried: Sequence[Tried]) -> Outcome:
        """The result of the levels tried so far."""
        load, ended = self._step(tried)
        if load is not None:
            ended = "levels" if len(tried) >= self.levels else None
        judged = _judged(tried)
        posterior = self._posterior(tried) if self._bracketed(judged) else None
        found = self._answer(tried, posterior)
        missed = min(self._misses_above(judged, found), default=None)
        low, high = self._range(posterior, found) if posterior else (None, None)
        return Outcome(found, self._is_confirmed(judged, found), missed, low, high, ended)

    def meets(self, level: Tried) -> bool:
        """Whether a level met every objective, by its own figures."""
        return not level.overloaded and all(each.met(level.readings[each.name].value) for each in self.objectives)

    @property
    def whole(self) -> bool:
        """Whether loads are whole numbers."""
        return self.kind == "max_concurrency"

    def _range(self, posterior: CapacityPosterior, found: float | None) -> tuple[float, float]:
        """The range of the answer with 90% probability. The distribution is that of a continuous load: where it says
        8.4 to 8.9 in flight, the greatest whole number that meets is 8, so the low end is rounded down. A load that
        met is in the range, also where a figure that leaps just above it draws the distribution past it."""
        low, high = posterior.quantile(0.05), posterior.quantile(0.95)
        low = self._rounded(low) if self.whole else low
        return (low, high) if found is None else (min(low, found), max(high, found))

    # -- the next step: a load to try, or why there is none ------------------------------------------------------

    def _step(self, tried: Sequence[Tried]) -> tuple[float | None, Ended | None]:
        if not tried:
            return min(self._rounded(self.start), self._bound), None
        judged = _judged(tried)
        if self._bracketed(judged):
            return self._narrow(tried, judged)
        if judged and self.meets(judged[0]):
            return self._grow(tried, judged)
        return self._shrink(tried)

    def _bracketed(self, judged: Sequence[Tried]) -> bool:
        return len({self.meets(level) for level in judged}) == 2

    def _grow(self, tried: Sequence[Tried], judged: Sequence[Tried]) -> tuple[float | None, Ended | None]:
        """Everything met the objectives: try more, by less where the figures begin to rise."""
        *below, top = sorted(judged, key=lambda level: level.load)
        limit = _client_bound(tried)
        if limit is not None:
            between = self._between(top.load, limit, tried)
            return between, "client" if between is None else None
        if top.load >= self._bound:
            return None, "most"
        margin = math.tanh(self._distance(top))
        rising = below and margin - math.tanh(self._distance(below[-1])) > _RISE
        factor = _NEAR_GROWTH if rising or margin > -_NEAR else _GROWTH
        return min(self._rounded(top.load * factor), self._bound), None

    def _shrink(self, tried: Sequence[Tried]) -> tuple[float | None, Ended | None]:
        """Nothing met the objectives: try less, until that makes no difference."""
        order = sorted(tried, key=lambda level: level.load)
        lowest, judged = order[0], _judged(order)
        if self.whole and lowest.load <= 1:
            return None, "client" if lowest.unusable else "nothing"
        if not self.whole and len(judged) >= 3 and self._distance(judged[0]) > self._distance(judged[2]) - _NO_BETTER:
            return None, "nothing"
        near = judged and math.tanh(self._distance(judged[0])) <= _NEAR
        factor = _NEAR_GROWTH if near else _GROWTH
        return self._rounded(max(lowest.load / factor, 1.0 if self.whole else 0.0)), None

    def _narrow(self, tried: Sequence[Tried], judged: Sequence[Tried]) -> tuple[float | None, Ended | None]:
        posterior = self._posterior(tried)
        found = self._found(judged, posterior)
        sure = self._sure(posterior)
        confirmed = self._is_confirmed(judged, found)
        limit = min(_client_bound(tried) or math.inf, self._bound * 1.000001)
        if sure and confirmed:
            above = self._showing_a_miss(posterior, found, self._misses_above(judged, found))
            new = next((load for load in above if load < limit and self._is_new(load, tried)), None)
            load = self._in_doubt(judged, found) if new is None else new
            return load, "decided" if load is None else None
        left = self.levels - len(tried)
        showing = sure or left <= RESERVED
        better = left > 1 and (found is None or self._safe(posterior) > _WORTH_SHOWING * found)
        if showing and found is not None and not confirmed and not better:
            return found, None
        for load in self._candidates(posterior, showing and better):
            if load < limit and self._is_new(load, tried):
                return load, None
        again = self._again(tried, posterior, found)
        return again, "decided" if again is None else None

    def _again(self, tried: Sequence[Tried], posterior: CapacityPosterior, found: float | None) -> float | None:
        """A load to repeat where no new one tells more: the answer until it is confirmed, else one near the middle."""
        judged = _judged(tried)
        if found is not None and not self._is_confirmed(judged, found):
            return found
        near = sorted({level.load for level in judged}, key=lambda load: abs(math.log(load / posterior.quantile(0.5))))
        few = (load for load in near[:_NEIGHBOURS] if sum(level.load == load for level in judged) < _MOST_REPEATS)
        return next(few, None)

    def _sure(self, posterior: CapacityPosterior) -> bool:
        low, high = posterior.quantile(0.1), posterior.quantile(0.9)
        return high - low <= max(1.0, (TOLERANCE - 1) * low) if self.whole else high / low <= TOLERANCE

    def _candidates(self, posterior: CapacityPosterior, showing: bool) -> Iterator[float]:
        """The most informative loads, best first: safe ones to show an answer at, else those in the likely middle."""
        if showing:
            yield from (self._rounded(self._safe(posterior) * 0.98**step) for step in range(12))
        yield from (self._rounded(posterior.quantile(share)) for share in (0.5, 0.35, 0.65, 0.2, 0.8, 0.1, 0.9))

    def _showing_a_miss(
        self, posterior: CapacityPosterior, found: float | None, misses: Sequence[float]
    ) -> Iterator[float]:
        """Loads that would show where the answer ends, where no level near above it has missed yet."""
        missed = min((load for load in misses if posterior.at_least(load) < 0.5), default=None)
        if found is None or (missed is not None and missed <= max(found + 1.0 * self.whole, found * _NEAR_MISS)):
            return
        if self.whole:
            yield float(math.floor(max(found, posterior.quantile(0.9))) + 1)
        else:
            yield from (self._rounded(posterior.quantile(0.95) * factor) for factor in (1.01, 1.025))

    def _in_doubt(self, judged: Sequence[Tried], found: float | None) -> float | None:
        """The next whole number above the answer, to be repeated, where it met too but is not shown to be safe."""
        above = [self.meets(level) for level in judged if self.whole and found is not None and level.load == found + 1]
        doubtful = found is not None and 2 * sum(above) > len(above) and len(above) < _MOST_REPEATS
        return found + 1 if found is not None and doubtful else None

    def _safe(self, posterior: CapacityPosterior) -> float:
        """A load that is likely to be found: a little below the greatest that the distribution holds for safe."""
        return posterior.quantile(1 - SAFE) * (1.0 if self.whole else math.sqrt(TOLERANCE))

    def _is_new(self, load: float, tried: Sequence[Tried]) -> bool:
        if self.whole:
            return all(load != level.load for level in tried)
        return all(not 1 / _APART < load / level.load < _APART for level in tried)

    def _between(self, low: float, high: float, tried: Sequence[Tried]) -> float | None:
        """The middle of two loads on a logarithmic scale; None where they are close enough."""
        load = self._rounded(math.sqrt(low * high))
        near = high - low <= 1 if self.whole else high / low <= TOLERANCE
        return None if near or not self._is_new(load, tried) else load

    @property
    def _bound(self) -> float:
        """The greatest load that may be tried, as loads are rounded."""
        if self.most is None:
            return math.inf
        load = self._rounded(self.most)
        return load if load <= self.most else self._rounded(load * 0.995)

    def _rounded(self, load: float) -> float:
        """A load as it is tried: whole requests in flight, rates to three digits so that they can be named."""
        return float(max(1, math.floor(load))) if self.whole else float(f"{load:.3g}")

    # -- what the levels say ---------------------------------------------------------------------------------------

    def _found(self, judged: Sequence[Tried], posterior: CapacityPosterior | None) -> float | None:
        """The greatest load that met more often than not, and is safe by the distribution."""
        return max(self._safe_loads(judged, posterior), default=None)

    def _answer(self, tried: Sequence[Tried], posterior: CapacityPosterior | None) -> float | None:
        """The load to report: what was found or, where no level is left to confirm that, a confirmed load near it."""
        judged = _judged(tried)
        loads = self._safe_loads(judged, posterior)
        found = max(loads, default=None)
        if found is None or self._is_confirmed(judged, found) or len(tried) < self.levels:
            return found
        least = min(found - 1.0 * self.whole, found / _WORTH_SHOWING)
        return max((load for load in loads if load >= least and self._is_confirmed(judged, load)), default=found)

    def _safe_loads(self, judged: Sequence[Tried], posterior: CapacityPosterior | None) -> list[float]:
        votes: dict[float, int] = {}
        for level in judged:
            votes[level.load] = votes.get(level.load, 0) + (1 if self.meets(level) else -1)
        return [load for load, lead in votes.items() if lead > 0 and self._is_safe(load / TOLERANCE, posterior)]

    def _is_confirmed(self, judged: Sequence[Tried], found: float | None) -> bool:
        return sum(level.load == found and self.meets(level) for level in judged) > 1

    def _is_safe(self, load: float, posterior: CapacityPosterior | None) -> bool:
        return posterior is None or posterior.at_least(load) >= SAFE

    def _misses_above(self, judged: Sequence[Tried], found: float | None) -> list[float]:
        return [level.load for level in judged if not self.meets(level) and (found is None or level.load > found)]

    def _distance(self, level: Tried) -> float:
        """How far a level is from meeting its worst objective: log(value / limit), infinite where that is not known."""
        distances = [_distance(each, level.readings[each.name].value) for each in self.objectives]
        return math.inf if level.overloaded else max(distances)

    def _look(self, level: Tried, by_side: bool) -> Look:
        if level.overloaded or (by_side and self.meets(level)):
            return Look(math.log(level.load), math.inf if level.overloaded else -math.inf, math.inf, math.inf)
        looks = [(_distance(each, level.readings[each.name].value), each) for each in self.objectives]
        distance, worst = max(looks, key=lambda look: look[0])
        unknown = _UNKNOWN_ERROR_CLOSED if self.whole else _UNKNOWN_ERROR
        return Look(math.log(level.load), distance, *_errors(level.readings[worst.name], worst, distance, unknown))

    def _is_known_by_side(self, judged: Sequence[Tried]) -> bool:
        """Whether the least load that misses does so by objectives alone that say no more than a side, such as no
        errors: how far the others are from their limits then tells nothing of where the answer lies."""
        missed = [level for level in judged if not self.meets(level)]
        least = [level for level in missed if level.load == min(each.load for each in missed)]
        values = [(each, level.readings[each.name].value) for level in least for each in self.objectives]
        sides = [not each.met(value) for each, value in values if each.limit <= 0]
        return any(sides) and all(value is None or each.met(value) for each, value in values if each.limit > 0)

    def _posterior(self, tried: Sequence[Tried]) -> CapacityPosterior:
        """The distribution of the answer. A closed loop's requests in flight are given, so that its queue remembers no
        more than a few responses: its levels are not too short for that and have no common optimism."""
        least = math.log(0.999) if self.whole else -math.inf
        most = math.log(min(_client_bound(tried) or math.inf, self._bound * TOLERANCE))
        judged = _judged(tried)
        looks = [self._look(level, self._is_known_by_side(judged)) for level in judged]
        return CapacityPosterior.of(looks, least, most, optimism=not self.whole)


def _judged(tried: Sequence[Tried]) -> list[Tried]:
    return [level for level in tried if not level.unusable]


def _client_bound(tried: Sequence[Tried]) -> float | None:
    return min((level.load for level in tried if level.unusable), default=None)


def _distance(objective: Objective, value: float | None) -> float:
    if value is None or value <= 0 or objective.limit <= 0:
        return -math.inf if objective.met(value) else math.inf
    distance = math.log(value / objective.limit)
    return -distance if objective.at_least else distance


def _errors(reading: Reading, objective: Objective, distance: float, unknown: float) -> tuple[float, float]:
    """The standard errors of a distance below and above it, from the reading's interval; `unknown` where an end is."""
    if math.isinf(distance) or not reading.value:
        return math.inf, math.inf
    below, above = (_deviation(reading.value, end, unknown) for end in (reading.low, reading.high))
    below = max(below, _CERTAIN_SHARE * above)
    return (above, below) if objective.at_least else (below, above)


def _deviation(value: float, end: float | None, unknown: float) -> float:
    return unknown if end is None or end <= 0 else abs(math.log(end / value)) / _Z95
