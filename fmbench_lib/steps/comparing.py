"""Runs beside each other: their levels, read from the records, matched and compared."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from fmbench_lib.metrics.comparison.claims import RunComparison, compare_levels
from fmbench_lib.metrics.comparison.matching import matched
from fmbench_lib.metrics.comparison.measures import CLAIMED
from fmbench_lib.steps.reporting.levels_of_runs import levels_of_run, run_name


def compare_runs(
    base: Path, new: Path, match: Sequence[tuple[str, str]] = (), measures: Sequence[str] = CLAIMED
) -> RunComparison:
    """Compare the levels of two runs, or of one run with itself where `match` names pairs of its experiments.

    Raises InputError for a run that cannot be read and for names that no level has.
    """
    old = levels_of_run(base)
    other = old if base == new else levels_of_run(new)
    found = matched(old, other, match)
    return RunComparison(
        base=run_name(base),
        new=run_name(new),
        levels=tuple(compare_levels(found.pairs, measures, paired=base == new)),
        only_base=() if base == new else found.only_base,
        only_new=() if base == new else found.only_new,
    )
