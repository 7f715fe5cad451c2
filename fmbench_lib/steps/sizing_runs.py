"""Fleets from finished runs: which levels tell of them, and what the fleets are."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from fmbench_lib.errors import InputError
from fmbench_lib.metrics.comparison.compared_level import ComparedLevel
from fmbench_lib.metrics.decision.dataset_of_interest import choose_dataset
from fmbench_lib.metrics.missing import number
from fmbench_lib.metrics.sizing.size import Sizing, size
from fmbench_lib.metrics.sizing.sized_copy import SizedCopy, sized_copy
from fmbench_lib.metrics.sizing.sizing_question import SizingQuestion
from fmbench_lib.steps.reporting.levels_of_runs import read_run

_Experiment = tuple[str, str]


def size_runs(run_dirs: Sequence[Path], question: SizingQuestion) -> Sizing:
    """Size fleets of every experiment of these runs, by the levels of one payload file each.

    Raises InputError for a run that cannot be read, and where no run has the payload file asked for.
    """
    levels = [level for run_dir in dict.fromkeys(run_dirs) for level in read_run(run_dir).levels]
    if not levels:
        raise InputError("size: no level of these runs was measured")
    groups: dict[_Experiment, list[ComparedLevel]] = {}
    for level in levels:
        groups.setdefault((level.run, str(level.row["experiment_name"])), []).append(level)
    usual = _payload_file(levels, question)
    copies = [sized_copy(_of_one_file(group, usual, question), question) for group in groups.values()]
    return size(_told_apart(copies), question)


def draw_sizing(sizing: Sizing, path: Path) -> None:
    """Write the picture of a sizing's table of rates."""
    from fmbench_lib.report.figures.fleet_map import draw_fleet_map
    from fmbench_lib.report.figures.style import save, styled

    with styled():
        save(draw_fleet_map(sizing), path)


def _told_apart(copies: Sequence[SizedCopy]) -> list[SizedCopy]:
    """The copies, those of one name with that of their run behind it."""
    names = [copy.name for copy in copies]
    return [replace(copy, name=f"{copy.name} of {copy.run}") if names.count(copy.name) > 1 else copy for copy in copies]


def _payload_file(levels: Sequence[ComparedLevel], question: SizingQuestion) -> str:
    """The payload file asked for, else the one with most levels of all runs."""
    names = [str(level.row["payload_file"]) for level in levels]
    chosen = choose_dataset(names, question.payload_file)
    assert chosen is not None  # there are levels
    if question.payload_file is not None and chosen.reason.startswith("no payload file"):
        raise InputError(f"--payload {question.payload_file}: the runs have {', '.join(dict.fromkeys(names))}")
    return chosen.payload_file


def _of_one_file(group: Sequence[ComparedLevel], usual: str, question: SizingQuestion) -> list[ComparedLevel]:
    """The levels of an experiment's payload file: of that whose requests are most like those asked for, else of the
    usual one, else of its own with most levels."""
    names = [str(level.row["payload_file"]) for level in group]
    own = choose_dataset(names)
    assert own is not None  # a group has levels
    file = usual if usual in names else own.payload_file
    if question.payload_file is None and (question.tokens_in or question.tokens_out):
        file = str(min(group, key=lambda level: _distance(level, question)).row["payload_file"])
    return [level for level, name in zip(group, names, strict=True) if name == file]


def _distance(level: ComparedLevel, question: SizingQuestion) -> float:
    """By how much a level's tokens are off those asked for, as logarithms; infinite where they are not known."""
    total = 0.0
    for wanted, kind in ((question.tokens_in, "prompt"), (question.tokens_out, "completion")):
        found = number(level.row, f"{kind}_token_count_mean")
        if wanted:
            total += abs(math.log(found / wanted)) if found else math.inf
    return total
