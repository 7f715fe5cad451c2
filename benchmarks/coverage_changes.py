"""How often histories name a change where there is none, and find one that was planted.

Sites of several experiments, each with two payload files and two figures that share the run's own deviation: 4% from
run to run and 2% within. `any`: sites that name a change at all · `found`: the planted one, of the first experiment in
the middle of its runs · `near`: at most one run away · `others`: other changes for each site. The last rows break the
assumption: runs that resemble the run before.

    python benchmarks/coverage_changes.py [--sites N]
"""

from __future__ import annotations

import argparse
import math
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from fmbench_lib.metrics.many_runs.histories import histories  # noqa: E402
from fmbench_lib.metrics.many_runs.indexed_run import (  # noqa: E402
    FIGURES,
    IndexedExperiment,
    IndexedLevel,
    IndexedRun,
)

EXPERIMENTS = 6
NOTHING = dict.fromkeys(FIGURES)


@dataclass(frozen=True, slots=True)
class Case:
    """Runs of each experiment; by how much the first one changes; how runs deviate and resemble the one before."""

    runs: int
    change: float = 0.0
    heavy: bool = False
    alike: float = 0.0


CASES = (
    Case(12), Case(40), Case(12, heavy=True), Case(40, heavy=True),
    Case(12, 0.1), Case(12, 0.2), Case(20, 0.1), Case(40, 0.05), Case(40, 0.1), Case(40, 0.1, heavy=True),
    Case(40, alike=0.3), Case(40, alike=0.6),
)  # fmt: skip


def main() -> int:
    """Print a row for each case."""
    parser = argparse.ArgumentParser(description="false alarms and power of change detection")
    parser.add_argument("--sites", type=int, default=200)
    sites = parser.parse_args().sites
    print(f"{'runs':>5}{'change':>8}{'tails':>8}{'alike':>7}{'any':>7}{'found':>7}{'near':>7}{'others':>8}")
    for case in CASES:
        named, found, near, others = 0, 0, 0, 0
        for seed in range(sites):
            changes = [
                (history.experiment.name, change.first_after)
                for history in histories(site(case, seed))
                for change in history.changes
            ]
            own = [at for name, at in changes if name == "e0" and case.change]
            named, found = named + bool(changes), found + bool(own)
            near += any(abs(at - case.runs // 2) <= 1 for at in own)
            others += len(changes) - bool(own)
        shares = [f"{100 * count / sites:.0f}%" for count in (named, found, near)]
        tails = "heavy" if case.heavy else "normal"
        print(
            f"{case.runs:>5}{100 * case.change:>7.0f}%{tails:>8}{case.alike:>7}"
            f"{shares[0]:>7}{shares[1]:>7}{shares[2]:>7}{others / sites:>8.2f}"
        )
    return 0


def site(case: Case, seed: int) -> list[IndexedRun]:
    """The runs of a site."""
    generator = np.random.default_rng([seed, case.runs])
    new = (
        generator.standard_t(3, (case.runs, EXPERIMENTS))
        if case.heavy
        else generator.normal(size=(case.runs, EXPERIMENTS))
    )
    state = np.empty_like(new)
    for at in range(case.runs):
        before = case.alike * state[at - 1] if at else 0.0
        state[at] = before + new[at] * (math.sqrt(1 - case.alike**2) if at else 1.0)
    return [
        IndexedRun(
            "made", str(at), float(at), "finished",
            levels=tuple(
                level(f"e{one}", payload, 0.04 * state[at, one] + 0.02 * generator.normal() + planted(case, at, one))
                for one in range(EXPERIMENTS)
                for payload in ("a", "b")
            ),
        )
        for at in range(case.runs)
    ]  # fmt: skip


def planted(case: Case, at: int, experiment: int) -> float:
    """The logarithm by which a run of an experiment is slower."""
    return math.log1p(case.change) if experiment == 0 and at >= case.runs // 2 else 0.0


def level(experiment: str, payload: str, slower: float) -> IndexedLevel:
    """A level of an experiment."""
    seconds = math.exp(slower)
    return IndexedLevel(
        IndexedExperiment(experiment, "m", "s", "i"), payload, "p", "concurrency-4", 4.0, None, 1, "valid", "", None,
        False, False, None, {**NOTHING, "latency_p95": seconds, "transactions_per_minute": 1 / seconds},
    )  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
