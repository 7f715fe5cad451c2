"""The files of a run's levels, every attempt at each, without those that cannot be read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import cast

from fmbench_lib.host.atomic_files import read_json
from fmbench_lib.load.recording.stored_level import StoredLevel
from fmbench_lib.metrics.imported_level import ImportedLevel
from fmbench_lib.metrics.measuring_again import last_attempts
from fmbench_lib.runs.run import Run
from fmbench_lib.steps.losses import Losses
from fmbench_lib.steps.reporting.level_figures import LevelFigures, key_of
from fmbench_lib.steps.run_inputs.levels import run_levels
from fmbench_lib.workspace import LevelKey, Workspace


def stored_levels(run: Run, losses: Losses) -> list[StoredLevel]:
    """Every attempt at a level that has records, without those whose file cannot be read."""
    found: list[StoredLevel] = []
    imported = [key_of(level) for level in imported_levels(run.workspace) if level["requests"]]
    for key in imported or [level.key for level in run_levels(run)]:
        with losses.of(f"the figures of {' · '.join(key)}"):
            found += attempts_at(run.workspace, key)
    return found


def imported_levels(workspace: Workspace) -> list[ImportedLevel]:
    """The levels that another tool measured, as they were imported; none in a run that fmbench measured."""
    path = workspace.imported_file
    return cast("list[ImportedLevel]", read_json(path)["levels"]) if path.exists() else []


def attempts_at(workspace: Workspace, key: LevelKey) -> Iterator[StoredLevel]:
    """The files of every attempt at a level that has some, in order; the facts of each say its number."""
    path = workspace.level(key)
    earlier = workspace.earlier_attempts(key)
    for number, aside in earlier:
        yield StoredLevel.at(aside, number)
    if path.exists():
        level = StoredLevel.at(path)
        yield level if level.facts.get("attempt") else StoredLevel.at(path, len(earlier) + 1)


def counted_levels(levels: Sequence[LevelFigures]) -> list[LevelFigures]:
    """The last attempt at each level, which is the one that counts."""
    last = last_attempts([each.level.facts for each in levels])
    return [each for each, is_last in zip(levels, last, strict=True) if is_last]
