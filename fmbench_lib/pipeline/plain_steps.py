"""The steps of a run in this process, one after the other, where no notebooks execute them: those of a fleet."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from typing import TypeAlias

from fmbench_lib.errors import FmbenchError, StepError, explained
from fmbench_lib.pipeline.conclusion import (
    CLEANUP,
    LastSteps,
    Outcome,
    Success,
    begin,
    conclude,
    delete_what_stands,
    free_reserve,
)
from fmbench_lib.pipeline.interrupts import Interrupts
from fmbench_lib.runs.file_cleaning import clean_after_a_death, clean_received
from fmbench_lib.runs.run import Run

Steps: TypeAlias = Mapping[str, Callable[[Run], object]]


def run_plain_steps(
    run: Run,
    steps_for: Callable[[Interrupts], Steps],
    on_step: Callable[[str], None],
    last: LastSteps,
    success: Success,
) -> Outcome:
    """Do the steps that `steps_for` gives, as far as the run has them, and conclude the run as `run_pipeline` does.

    Ctrl-C and termination signals are counted; the steps are to look at the count. What stands in the end is deleted
    whatever the config says of the cleanup. Raises RunStateError where another process is executing this run.
    """
    outcome = Outcome(0)
    with run.workspace.locked("pipeline", patience=0), Interrupts() as interrupts:
        begin(run)
        clean_after_a_death(run)
        steps = {name: do for name, do in steps_for(interrupts).items() if run.config.run_steps.get(name, True)}
        for name, do in steps.items():
            if outcome.errors and (name != CLEANUP or not run.workspace.endpoints_file.exists()):
                continue
            on_step(name)
            error = _done(run, name, do)
            if error is None and interrupts.count and name != CLEANUP:
                error = StepError(name, None, "interrupted")
            if error is not None:
                free_reserve(run)
                outcome.errors.append(error)
        outcome.interrupted = interrupts.count > 0
        free_reserve(run)
        delete_what_stands(run, last, outcome)
        if outcome.errors:
            with contextlib.suppress(OSError, FmbenchError):
                clean_received(run)
        conclude(run, outcome, list(steps), success, last)
    return outcome


def _done(run: Run, name: str, do: Callable[[Run], object]) -> StepError | None:
    """Do a step; the error that stopped it."""
    try:
        do(run)
    except KeyboardInterrupt:
        return StepError(name, None, "interrupted")
    except Exception as error:  # noqa: BLE001 - whatever it is, what was started is deleted
        said = str(error) if isinstance(error, FmbenchError) else explained(error)
        stopped = StepError(name, None, run.redactor(f"{type(error).__name__}: {said}"))
        stopped.__cause__ = error
        return stopped
    return None
