"""The notebooks of a run, executed one after the other, each in its own kernel.

papermill works in a second thread, so that the main one can show progress and receive Ctrl-C. The executed notebook is
saved after every cell and stays whatever happens. Whatever ends the run, what it deployed is deleted.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import signal
import threading
import time
import warnings
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from fmbench_lib.config import STEPS, shipped_path
from fmbench_lib.errors import FmbenchError, RunStateError, StepError
from fmbench_lib.host.memory_limits import check_memory, killed_for_memory
from fmbench_lib.pipeline.conclusion import (
    ANALYSIS,
    CLEANUP,
    LastSteps,
    Outcome,
    Success,
    begin,
    conclude,
    delete_what_stands,
    free_reserve,
    succeeded,
)
from fmbench_lib.pipeline.interrupts import Interrupts
from fmbench_lib.pipeline.kernels import Kernels
from fmbench_lib.pipeline.notebook_secrets import remove_secrets
from fmbench_lib.pipeline.step_errors import Circumstances, lost_its_port, step_error, was_killed
from fmbench_lib.run_state import StepStatus
from fmbench_lib.runs.file_cleaning import clean_after_a_death, clean_files, clean_received
from fmbench_lib.runs.run import Run
from fmbench_lib.runs.run_orders import is_to_stop

__all__ = ["ANALYSIS", "CLEANUP", "LastSteps", "Outcome", "notebook_source", "run_pipeline", "steps_named", "succeeded"]

_POLL_SECONDS = 0.1
_KERNEL_PATIENCE_S = 20.0
_DEATH_PATIENCE_S = 30.0
_LOOP_END_S = 5.0
_ATTEMPTS = 3  # of a step whose kernel died with the fork server
_NO_CALLBACKS = LastSteps()


def run_pipeline(
    run: Run,
    on_poll: Callable[[str], None] = lambda step: None,
    only: Sequence[str] | None = None,
    *,
    allow_invalid: bool = False,
    fail_on_budget: bool = False,
    last: LastSteps = _NO_CALLBACKS,
) -> Outcome:
    """Execute the run's notebooks in the order of its `run_steps`.

    A step that fails ends the run, but the cleanup step still runs if the config has it; what that leaves or cannot
    begin to delete, as the disk is full or the directory gone, is deleted by `last`. `on_poll(step)` is called a few
    times a second. `only` restricts the run to some steps. With `allow_invalid` a run that measured every level
    succeeds whatever the verdicts; with `fail_on_budget` it fails if no level meets every budget. Raises RunStateError
    where another process is executing this run.
    """
    outcome = Outcome(0)
    wanted = [step for step, on in run.config.run_steps.items() if on and (only is None or step in only)]
    to_stop = partial(is_to_stop, run.workspace)
    with run.workspace.locked("pipeline", patience=0), Interrupts(to_stop) as interrupts:
        try:
            begin(run)
            clean_after_a_death(run)
            with Kernels() as kernels:
                _run_steps(run, wanted, kernels, interrupts, on_poll, outcome)
        except Exception as error:  # noqa: BLE001 - whatever it is, what was deployed is deleted
            outcome.errors.append(step_error(run, wanted[0] if wanted else CLEANUP, error))
        outcome.interrupted = interrupts.count > 0
        free_reserve(run)
        if CLEANUP in wanted:
            delete_what_stands(run, last, outcome)
        if outcome.errors:
            clean_received(run)
        conclude(run, outcome, wanted, Success(allow_invalid, fail_on_budget), last)
    return outcome


def _run_steps(
    run: Run,
    wanted: Sequence[str],
    kernels: Kernels,
    interrupts: Interrupts,
    on_poll: Callable[[str], None],
    outcome: Outcome,
) -> None:
    """Execute these steps until one fails, and then only the cleanup of what was deployed."""
    for step in wanted:
        if interrupts.look() and step != CLEANUP and not outcome.errors:  # it came between two steps
            outcome.errors.append(StepError(step, None, interrupts.why))
        if outcome.errors:
            free_reserve(run)
            if step != CLEANUP or not run.workspace.endpoints_file.exists():
                continue
        error = _execute(run, step, kernels, interrupts, partial(on_poll, step))
        if error is not None:
            outcome.errors.append(error)
        with contextlib.suppress(OSError, FmbenchError):  # the step that needs the room reports that there is none
            clean_files(run)
            run.workspace.keep(insist=True)


def notebook_source(step: str) -> Path:
    """The shipped notebook of a step; raises RunStateError where the installation lacks it."""
    path = shipped_path(f"notebooks/{step}.ipynb")
    if path is None:
        raise RunStateError(f"the notebook {step}.ipynb is missing from this installation: reinstall fmbench-lib")
    return path


def _execute(
    run: Run, step: str, kernels: Kernels, interrupts: Interrupts, on_poll: Callable[[], None]
) -> StepError | None:
    """Execute one notebook; returns why it stopped, None when it completed.

    Where its kernel died because the fork server did, or another process took its port, it is executed again: a step
    goes on with what is not done. So is a cleanup whose kernel died.
    """
    killed = killed_for_memory()
    for attempt in range(1, _ATTEMPTS + 1):
        started, before = time.time(), interrupts.count
        error, why = _attempt(run, step, kernels, interrupts, on_poll)
        if error is None:
            return None
        interrupted = interrupts.look() > before and step != CLEANUP
        died = kernels.lost or lost_its_port(error, kernels.last_words())
        died |= step == CLEANUP and not why and was_killed(error) and interrupts.count == before
        if interrupted or not died or attempt == _ATTEMPTS:
            break
        with contextlib.suppress(OSError, FmbenchError):
            run.workspace.log_event("kernels restarted", step=step)
    assert error is not None
    _record_end(run, step, "interrupted" if interrupted else "failed", started)
    if interrupted:
        stopped = StepError(step, None, interrupts.why)
    else:
        stopped = StepError(step, None, why) if why else step_error(run, step, error, Circumstances.of(kernels, killed))
    stopped.__cause__ = error
    return stopped


def _attempt(
    run: Run, step: str, kernels: Kernels, interrupts: Interrupts, on_poll: Callable[[], None]
) -> tuple[BaseException | None, str]:
    """Execute a notebook in a second thread; returns what it raised, and why its kernel had to be killed."""
    finished: list[BaseException | None] = []

    def execute() -> None:
        try:
            finished.append(_papermill(run, step, kernels))
        except BaseException as error:  # noqa: BLE001 - handed to the thread that waits
            finished.append(error)

    before = interrupts.count
    thread = threading.Thread(target=execute, name=step, daemon=True)
    thread.start()
    why = _watch(thread, kernels, lambda: interrupts.look() - before, on_poll, cleanup=step == CLEANUP)
    if not finished:
        return TimeoutError(), why or "its kernel could not be ended"
    return finished[0], why


def _watch(
    thread: threading.Thread,
    kernels: Kernels,
    interrupts: Callable[[], int],
    on_poll: Callable[[], None],
    *,
    cleanup: bool,
) -> str:
    """Wait for a notebook; returns why its kernel was killed where it was stuck.

    The first interrupt is passed on to the kernel, which shuts down in order; the second one, or a timeout, kills it.
    The cleanup is not interrupted: the second one kills its kernel, and what is left is deleted without one.
    """
    deadline, given_up, why = None, None, ""
    while thread.is_alive():
        thread.join(_POLL_SECONDS)
        on_poll()
        now, received = time.monotonic(), interrupts()
        if received and deadline is None and (cleanup or kernels.signal(signal.SIGINT)):
            deadline = math.inf if cleanup else now + _KERNEL_PATIENCE_S
        why = why or kernels.stuck()
        if why or (deadline is not None and (received > 1 or now > deadline)):
            kernels.signal(signal.SIGKILL)
            given_up = given_up or now + _DEATH_PATIENCE_S
        if given_up is not None and now > given_up:
            kernels.kill()
            thread.join(_DEATH_PATIENCE_S)
            return f"its kernel {why}" if why else ""
    return f"its kernel {why}" if why else ""


def _papermill(run: Run, step: str, kernels: Kernels) -> BaseException | None:
    """Run papermill; returns what it raised, for the main thread to handle.

    Raises FmbenchError where there is too little memory for it.
    """
    import papermill

    check_memory()
    for name in ("papermill", "traitlets"):  # what they would log of an error is raised too
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            papermill.execute_notebook(
                notebook_source(step),
                run.workspace.notebook(step),
                parameters={"config_file": str(run.loaded.path), "run_dir": str(run.workspace.path)},
                progress_bar=False,
                log_output=False,
                kernel_manager_class=kernels.manager(),
                extra_arguments=["--log-level=ERROR"],  # a kernel warns about its transport on every start
                shutdown_kernel="immediate",  # a step has saved all its results
            )
    except BaseException as error:  # noqa: BLE001 - handed to the thread that waits
        return error
    finally:
        _close_event_loop()
        remove_secrets(run.workspace.notebook(step), run.redactor.in_content)
    return None


def _close_event_loop() -> None:
    """Close the event loop that nbclient made for this thread and leaves open, and end what still waits in it: else
    the interpreter prints that it was destroyed."""
    with contextlib.suppress(RuntimeError):  # it failed before it made one
        loop = asyncio.get_event_loop()
        tasks = asyncio.all_tasks(loop)
        for task in tasks:
            task.cancel()
        if tasks:
            loop.run_until_complete(asyncio.wait(tasks, timeout=_LOOP_END_S))
        loop.close()


def _record_end(run: Run, step: str, status: StepStatus, started: float) -> None:
    """Record how a step ended where its kernel was killed before it could, as far as that can be written."""
    with contextlib.suppress(OSError, FmbenchError):
        state = run.workspace.read_run()["steps"].get(step)
        if state is None or state["status"] in ("running", "done"):
            run.end_step(step, status, started, time.time())


def steps_named(text: str) -> list[str]:
    """The steps that `--steps` selects: numbers, ranges or names, `0,1,3-5`. Raises RunStateError for another."""
    chosen: list[str] = []
    for part in filter(None, (piece.strip() for piece in text.split(","))):
        first, dash, last = part.partition("-")
        if first.isdigit() and dash and last.isdigit():
            names = [step for step in STEPS if int(first) <= int(step[0]) <= int(last)]
        else:
            names = [step for step in STEPS if part in (step, step[0], f"{step}.ipynb")]
        if not names:
            raise RunStateError(
                f"--steps {part}: no such step; write numbers from 0 to {len(STEPS) - 1}, such as 3,4 or 0-2"
            )
        chosen += names
    return [step for step in STEPS if step in chosen]
