"""Runs beside each other: their levels, read from the records, matched and compared."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from fmbench_lib.metrics.comparison.claims import RunComparison, compare_levels
from fmbench_lib.metrics.comparison.compared_level import ComparedLevel
from fmbench_lib.metrics.comparison.matching import matched
from fmbench_lib.metrics.comparison.measures import CLAIMED
from fmbench_lib.metrics.decision.decision import decide
from fmbench_lib.runs.opening import open_for_reading
from fmbench_lib.runs.run import Run
from fmbench_lib.steps.reporting.levels_of_runs import levels_of, run_name
from fmbench_lib.steps.reporting.report_inputs import Analysis, analysis_of


@dataclass(frozen=True, slots=True)
class _Read:
    """A run that was read: its analysis, and its levels, each once."""

    run: Run
    analysis: Analysis
    levels: list[ComparedLevel]


def compare_runs(
    base: Path, new: Path, match: Sequence[tuple[str, str]] = (), measures: Sequence[str] = CLAIMED
) -> RunComparison:
    """Compare the levels of two runs, or of one run with itself where `match` names pairs of its experiments.

    Raises InputError for a run that cannot be read and for names that no level has.
    """
    old = _read(base)
    other = old if base == new else _read(new)
    found = matched(old.levels, other.levels, match)
    experiments = {str(level.row["experiment_name"]) for _, level in found.pairs}
    return RunComparison(
        base=run_name(base),
        new=run_name(new),
        levels=tuple(compare_levels(found.pairs, measures, paired=base == new)),
        only_base=() if base == new else found.only_base,
        only_new=() if base == new else found.only_new,
        missed_budget=_missed_budget(other, experiments),
    )


def _read(run_dir: Path) -> _Read:
    run = open_for_reading(run_dir)
    analysis = analysis_of(run)
    return _Read(run, analysis, levels_of(run, analysis))


def _missed_budget(read: _Read, experiments: Collection[str]) -> str:
    """What the decision between these experiments says where no level meets every budget; empty where one does."""
    rated = read.analysis.rated
    chosen = rated[rated["experiment_name"].isin(list(experiments))].reset_index(drop=True)
    decision = decide(chosen, read.analysis.budgets, read.run.config.metrics.dataset_of_interest)
    return "" if decision.winner is not None else decision.text
