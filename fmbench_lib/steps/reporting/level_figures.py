"""The figures of a run's levels, one level after the other: its records are read, measured, and let go."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pandas as pd

from fmbench_lib.load.recording.stored_level import OF_FIGURES, StoredLevel
from fmbench_lib.metrics import tables
from fmbench_lib.metrics.columns import Cells
from fmbench_lib.metrics.drawn_requests import KeptRanks, distributions_of, drawn_of_each, drawn_places
from fmbench_lib.metrics.groups.host_load import host_cells
from fmbench_lib.metrics.imported_level import ImportedLevel
from fmbench_lib.metrics.imported_row import imported_frame
from fmbench_lib.metrics.level_row import derived_row, measured_cells, slices_of, whole_level
from fmbench_lib.metrics.level_sample import LevelSample
from fmbench_lib.metrics.measuring_again import last_attempts
from fmbench_lib.metrics.objectives import Objectives
from fmbench_lib.metrics.pooled_row import pooled_measures
from fmbench_lib.metrics.repeated_levels import level_of
from fmbench_lib.metrics.statistics.arrays import Integers
from fmbench_lib.metrics.window import Window
from fmbench_lib.pricing.price_list import PriceList
from fmbench_lib.steps.losses import Losses
from fmbench_lib.workspace import LevelKey

_Level = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class LevelFigures:
    """What the records of a level came to: the cells that were measured, its slices, the window that counts, and the
    positions of the requests that are drawn, None for all."""

    level: StoredLevel
    cells: Cells
    slices: tuple[Cells, ...]
    window: Window | None
    drawn: Integers | None


@dataclass(slots=True)
class RunFigures:
    """Those of all levels, in order; by level what its repeats give together, and the distributions of levels of which
    only some requests are drawn."""

    levels: list[LevelFigures] = field(default_factory=list)
    pooled: dict[_Level, Cells] = field(default_factory=dict)
    distributions: dict[_Level, dict[str, KeptRanks]] = field(default_factory=dict)


def run_figures(
    levels: Sequence[StoredLevel], prices: PriceList, objectives: Objectives, losses: Losses, *, pool: bool = True
) -> RunFigures:
    """The figures of the levels, without those whose records cannot be read or break the figures; with `pool`, also
    what the repeats of a level that count give together."""
    most = drawn_of_each([level.count for level in levels])
    found, places = RunFigures(), {}
    for group in _groups(levels, pool):
        samples: list[LevelSample] = []
        for place in group:
            with losses.of(f"the figures of {name_of(levels[place].facts)}"):
                sample = whole_level(*levels[place].data(OF_FIGURES), objectives)
                places[place] = _figures(levels[place], sample, prices, most)
                samples.append(sample)
            sample = None  # type: ignore[assignment]  # the next level is read after this one is gone
            if len(group) == 1:
                break
        if samples and len(group) > 1:
            with losses.of("repeated_levels.csv"):
                found.pooled[level_of(levels[group[0]].facts)] = pooled_measures(samples)
        if any(place in places and places[place].drawn is not None for place in group):
            with losses.of("the distributions of requests"):
                found.distributions[level_of(levels[group[0]].facts)] = distributions_of(samples)
    found.levels = [places[place] for place in sorted(places)]
    return found


def _groups(levels: Sequence[StoredLevel], pool: bool) -> list[list[int]]:
    """The positions of the levels: the repeats that count together, any other attempt by itself."""
    last = last_attempts([level.facts for level in levels])
    groups: dict[object, list[int]] = {}
    for place, (level, is_last) in enumerate(zip(levels, last, strict=True)):
        groups.setdefault(level_of(level.facts) if pool and is_last else place, []).append(place)
    return list(groups.values())


def _figures(level: StoredLevel, sample: LevelSample, prices: PriceList, most: int | None) -> LevelFigures:
    slices = tuple(slices_of(sample, prices=prices))
    return LevelFigures(level, measured_cells(sample), slices, sample.window, drawn_places(sample, most))


def judged_levels(
    figures: Sequence[LevelFigures], prices: PriceList, losses: Losses
) -> tuple[list[LevelFigures], pd.DataFrame]:
    """The levels, and a row for each beside the others; without those whose row cannot be made."""
    good, rows = [], []
    for each in figures:
        with losses.of(f"the figures of {name_of(each.level.facts)}"):
            rows.append(derived_row(each.cells | host_cells(each.level.facts), prices))
            good.append(each)
    return good, tables.judged_frame(rows)


def imported_levels_judged(
    imported: Sequence[ImportedLevel], levels: Sequence[StoredLevel], prices: PriceList, objectives: Objectives
) -> pd.DataFrame:
    """A row for each imported level, also where it has no records."""
    stored = {key_of(level.facts): level for level in levels}
    pairs = ((one, stored[key_of(one)].data(OF_FIGURES) if key_of(one) in stored else None) for one in imported)
    return imported_frame(pairs, prices, objectives)


def with_facts(figures: Sequence[LevelFigures], facts: Sequence[Mapping[str, Any]]) -> list[LevelFigures]:
    """The levels with other facts, in the same order."""
    pairs = zip(figures, facts, strict=True)
    return [replace(each, level=replace(each.level, facts=its)) for each, its in pairs]


def key_of(level: Mapping[str, Any]) -> LevelKey:
    """What tells a level from every other of its run."""
    return LevelKey(*(str(level[name]) for name in LevelKey._fields))


def name_of(facts: Mapping[str, Any]) -> str:
    """A level for a message."""
    return " · ".join(str(facts.get(name)) for name in LevelKey._fields)
