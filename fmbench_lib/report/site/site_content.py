"""What the site holds, as plain values for JSON: selected from the index of the runs, nothing is computed anew."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fmbench_lib.metrics.decision.wording import load_label
from fmbench_lib.metrics.many_runs.change_points import LEAST_RUNS
from fmbench_lib.metrics.many_runs.histories import Change, History, histories, too_few
from fmbench_lib.metrics.many_runs.indexed_run import FIGURES, IndexedExperiment, IndexedLevel, IndexedRun
from fmbench_lib.report.html.level_values import TEXT, clean, short
from fmbench_lib.report.level_order import dataset_name, short_load
from fmbench_lib.report.numbers import several
from fmbench_lib.report.site.site_shapes import (
    SiteChange,
    SiteContent,
    SiteExperiment,
    SiteHistory,
    SiteLevel,
    SiteLevels,
    SiteRun,
)

_REASON = 160


@dataclass(frozen=True, slots=True)
class PlacedRun:
    """A run and the address of its own report, relative to the site and percent-encoded; empty where it has none."""

    run: IndexedRun
    page: str = ""


@dataclass(frozen=True, slots=True)
class _Names:
    """The positions of experiments and datasets. A dataset is a payload file with its prompts: files of one name may
    hold different ones."""

    experiments: dict[IndexedExperiment, int]
    datasets: dict[tuple[str, str], int]


def site_content(placed: Sequence[PlacedRun], left_out: Sequence[str] = ()) -> SiteContent:
    """The content of the site, of runs in the order in which they began."""
    runs = [one.run for one in placed]
    names = _names(runs)
    return {
        "kind": "site",
        "experiments": [_experiment(one) for one in names.experiments],
        "datasets": _datasets(names),
        "runs": [_run(one, names) for one in placed],
        "levels": _levels(runs, names),
        "histories": [_history(one, runs, names) for one in histories(runs)],
        "left_out": [clean(line, TEXT) for line in left_out],
    }


def _names(runs: Sequence[IndexedRun]) -> _Names:
    levels = [level for run in runs for level in run.levels]
    experiments = dict.fromkeys(level.experiment for level in levels)
    experiments |= dict.fromkeys(one for run in runs for one in _without_levels(run))
    datasets = dict.fromkeys(map(_dataset, levels))
    return _Names(
        {one: position for position, one in enumerate(experiments)},
        {one: position for position, one in enumerate(datasets)},
    )


def _without_levels(run: IndexedRun) -> list[IndexedExperiment]:
    """The experiments of a run of which it has no level."""
    measured = {level.experiment.name for level in run.levels}
    return [one for one in run.experiments if one.name not in measured]


def _dataset(level: IndexedLevel) -> tuple[str, str]:
    return level.payload_file, level.prompts or ""


def _datasets(names: _Names) -> list[str]:
    """What datasets are called: by their prompts too, where several have one name."""
    files = [payload for payload, _ in names.datasets]
    return [
        clean(dataset_name(payload)) + (f" (prompts {prompts or 'unknown'})" if files.count(payload) > 1 else "")
        for payload, prompts in names.datasets
    ]


def _experiment(one: IndexedExperiment) -> SiteExperiment:
    model, stack, instance = (clean(part) for part in (one.model, one.stack, one.instance))
    return {"name": clean(one.name), "model": model, "stack": stack, "instance": instance}


def _run(placed: PlacedRun, names: _Names) -> SiteRun:
    run = placed.run
    experiments = [*(level.experiment for level in run.levels), *_without_levels(run)]
    return {
        "title": clean(run.title),
        "at": run.created,
        "status": clean(run.status),
        "decision": clean(run.decision, TEXT),
        "fmbench": clean(run.fmbench),
        "client": clean(run.client),
        "cost": short(run.cost_measuring),
        "tags": [clean(tag) for tag in run.tags],
        "page": placed.page,
        "problem": clean(run.problem, TEXT),
        "analysed": run.analysed,
        "experiments": sorted({names.experiments[one] for one in experiments}),
    }


def _levels(runs: Sequence[IndexedRun], names: _Names) -> SiteLevels:
    listed = [(position, level) for position, run in enumerate(runs) for level in run.levels]
    return {
        "columns": list(FIGURES),
        "rows": [[short(level.figures[name]) for name in FIGURES] for _, level in listed],
        "about": [_level(position, level, names) for position, level in listed],
    }


def _level(position: int, level: IndexedLevel, names: _Names) -> SiteLevel:
    row = {"load": level.load, "concurrency": level.concurrency, "request_rate": level.request_rate}
    rate = level.request_rate is not None
    return {
        "r": position,
        "e": names.experiments[level.experiment],
        "d": names.datasets[_dataset(level)],
        "key": clean(level.load),
        "load": clean(load_label(row)),
        "short": short_load(row),
        "rate": rate,
        "at": short(level.request_rate if rate else level.concurrency),
        "verdict": clean(level.verdict),
        "reason": clean(level.reasons, _REASON),
        "repeats": level.repeats,
        "chosen": level.chosen,
        "measure": clean((level.quality_measure or "").replace("_", " ")),
        "none": "its queue grew for as long as it was measured" if level.growing else "",
    }


# -- histories -------------------------------------------------------------------------------------------------------


def _history(history: History, runs: Sequence[IndexedRun], names: _Names) -> SiteHistory:
    return {
        "e": names.experiments[history.experiment],
        "runs": list(history.runs),
        "changes": [_change(change, runs, names) for change in history.changes],
        "said": _said(history),
    }


def _said(history: History) -> str:
    """What can be said of a history, in a sentence."""
    runs = several(len(history.runs), "run")
    if too_few(history):
        return f"{runs} are too few to see a change: it takes {LEAST_RUNS}." if len(history.runs) > 1 else (
            f"One run is no history: it takes {LEAST_RUNS} to see a change."
        )  # fmt: skip
    if history.p is None:
        return f"{runs}, but no figure of the same prompts and load is known in {LEAST_RUNS} of them."
    if not history.changes:
        return f"{runs}: no change that these figures can show."
    return f"{runs}: {several(len(history.changes), 'change')}."


def _change(change: Change, runs: Sequence[IndexedRun], names: _Names) -> SiteChange:
    return {
        "last": change.last_before,
        "first": change.first_after,
        "figures": [
            {
                "d": names.datasets[(figure.place[0], figure.place[1])],
                "load": clean(figure.place[2]),
                "measure": figure.measure,
                "before": short(figure.before),
                "after": short(figure.after),
                "p": figure.p,
            }
            for figure in change.figures
        ],
        "also": _also(runs[change.last_before], runs[change.first_after]),
    }


def _also(before: IndexedRun, after: IndexedRun) -> list[str]:
    """What else differs between the runs of a change."""
    pairs = (("fmbench", before.fmbench, after.fmbench), ("client", before.client, after.client))
    return [clean(f"{name}: {old or 'unknown'} → {new or 'unknown'}", TEXT) for name, old, new in pairs if old != new]
