"""The history of each experiment over many runs, and between which runs its figures changed.

An experiment is the same in two runs where its name, model, serving stack and instances are; its series are the
figures of the same payload file with the same prompts under the same load. Invalid levels are left out, and so are
percentiles of a queue that grew.

False alarms. Every history gets one p-value for "nothing changed" over all of its series (`change_points`). Benjamini
and Hochberg's procedure at `LEVEL` chooses the histories that say a change, and a series of a chosen one counts where
its own p-value, corrected for all series of the history, meets the same threshold (Benjamini & Bogomolov 2014). So
where nothing changed in any experiment, at most 5% of sites name a change at all, and where something did, 5% of the
experiments that are named are expected to be false. Each side of a change is looked at again at half of the threshold.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from fmbench_lib.metrics.many_runs.change_points import LEAST_RUNS, Break, clearest_break, clearest_place
from fmbench_lib.metrics.many_runs.indexed_run import IndexedExperiment, IndexedLevel, IndexedRun
from fmbench_lib.metrics.statistics.arrays import Floats

LEVEL = 0.05
WATCHED = (
    "latency_p95", "TTFT_p95", "TPOT_p50", "transactions_per_minute", "price_per_10k_txn", "error_rate", "quality",
)  # fmt: skip
"""The figures that are looked at for changes."""

_PERCENTILES = ("latency_p95", "TTFT_p95", "TPOT_p50")

Place: TypeAlias = tuple[str, str, str]
"""What makes levels of one experiment the same: payload file, hash of its prompts (empty if unknown), load."""


@dataclass(frozen=True, slots=True)
class ChangedFigure:
    """A figure that changed: its medians over the runs of the stretch before and after. `p` is corrected for all series
    of the history."""

    place: Place
    measure: str
    before: float | None
    after: float | None
    p: float


@dataclass(frozen=True, slots=True)
class Change:
    """A change between two runs that follow each other, given by their positions among all runs."""

    last_before: int
    first_after: int
    figures: tuple[ChangedFigure, ...]


@dataclass(frozen=True, slots=True)
class History:
    """An experiment over the runs that measured it, by their positions, oldest first. `p`: of nothing having changed,
    None where the runs are too few to tell."""

    experiment: IndexedExperiment
    runs: tuple[int, ...]
    changes: tuple[Change, ...] = ()
    p: float | None = None


@dataclass(frozen=True, slots=True)
class _Series:
    experiment: IndexedExperiment
    runs: tuple[int, ...]
    columns: tuple[tuple[Place, str], ...]
    values: Floats


def histories(runs: Sequence[IndexedRun]) -> list[History]:
    """The history of every experiment in `runs`, which are in the order in which they began; by number of runs."""
    series = [_series(experiment, found) for experiment, found in _by_experiment(runs).items()]
    breaks = [clearest_break(one.values) for one in series]
    threshold = _threshold([one.p for one in breaks if one is not None])
    made = [
        History(one.experiment, one.runs, tuple(_changes(one, first, threshold)), None if first is None else first.p)
        for one, first in zip(series, breaks, strict=True)
    ]
    return sorted(made, key=lambda history: (-len(history.runs), history.experiment.name))


def too_few(history: History) -> bool:
    """Whether no change could be seen, whatever happened."""
    return history.p is None and len(history.runs) < LEAST_RUNS


def _threshold(p_values: Sequence[float]) -> float:
    """Below or at which p-value a history changed (Benjamini & Hochberg 1995); 0 where none did."""
    ordered = sorted(p_values)
    passed = [LEVEL * place / len(ordered) for place, p in enumerate(ordered, 1) if p <= LEVEL * place / len(ordered)]
    return max(passed, default=0.0)


def _by_experiment(runs: Sequence[IndexedRun]) -> dict[IndexedExperiment, dict[int, list[IndexedLevel]]]:
    found: dict[IndexedExperiment, dict[int, list[IndexedLevel]]] = {}
    for position, run in enumerate(runs):
        for level in run.levels:
            found.setdefault(level.experiment, {}).setdefault(position, []).append(level)
    return found


def _series(experiment: IndexedExperiment, found: dict[int, list[IndexedLevel]]) -> _Series:
    cells: dict[tuple[Place, str], dict[int, float]] = {}
    for row, levels in enumerate(found.values()):
        for level in levels:
            for measure in WATCHED:
                value = counted(level, measure)
                if value is not None:
                    cells.setdefault((place_of(level), measure), {})[row] = value
    columns = tuple(cells)
    values = np.full((len(found), len(columns)), np.nan)
    for column, name in enumerate(columns):
        for row, value in cells[name].items():
            values[row, column] = value
    return _Series(experiment, tuple(found), columns, values)


def place_of(level: IndexedLevel) -> Place:
    """What makes a level the same as one of another run."""
    return level.payload_file, level.prompts or "", level.load


def counted(level: IndexedLevel, measure: str) -> float | None:
    """A figure as far as it says something of the endpoint: none of an invalid level, and no percentile of a queue that
    grew."""
    if level.verdict == "invalid" or (level.growing and measure in _PERCENTILES):
        return None
    return level.figures.get(measure)


def _changes(series: _Series, first: Break | None, threshold: float) -> Iterator[Change]:
    """The changes of a history from the oldest on; `first` is its clearest break.

    Each place is looked for again between its neighbours, as it was found while those were not known yet.
    """
    if first is None or first.p > threshold:
        return
    end = len(series.values)
    found = list(_breaks(series.values, 0, end, first, threshold))
    places = [place for place, _, _ in found]
    for number, (_, by_series, limit) in enumerate(found):
        low = places[number - 1] if number else 0
        high = places[number + 1] if number + 1 < len(places) else end
        again = clearest_place(series.values[low:high])
        places[number] = places[number] if again is None else low + again
        yield _change(series, (low, places[number], high), by_series, limit)


def _breaks(
    values: Floats, start: int, end: int, found: Break, threshold: float
) -> Iterator[tuple[int, tuple[float, ...], float]]:
    """The breaks of a stretch in order: their place, the p-values of the series there, and what these have to meet."""
    middle = start + found.place
    for low, high in ((start, middle), (middle, end)):
        if low == middle:
            yield middle, found.by_series, threshold
        again = clearest_break(values[low:high])
        if again is not None and again.p <= threshold / 2:
            yield from _breaks(values, low, high, again, threshold / 2)


def _change(series: _Series, stretch: tuple[int, int, int], by_series: Sequence[float], threshold: float) -> Change:
    start, middle, end = stretch
    figures = [
        ChangedFigure(
            *series.columns[column],
            before=_median(series.values[start:middle, column]),
            after=_median(series.values[middle:end, column]),
            p=p,
        )
        for column, p in enumerate(by_series)
        if p <= threshold
    ]
    return Change(series.runs[middle - 1], series.runs[middle], tuple(figures))


def _median(values: Floats) -> float | None:
    known = values[np.isfinite(values)]
    return float(np.median(known)) if known.size else None
