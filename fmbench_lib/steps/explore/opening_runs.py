"""`open_run` and `open_runs`: finished runs by their directories, names or addresses, opened for questions."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path

from fmbench_lib.errors import InputError, RunStateError
from fmbench_lib.runs.named_runs import named_run
from fmbench_lib.runs.opening import default_results
from fmbench_lib.steps.explore.finished_runs import FinishedRun, FinishedRuns, OpenedRun
from fmbench_lib.storage.bucket import is_address
from fmbench_lib.workspace import RUN_FILE, Workspace, is_needed_to_explore


def open_run(path: str | Path = "latest", results: str | Path | None = None) -> FinishedRun:
    """Open one run for questions; nothing is changed in it.

    `path` is its directory, its `name/run id` or run id below `results`, `latest` for the one that began last, or its
    `s3://` address, from which what questions need is fetched to below `results`. `results` is the folder of the runs,
    by default that of `fmbench`. Raises InputError where there is no such run.
    """
    folder = default_results() if results is None else Path(results)
    return FinishedRun(_opened(named_run(str(path), folder, is_needed_to_explore)))


def open_runs(folder: str | Path | Sequence[str | Path] | None = None) -> FinishedRuns:
    """Open all runs below a folder, two levels deep at most, or the runs of a list, each as `open_run` takes it.

    Without a folder: the runs of the folder where `fmbench` keeps them. A run whose state cannot be read is left out
    with a warning. Raises InputError where there is no run.
    """
    if folder is not None and not isinstance(folder, str | Path):
        return FinishedRuns(_told_apart([open_run(each).opened for each in folder]))
    if isinstance(folder, str) and is_address(folder):
        raise InputError(f"{folder}: give a list of the addresses of runs; a folder of a bucket is not searched")
    place = default_results() if folder is None else Path(folder)
    found = [file.parent for pattern in (RUN_FILE, f"*/{RUN_FILE}", f"*/*/{RUN_FILE}") for file in place.glob(pattern)]
    opened = []
    for path in sorted(found, key=lambda path: (path.name, str(path))):
        try:
            opened.append(_opened(path))
        except (RunStateError, KeyError, TypeError) as error:
            warnings.warn(f"left out: {path}: {error}", stacklevel=2)
    if not opened:
        raise RunStateError(f"there is no run in {place}: name the folder that holds the runs")
    return FinishedRuns(_told_apart(opened))


def _opened(path: Path) -> OpenedRun:
    workspace = Workspace(path.resolve())
    state = workspace.read_run()
    return OpenedRun(f"{state['name']}/{state['run_id']}", workspace, state)


def _told_apart(runs: Sequence[OpenedRun]) -> list[OpenedRun]:
    """The runs, oldest first; of copies of one run, each is called by its directory."""
    different = list({run.workspace.path: run for run in runs}.values())
    names = [run.name for run in different]
    apart = [
        OpenedRun(str(run.workspace.path), run.workspace, run.state) if names.count(run.name) > 1 else run
        for run in different
    ]
    return sorted(apart, key=lambda run: (run.state["created"], run.name))
