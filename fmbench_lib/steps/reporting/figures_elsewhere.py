"""The figures of a run of very many requests, computed by a pool: the files of records travel to it."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from fmbench_lib.host.task_pool import TaskPool
from fmbench_lib.steps.losses import Losses
from fmbench_lib.steps.reporting.level_figures import Measuring, RunFigures

MOST_BYTES = 256 << 20
"""Of the files of one group: a node and this machine hold them in memory. Larger groups stay here."""


@dataclass(frozen=True, slots=True)
class _Group:
    """Levels that are measured together, the first being the level 0, and the contents of their files."""

    measuring: Measuring
    files: Sequence[bytes]


def figures_elsewhere(
    measuring: Measuring, groups: Sequence[Sequence[int]], pool: TaskPool
) -> tuple[RunFigures, list[Sequence[int]]]:
    """The figures of the groups that the pool could compute, and the other groups: those that are too large, or broke
    down there, which is to be said here."""
    found, left, sent = RunFigures(), list[Sequence[int]](), list[Sequence[int]]()

    def tasks() -> Iterator[_Group]:
        for group in groups:
            levels = [measuring.levels[place] for place in group]
            try:
                small = sum(level.path.stat().st_size for level in levels) <= MOST_BYTES
                files = [level.path.read_bytes() for level in levels] if small else None
            except OSError:
                files = None
            if files is None:
                left.append(group)
                continue
            sent.append(group)
            yield _Group(replace(measuring, levels=levels), files)

    for number, figures in enumerate(pool.map(_figures_of, tasks())):
        group = sent[number]
        if figures is None:
            left.append(group)
            continue
        of_level = {
            group[place]: replace(each, level=measuring.levels[group[place]])
            for place, each in figures.of_level.items()
        }
        found.add(replace(figures, of_level=of_level))
    return found, sorted(left, key=lambda group: group[0])


def _figures_of(group: _Group) -> RunFigures | None:
    """The figures of a group; None where any of it broke down."""
    losses = Losses()
    with tempfile.TemporaryDirectory(prefix="fmbench-figures-") as folder:
        levels = []
        for number, (level, content) in enumerate(zip(group.measuring.levels, group.files, strict=True)):
            path = Path(folder) / f"{number}.parquet"
            path.write_bytes(content)
            levels.append(replace(level, path=path))
        measuring = replace(group.measuring, levels=levels)
        figures = measuring.figures([range(len(levels))], losses)
    return None if losses.lines else figures
