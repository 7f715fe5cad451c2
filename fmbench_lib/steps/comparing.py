"""Runs beside each other: their levels, read from the records, matched and compared."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from fmbench_lib.config.repeat_names import split_repeat
from fmbench_lib.metrics.comparison.claims import RunComparison, compare_levels
from fmbench_lib.metrics.comparison.matching import Matched, level_name, matched
from fmbench_lib.metrics.comparison.measures import CLAIMED
from fmbench_lib.metrics.decision.decision import decide
from fmbench_lib.steps.reporting.levels_of_runs import ReadRun, read_run


def compare_runs(
    base: Path, new: Path, match: Sequence[tuple[str, str]] = (), measures: Sequence[str] = CLAIMED
) -> RunComparison:
    """Compare the levels of two runs, or of one run with itself where `match` names pairs of its experiments.

    Raises InputError for a run that cannot be read and for names that no level has.
    """
    old = read_run(base)
    other = old if base == new else read_run(new)
    runs = (old,) if base == new else (old, other)
    found = matched(old.levels, other.levels, match)
    experiments = {str(level.row["experiment_name"]) for _, level in found.pairs}
    return RunComparison(
        base=old.name,
        new=other.name,
        levels=tuple(compare_levels(found.pairs, measures, paired=base == new)),
        only_base=() if base == new else found.only_base,
        only_new=() if base == new else found.only_new,
        lost=tuple(f"{read.name}: {line}" for read in runs for line in read.lost_lines),
        unjudged=tuple(_unjudged(old, other, found, match)),
        missed_budget=_missed_budget(other, experiments),
    )


def _unjudged(base: ReadRun, new: ReadRun, found: Matched, match: Sequence[tuple[str, str]]) -> Iterator[str]:
    """The levels of the new run without figures that one of the base, which has no partner, would be compared with:
    of the experiment that is compared with its own, else of that of its name, or of any where none is known."""
    alone = [level.row for level in base.levels if level_name(level.row) in found.only_base]
    names = [str(row["experiment_name"]) for row in alone]
    partners = [found.partners.get(name, None if match else name) for name in names]
    places = {(partner if found.partners else "", *_place(row)) for partner, row in zip(partners, alone, strict=True)}
    for key, why in new.lost.items():
        if (key.experiment_name if found.partners else "", *_place(key._asdict())) in places:
            yield f"{' · '.join(key)} {why}"


def _place(row: Mapping[str, Any]) -> tuple[str, str]:
    return str(row["payload_file"]), split_repeat(str(row["load"]))[0]


def _missed_budget(read: ReadRun, experiments: Collection[str]) -> str:
    """What the decision between these experiments says where no level meets every budget; empty where one does."""
    rated = read.analysis.rated
    chosen = rated[rated["experiment_name"].isin(list(experiments))].reset_index(drop=True)
    decision = decide(chosen, read.analysis.budgets, read.run.config.metrics.dataset_of_interest)
    return "" if decision.winner is not None else decision.text
