"""Which runs of an index are chosen: by what they measured, when, and how they are tagged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from fmbench_lib.metrics.many_runs.indexed_run import IndexedExperiment, IndexedRun

VERDICTS = ("valid", "degraded", "invalid")


@dataclass(frozen=True, slots=True)
class RunChoice:
    """What is asked of runs; what is empty asks nothing.

    `model`, `stack` and `instance` of one experiment together: a part of each, or a pattern with `*`, in any case ·
    `verdict`: of a level, under that experiment · `since`: Unix seconds, a run without a known beginning is not meant ·
    `tags`: all of them · `names`: any of these names, ids or `name/id`.
    """

    model: str = ""
    stack: str = ""
    instance: str = ""
    verdict: str = ""
    since: float | None = None
    tags: Sequence[str] = ()
    names: Sequence[str] = ()

    @property
    def asks_nothing(self) -> bool:
        """Whether every run is meant."""
        return self == RunChoice()

    def chooses(self, run: IndexedRun) -> bool:
        """Whether a run is meant."""
        if self.names and not {run.title, run.run_id, run.name} & set(self.names):
            return False
        if self.since is not None and (run.created is None or run.created < self.since):
            return False
        if not set(self.tags) <= set(run.tags):
            return False
        if self.verdict:
            return any(level.verdict == self.verdict and self._is_of(level.experiment) for level in run.levels)
        of_experiment = self.model or self.stack or self.instance
        experiments = [*run.experiments, *(level.experiment for level in run.levels)]
        return not of_experiment or any(map(self._is_of, experiments))

    def _is_of(self, experiment: IndexedExperiment) -> bool:
        asked = ((self.model, experiment.model), (self.stack, experiment.stack), (self.instance, experiment.instance))
        return all(_is_like(known, wanted) for wanted, known in asked if wanted)


def _is_like(known: str | None, wanted: str) -> bool:
    if known is None:
        return False
    name, pattern = known.lower(), wanted.lower()
    return fnmatchcase(name, pattern) if "*" in pattern else pattern in name
