"""The shift function: by how much each quantile of one level differs from that of another (Doksum 1974).

A level that is slower everywhere has a flat one; one whose tail alone grew, a rising end. Intervals are those of each
quantile by itself: the claims of a comparison are its percentiles and the rank test, this is a picture of where the
difference lies.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fmbench_lib.metrics.comparison.claims import LevelComparison
from fmbench_lib.metrics.comparison.compared_level import ComparedLevel, complete_readings, reading_of
from fmbench_lib.metrics.statistics.arrays import Floats
from fmbench_lib.metrics.statistics.correlated import State, quantile_interval, rough_interval
from fmbench_lib.metrics.statistics.effects import Reading, effect

SHIFT_QUANTILES = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99)


@dataclass(frozen=True, slots=True)
class Shift:
    """A quantile of both levels, s, pooled over their repeats; the relative change from base to new, and the ends of
    its 95% interval, None where too little is known for one.
    """

    q: float
    base: float
    new: float
    change: float
    low: float | None = None
    high: float | None = None


def shift_function(level: LevelComparison, family: str) -> list[Shift]:
    """The shifts of a family of times; none where the single requests of a level are not known."""
    base, new = (_known(side, family) for side in (level.base, level.new))
    if not base.size or not new.size:
        return []
    return [_shift(level, family, q, float(np.quantile(base, q)), float(np.quantile(new, q))) for q in SHIFT_QUANTILES]


def _shift(level: LevelComparison, family: str, q: float, base: float, new: float) -> Shift:
    readings = [_readings(side, family, q) for side in (level.base, level.new)]
    paired = level.paired and len(readings[0]) == len(readings[1])
    found = effect(*readings, paired=paired)
    change = new / base - 1 if base > 0 else 0.0
    if found is None:
        return Shift(q, base, new, change)
    return Shift(q, base, new, found.change, found.low, found.high)


def _readings(side: ComparedLevel, family: str, q: float) -> tuple[Reading, ...]:
    """A reading of each repeat; none where they are too short together, or where a queue grew."""
    parts = [(values, state) for values, state in zip(side.series.get(family, ()), side.states, strict=True) if state]
    if len(parts) < len(side.states) or sum(_enough(values, q, state) for values, state in parts) < 1:
        return ()
    found = [rough_interval(values, q, state) for values, state in parts]
    return complete_readings([reading_of(one.value, one.low, one.high) for one in found], parts)


def _enough(values: Floats, q: float, state: State) -> float:
    return 1 / quantile_interval(values, q, state).longer


def _known(side: ComparedLevel, family: str) -> Floats:
    series = side.series.get(family, ())
    values = np.concatenate(series) if series else np.array([])
    known: Floats = values[np.isfinite(values)]
    return known
