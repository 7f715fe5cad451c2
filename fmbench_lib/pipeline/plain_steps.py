"""The steps of a run in this process, one after the other, where no notebooks execute them: those of a fleet."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from functools import partial
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
from fmbench_lib.pipeline.step_errors import no_place
from fmbench_lib.runs.file_cleaning import clean_after_a_death, clean_received
from fmbench_lib.runs.run import Run
from fmbench_lib.runs.run_orders import is_to_stop

_FIRST = "0_setup"
Steps: TypeAlias = Mapping[str, Callable[[Run], object]]


def run_plain_steps(
    run: Run,
    steps_for: Callable[[Interrupts], Steps],
    on_step: Callable[[str], None],
    last: LastSteps,
    success: Success,
) -> Outcome:
    """Do the steps that `steps_for` gives, as far as the run has them, and conclude the run as `run_pipeline` does.

    Ctrl-C, termination signals and `fmbench stop` are counted; the steps are to look at the count. What stands in the
    end is deleted whatever the config says of the cleanup. Raises RunStateError where another process is executing this
    run.
    """
    outcome, wanted = Outcome(0), list[str]()
    with run.workspace.locked("pipeline", patience=0), Interrupts(partial(is_to_stop, run.workspace)) as interrupts:
        try:
            begin(run)
            clean_after_a_death(run)
            for name, do in steps_for(interrupts).items():
                if run.config.run_steps.get(name, True):
                    wanted.append(name)
                    _run_step(run, name, do, on_step, interrupts, outcome)
        except Exception as error:  # noqa: BLE001 - whatever it is, what was started is deleted
            outcome.errors.append(_error_of(run, wanted[-1] if wanted else _FIRST, error))
        outcome.interrupted = interrupts.count > 0
        free_reserve(run)
        delete_what_stands(run, last, outcome)
        if outcome.errors:
            with contextlib.suppress(OSError, FmbenchError):
                clean_received(run)
        conclude(run, outcome, wanted, success, last)
    return outcome


def _run_step(
    run: Run,
    name: str,
    do: Callable[[Run], object],
    on_step: Callable[[str], None],
    interrupts: Interrupts,
    outcome: Outcome,
) -> None:
    """Do a step, of a run that has failed or was interrupted only the cleanup."""
    if interrupts.look() and name != CLEANUP and not outcome.errors:  # it came between two steps
        outcome.errors.append(StepError(name, None, interrupts.why))
    if outcome.errors and (name != CLEANUP or not run.workspace.endpoints_file.exists()):
        return
    on_step(name)
    error = _done(run, name, do, interrupts)
    if error is not None:
        free_reserve(run)
        outcome.errors.append(error)


def _done(run: Run, name: str, do: Callable[[Run], object], interrupts: Interrupts) -> StepError | None:
    """Do a step; the error that stopped it."""
    try:
        do(run)
    except KeyboardInterrupt:
        return StepError(name, None, interrupts.why or "interrupted")
    except Exception as error:  # noqa: BLE001 - whatever it is, what was started is deleted
        return _error_of(run, name, error)
    return StepError(name, None, interrupts.why) if interrupts.look() and name != CLEANUP else None


def _error_of(run: Run, name: str, error: Exception) -> StepError:
    """Why a step stopped, with the class of one of our errors, as a notebook says it."""
    said = f"{type(error).__name__}: {error}" if isinstance(error, FmbenchError) else explained(error)
    stopped = no_place(run, name, error) or StepError(name, None, run.redactor(said))
    stopped.__cause__ = error
    return stopped
