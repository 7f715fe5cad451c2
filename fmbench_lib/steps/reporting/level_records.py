"""The records of a run's levels and a row of figures for each, without those that cannot be read."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from typing import cast

import pandas as pd

from fmbench_lib.config.schema.energy_section import EnergySection
from fmbench_lib.host.atomic_files import read_json
from fmbench_lib.load.recording.records import read_level
from fmbench_lib.metrics import tables
from fmbench_lib.metrics.imported_level import ImportedLevel
from fmbench_lib.metrics.imported_row import imported_frame
from fmbench_lib.metrics.level_sample import LevelData
from fmbench_lib.metrics.measuring_again import last_attempts
from fmbench_lib.metrics.objectives import Objectives
from fmbench_lib.pricing.price_list import PriceList
from fmbench_lib.runs.run import Run
from fmbench_lib.steps.losses import Losses
from fmbench_lib.steps.measuring.endpoint_metrics import Sampled, beside_host
from fmbench_lib.steps.run_inputs.levels import run_levels
from fmbench_lib.workspace import LevelKey, Workspace


def read_levels(run: Run, losses: Losses) -> list[LevelData]:
    """Every attempt at a level that has records, without those whose records cannot be read."""
    read: list[LevelData] = []
    imported = [key_of(level) for level in imported_levels(run.workspace) if level["requests"]]
    for key in imported or [level.key for level in run_levels(run)]:
        with losses.of(f"the figures of {' · '.join(key)}"):
            read += attempts_at(run.workspace, key)
    return read


def imported_levels(workspace: Workspace) -> list[ImportedLevel]:
    """The levels that another tool measured, as they were imported; none in a run that fmbench measured."""
    path = workspace.imported_file
    return cast("list[ImportedLevel]", read_json(path)["levels"]) if path.exists() else []


def key_of(level: ImportedLevel) -> LevelKey:
    """What tells an imported level from every other of its run."""
    return LevelKey(level["experiment_name"], level["payload_file"], level["load"])


def attempts_at(workspace: Workspace, key: LevelKey) -> Iterator[LevelData]:
    """The records of every attempt at a level that has some, in order; the facts of each say its number."""
    path = workspace.level(key)
    earlier = workspace.earlier_attempts(key)
    for number, aside in earlier:
        records, facts = read_level(aside)
        yield records, {**facts, "attempt": number}
    if path.exists():
        records, facts = read_level(path)
        yield records, {**facts, "attempt": facts.get("attempt") or len(earlier) + 1}


def counted_levels(levels: Sequence[LevelData]) -> list[LevelData]:
    """The last attempt at each level, which is the one that counts."""
    last = last_attempts([facts for _, facts in levels])
    return [level for level, is_last in zip(levels, last, strict=True) if is_last]


def with_host(levels: Sequence[LevelData], samples: Sequence[Sampled], energy: EnergySection) -> list[LevelData]:
    """The levels, those that count with what their machine was doing, and its energy, among their facts."""
    hosted = iter(beside_host(counted_levels(levels), samples, energy))
    last = last_attempts([facts for _, facts in levels])
    return [next(hosted) if is_last else level for level, is_last in zip(levels, last, strict=True)]


def judged_levels(
    levels: Sequence[LevelData],
    prices: PriceList,
    objectives: Objectives,
    losses: Losses,
    imported: Sequence[ImportedLevel] = (),
) -> tuple[tuple[LevelData, ...], pd.DataFrame]:
    """The levels, and a row of figures for each; without those that break the figures.

    Imported levels have a row each, also where they have no records.
    """
    if imported:
        records = {
            LevelKey(*(str(facts[field]) for field in LevelKey._fields)): (frame, facts) for frame, facts in levels
        }
        return tuple(levels), imported_frame([(one, records.get(key_of(one))) for one in imported], prices, objectives)
    make = functools.partial(tables.summary_frame, prices=prices, objectives=objectives)
    try:
        return tuple(levels), make(levels)
    except Exception:  # noqa: BLE001 - the level at fault is found and named
        good = []
        for level in levels:
            name = " · ".join(str(level[1].get(field)) for field in LevelKey._fields)
            with losses.of(f"the figures of {name}"):
                make([level])
                good.append(level)
        return tuple(good), make(good)
