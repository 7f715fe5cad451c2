"""What all steps have in common: one process at a time, and a record of how each ended."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from typing import TypeAlias

import pandas as pd

from fmbench_lib.run_state import StepStatus
from fmbench_lib.runs.file_cleaning import clean_files
from fmbench_lib.runs.run import Run

Step: TypeAlias = Callable[[Run], pd.DataFrame]


def step(name: str) -> Callable[[Step], Step]:
    """Make a function a step: it keeps other processes out and records in the run's state how it ended."""

    def decorate(function: Step) -> Step:
        @functools.wraps(function)
        def wrapped(run: Run) -> pd.DataFrame:
            with run.workspace.locked("step"):
                started, begun = time.time(), time.monotonic()
                run.begin_step(name)
                run.workspace.keep()
                try:
                    table = function(run)
                except BaseException as error:
                    status: StepStatus = "interrupted" if isinstance(error, KeyboardInterrupt) else "failed"
                    clean_files(run)
                    run.end_step(
                        name, status, started, _ended(started, begun), error=f"{type(error).__name__}: {error}"
                    )
                    error.args = tuple(run.redactor.in_content(a) if isinstance(a, str) else a for a in error.args)
                    raise  # the notebook shows it
                clean_files(run)
                run.workspace.keep()  # before it counts as done: its notebook is still being written
                run.end_step(name, "done", started, _ended(started, begun))
                run.workspace.keep(run.workspace.events_file, run.workspace.run_file)
                return table

        return wrapped

    return decorate


def _ended(started: float, begun: float) -> float:
    """Now in Unix seconds by the clock of the beginning: one that was set meanwhile lengthens no step."""
    return started + time.monotonic() - begun
