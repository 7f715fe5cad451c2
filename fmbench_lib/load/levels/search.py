"""The search for the greatest load that meets its objectives, in few levels. Pure: numbers in, the next load out.

First the answer is bracketed: the load grows by factors until a level misses, or shrinks until one meets. Then the
bracket is narrowed. As each level is a noisy measurement, no single level is trusted: all of them together give a
probability distribution of the answer (see `_Answer`). The next load is the most informative one, and the search ends
when the distribution, and measured levels on both sides of it, are within 5% (or on neighbouring whole numbers).

`Search.next_load` is a function of the levels tried so far alone, so that an interrupted search goes on where it was.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np

Kind: TypeAlias = Literal["max_concurrency", "max_request_rate"]
Ended: TypeAlias = Literal["decided", "most", "client", "levels", "nothing"]
Floats: TypeAlias = np.ndarray[Any, np.dtype[np.float64]]

TOLERANCE = 1.05
"""A rate is found when what meets and what misses are within this ratio."""

# Bracketing: factors of the load; margins from which they are the smaller one; what less load must gain to go on.
_GROWTH, _NEAR_GROWTH = 4.0, 2.0
_NEAR = 0.3
_RISE = 0.1
_NO_BETTER = 0.02

# How far a margin may be off the curve: its standard error (the first constant where there is no interval) times a
# doubt, as intervals are too narrow where requests queue; at least so much; and a share of the curve, whose shape is
# unknown. The values were chosen on simulated queues, where the 90% range then contains the truth about that often.
_UNKNOWN_ERROR = 0.3
_DOUBT = 2.0
_LEAST_ERROR = 0.02
_CURVE_ERROR = 0.4
_OUTLIERS = 0.02

_APART = 1.01
_Z95 = 1.96
_SLOPES = np.geomspace(0.5, 30.0, 24)
_STEP = 0.0025
_REACH = math.log(4.0)


@dataclass(frozen=True, slots=True)
class Objective:
    """A limit for one figure of a level, named by its column: at most `limit`, or at least that with `at_least`."""

    name: str
    limit: float
    at_least: bool = False

    def met(self, value: float | None) -> bool:
        """Whether this value meets the objective; an unknown value does not."""
        if value is None:
            return False
        return value >= self.limit if self.at_least else value <= self.limit


@dataclass(frozen=True, slots=True)
class Reading:
    """A figure of a level with its 95% interval; None for what is not known."""

    value: float | None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class Tried:
    """A level that was measured: its load, and its readings by the names of the objectives.

    `overloaded`: the endpoint could not keep up, so that the level misses whatever its readings are: requests in flight
    kept growing (percentiles then depend on how long was measured), or most requests failed. `unusable`: the client
    made the level invalid, so that nothing is known of this load or of greater ones.
    """

    load: float
    readings: Mapping[str, Reading]
    overloaded: bool = False
    unusable: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of a search so far. Loads are loads of levels that were tried.

    `found` is the greatest that met the objectives, `missed` the least above it that did not, None where there is
    none. `low` and `high` enclose the greatest load that would meet them with 90% probability, None until it is
    bracketed. `ended` is None while the search goes on, else `decided`, or what limited it.
    """

    found: float | None
    missed: float | None
    low: float | None
    high: float | None
    ended: Ended | None


@dataclass(frozen=True, slots=True)
class Search:
    """A search. `most` bounds the load (None: no bound), `levels` the number of levels tried."""

    kind: Kind
    objectives: tuple[Objective, ...]
    start: float = 1.0
    most: float | None = None
    levels: int = 12

    def next_load(self, tried: Sequence[Tried]) -> int | float | None:
        """The load of the next level, never one that was tried; None when the search has ended."""
        load, _ = self._step(tried)
        if load is None or len(tried) >= self.levels:
            return None
        return int(load) if self.whole else load

    def result(self, tried: Sequence[Tried]) -> Outcome:
        """The result of the levels tried so far."""
        load, ended = self._step(tried)
        if load is not None:
            ended = "levels" if len(tried) >= self.levels else None
        judged = [level for level in tried if not level.unusable]
        answer = self._answer(tried) if self._bracketed(judged) else None
        found, missed = self._sides(judged, answer)
        low, high = (answer.quantile(0.05), answer.quantile(0.95)) if answer else (None, None)
        return Outcome(found, missed, low, high, ended)

    def meets(self, level: Tried) -> bool:
        """Whether a level met every objective, by its own figures."""
        return not level.overloaded and all(each.met(level.readings[each.name].value) for each in self.objectives)

    @property
    def whole(self) -> bool:
        """Whether loads are whole numbers."""
        return self.kind == "max_concurrency"

    # -- the next step: a load to try, or why there is none ------------------------------------------------------

    def _step(self, tried: Sequence[Tried]) -> tuple[float | None, Ended | None]:
        if not tried:
            return min(self._rounded(self.start), self._bound), None
        judged = [level for level in tried if not level.unusable]
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
        limit = self._client_bound(tried)
        if limit is not None:
            between = self._between(top.load, limit, tried)
            return between, "client" if between is None else None
        if top.load >= self._bound:
            return None, "most"
        margin, _ = self._margin(top)
        rising = below and margin - self._margin(below[-1])[0] > _RISE
        factor = _NEAR_GROWTH if rising or margin > -_NEAR else _GROWTH
        return min(self._rounded(top.load * factor), self._bound), None

    def _shrink(self, tried: Sequence[Tried]) -> tuple[float | None, Ended | None]:
        """Nothing met the objectives: try less, until that makes no difference."""
        order = sorted(tried, key=lambda level: level.load)
        lowest = order[0]
        if self.whole and lowest.load <= 1:
            return None, "client" if lowest.unusable else "nothing"
        judged = [level for level in order if not level.unusable]
        if not self.whole and len(judged) >= 3 and self._distance(judged[0]) > self._distance(judged[2]) - _NO_BETTER:
            return None, "nothing"
        factor = _GROWTH if not judged or self._margin(judged[0])[0] > _NEAR else _NEAR_GROWTH
        return self._rounded(max(lowest.load / factor, 1.0 if self.whole else 0.0)), None

    def _narrow(self, tried: Sequence[Tried], judged: Sequence[Tried]) -> tuple[float | None, Ended | None]:
        answer = self._answer(tried)
        found, missed = self._sides(judged, answer)
        if self._decided(answer, found, missed):
            return None, "decided"
        limit = self._client_bound(tried) or math.inf
        for load in self._candidates(answer, found, missed, self.levels - len(tried)):
            if load <= self._bound and load < limit and self._is_new(load, tried):
                return load, None
        return None, "decided"

    def _decided(self, answer: _Answer, found: float | None, missed: float | None) -> bool:
        if found is None or missed is None:
            return False
        low, high = answer.quantile(0.1), answer.quantile(0.9)
        if self.whole:
            return missed - found <= 1 and high - low <= max(1.0, (TOLERANCE - 1) * found)
        return missed / found <= TOLERANCE and high / low <= TOLERANCE

    def _candidates(self, answer: _Answer, found: float | None, missed: float | None, left: int) -> Iterator[float]:
        """The most informative loads, best first: in the middle of the likely range, or to confirm one of its sides."""
        middle, low, high = (answer.quantile(share) for share in (0.5, 0.1, 0.9))
        if self.whole:
            near = range(max(1, math.floor(low)), math.ceil(high) + 1)
            yield from sorted((float(count) for count in near), key=lambda count: abs(count + 0.5 - middle))
            return
        unshown = found is None or found < middle / TOLERANCE
        sure = high / low <= TOLERANCE
        if unshown and (sure or left <= 2):
            yield from (self._rounded(min(middle * 0.98, middle if sure else low) * 0.98**step) for step in range(8))
        if sure:
            yield from (self._rounded(middle * 1.02**step) for step in range(1, 5))
        yield from (self._rounded(answer.quantile(share)) for share in (0.5, 0.3, 0.7, 0.2, 0.8, 0.1, 0.9))

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

    def _client_bound(self, tried: Sequence[Tried]) -> float | None:
        return min((level.load for level in tried if level.unusable), default=None)

    def _sides(self, judged: Sequence[Tried], answer: _Answer | None) -> tuple[float | None, float | None]:
        """The greatest load that met the objectives, and not by chance, and the least above it that did not."""
        likely = [level for level in judged if not answer or answer.at_least(level.load) >= 0.5]
        found = max((level.load for level in likely if self.meets(level)), default=None)
        above = [level.load for level in judged if found is None or level.load > found]
        return found, min(above, default=None)

    def _distance(self, level: Tried) -> float:
        """How far a level is from meeting its worst objective: log(value / limit), infinite where that is not known."""
        distances = [_distance(each, level.readings[each.name].value) for each in self.objectives]
        return math.inf if level.overloaded else max(distances)

    def _margin(self, level: Tried) -> tuple[float, float]:
        """How far a level misses its worst objective, from -1 to 1 with 0 at the limit, and its standard error.

        It is the hyperbolic tangent of log(value / limit): near the limit the relative distance from it, far away only
        the side. A limit of zero has two sides and no distance, which is an infinite standard error.
        """
        margins = [_margin(each, level.readings[each.name]) for each in self.objectives]
        worst = max(margins)
        return (1.0, math.inf) if level.overloaded else worst

    def _answer(self, tried: Sequence[Tried]) -> _Answer:
        judged = [level for level in tried if not level.unusable]
        loads = np.array([math.log(level.load) for level in judged])
        margins = np.array([self._margin(level) for level in judged])
        least = math.log(0.999) if self.whole else -math.inf
        most = math.log(min(self._client_bound(tried) or math.inf, self._bound * TOLERANCE))
        return _Answer.of(loads, margins[:, 0], margins[:, 1], least, most)


def _distance(objective: Objective, value: float | None) -> float:
    if value is None or value <= 0 or objective.limit <= 0:
        return -math.inf if objective.met(value) else math.inf
    distance = math.log(value / objective.limit)
    return -distance if objective.at_least else distance


def _margin(objective: Objective, reading: Reading) -> tuple[float, float]:
    distance = _distance(objective, reading.value)
    if math.isinf(distance):
        return math.copysign(1.0, distance), math.inf
    error = _UNKNOWN_ERROR
    if reading.low is not None and reading.high is not None and reading.low > 0:
        error = math.log(reading.high / reading.low) / (2 * _Z95)
    margin = math.tanh(distance)
    return margin, error * (1 - margin**2)


@dataclass(frozen=True, slots=True)
class _Answer:
    """The probability distribution of the greatest load that meets the objectives, on a grid of its logarithms.

    The margin over the logarithm of the load is modelled as a curve that rises from the lowest level's margin through 0
    at the answer towards 1, with an unknown slope: so a level near the answer counts by its distance from the limit,
    one far away by its side alone. A level's margin scatters about the curve with its own standard error (the interval
    of its percentile) and that of the curve; one level in fifty is an outlier.
    """

    grid: Floats
    below: Floats
    """The probability that the answer is at or below each point of the grid."""

    @classmethod
    def of(cls, loads: Floats, margins: Floats, errors: Floats, least: float, most: float) -> _Answer:
        low, high = max(float(loads.min()) - _REACH, least), min(float(loads.max()) + _REACH, most)
        grid = np.arange(low, high + _STEP, _STEP)
        floor = float(np.clip(-margins.min(), 0.1, 1.0))
        logs = np.zeros((len(_SLOPES), len(grid)))
        for load, margin, error in zip(loads, margins, errors, strict=True):
            rise = _SLOPES[:, None] * (load - grid)[None, :]
            if math.isinf(error):
                logs += np.log(np.where(rise * margin > 0, 1.0, _OUTLIERS))
                continue
            curve = np.where(rise > 0, np.tanh(rise), floor * np.tanh(rise / floor))
            scale = np.sqrt((_DOUBT * error) ** 2 + _LEAST_ERROR**2 + (_CURVE_ERROR * curve) ** 2)
            chance = np.exp(-0.5 * ((margin - curve) / scale) ** 2) / (scale * math.sqrt(2 * math.pi))
            logs += np.log((1 - _OUTLIERS) * chance + _OUTLIERS / 2)
        weight = np.exp(logs - logs.max()).sum(axis=0)
        return cls(grid, np.cumsum(weight) / weight.sum())

    def quantile(self, share: float) -> float:
        """The load that the answer is below with this probability."""
        index = min(int(np.searchsorted(self.below, share)), len(self.grid) - 1)
        return math.exp(float(self.grid[index]))

    def at_least(self, load: float) -> float:
        """The probability that the answer is this load or a greater one."""
        index = int(np.searchsorted(self.grid, math.log(load)))
        return 1.0 - (float(self.below[index - 1]) if index > 0 else 0.0)
