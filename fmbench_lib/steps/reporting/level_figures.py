"""The figures of a run's levels, one level after the other: its records are read, measured, and let go."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pandas as pd

from fmbench_lib.load.recording.stored_level import StoredLevel
from fmbench_lib.metrics import tables
from fmbench_lib.metrics.columns import Cells
from fmbench_lib.metrics.drawn_requests import KeptRanks, distributions_of, drawn_of_each, drawn_places
from fmbench_lib.metrics.groups.energy import energy_cells
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
    """What the records of a level came to: the cells that were measured, its slices, the window that counts, how
    many requests succeeded, warm-up included, and the positions of those that are drawn, None for all."""

    level: StoredLevel
    cells: Cells
    slices: tuple[Cells, ...]
    window: Window | None
    done: int
    drawn: Integers | None


@dataclass(slots=True)
class RunFigures:
    """Those of some levels by their positions in the run; by level what its repeats give together, and the
    distributions of levels of which only some requests are drawn."""

    of_level: dict[int, LevelFigures] = field(default_factory=dict)
    pooled: dict[_Level, Cells] = field(default_factory=dict)
    distributions: dict[_Level, dict[str, KeptRanks]] = field(default_factory=dict)

    @property
    def levels(self) -> list[LevelFigures]:
        """The levels in order."""
        return [self.of_level[place] for place in sorted(self.of_level)]

    def add(self, other: RunFigures) -> None:
        """Those of other levels of the run."""
        self.of_level |= other.of_level
        self.pooled |= other.pooled
        self.distributions |= other.distributions


@dataclass(frozen=True, slots=True)
class Measuring:
    """What the figures of a run are computed from; of each level at most `most_drawn` requests are drawn, None: all."""

    levels: Sequence[StoredLevel]
    prices: PriceList
    objectives: Objectives
    most_drawn: int | None

    def groups(self, *, pool: bool) -> list[list[int]]:
        """The positions of the levels: the repeats that count together, any other attempt by itself."""
        last = last_attempts([level.facts for level in self.levels])
        groups: dict[object, list[int]] = {}
        for place, (level, is_last) in enumerate(zip(self.levels, last, strict=True)):
            groups.setdefault(level_of(level.facts) if pool and is_last else place, []).append(place)
        return list(groups.values())

    def figures(self, groups: Sequence[Sequence[int]], losses: Losses) -> RunFigures:
        """The figures of the levels of these groups, without those whose records cannot be read or break them."""
        found = RunFigures()
        for group in groups:
            self._add_group(group, found, losses)
        return found

    def _add_group(self, group: Sequence[int], found: RunFigures, losses: Losses) -> None:
        key, samples = level_of(self.levels[group[0]].facts), list[LevelSample]()
        for place in group:
            with losses.of(f"the figures of {name_of(self.levels[place].facts)}"):
                samples.append(whole_level(*self.levels[place].of_figures(), self.objectives))
                found.of_level[place] = self._figures(self.levels[place], samples[-1])
        if len(samples) > 1:
            with losses.of("repeated_levels.csv"):
                found.pooled[key] = pooled_measures(samples)
        if any(place in found.of_level and found.of_level[place].drawn is not None for place in group):
            with losses.of("the distributions of requests"):
                found.distributions[key] = distributions_of(samples)

    def _figures(self, level: StoredLevel, sample: LevelSample) -> LevelFigures:
        slices = tuple(slices_of(sample, prices=self.prices))
        drawn = drawn_places(sample, self.most_drawn)
        done = int(sample.requests["success"].sum())
        return LevelFigures(level, measured_cells(sample), slices, sample.window, done, drawn)


def measuring(levels: Sequence[StoredLevel], prices: PriceList, objectives: Objectives) -> Measuring:
    """What the figures of these levels are computed from."""
    return Measuring(levels, prices, objectives, drawn_of_each([level.count for level in levels]))


def judged_levels(
    figures: Sequence[LevelFigures], prices: PriceList, losses: Losses
) -> tuple[list[LevelFigures], pd.DataFrame]:
    """The levels, and a row for each beside the others; without those whose row cannot be made."""
    good, rows = [], []
    for each in figures:
        with losses.of(f"the figures of {name_of(each.level.facts)}"):
            facts = each.level.facts
            beside = host_cells(facts) | energy_cells(facts, each.done)
            rows.append(derived_row(each.cells | beside, prices))
            good.append(each)
    return good, tables.judged_frame(rows)


def imported_levels_judged(
    imported: Sequence[ImportedLevel], levels: Sequence[StoredLevel], prices: PriceList, objectives: Objectives
) -> pd.DataFrame:
    """A row for each imported level, also where it has no records."""
    stored = {key_of(level.facts): level for level in levels}
    pairs = ((one, stored[key_of(one)].of_figures() if key_of(one) in stored else None) for one in imported)
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
