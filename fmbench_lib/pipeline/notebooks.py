"""The notebooks of a run, executed one after the other, each in its own kernel.

papermill works in a second thread, so that the main one can show progress and receive Ctrl-C. The executed notebook is
saved after every cell and stays whatever happens.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import threading
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from fmbench_lib.config import STEPS, shipped_path
from fmbench_lib.errors import InputError, RunStateError, StepError
from fmbench_lib.host.atomic_files import read_json
from fmbench_lib.host.process_identity import this_process
from fmbench_lib.pipeline.interrupts import Interrupts
from fmbench_lib.pipeline.kernels import Kernels
from fmbench_lib.pipeline.notebook_secrets import remove_secrets
from fmbench_lib.run_state import StepStatus
from fmbench_lib.runs.file_cleaning import clean_files
from fmbench_lib.runs.run import Run

CLEANUP = "5_cleanup"
ANALYSIS = "4_model_metric_analysis"
_POLL_SECONDS = 0.1
_KERNEL_PATIENCE_S = 20.0
_BEFORE_DEPLOYMENT = ("0_setup", "1_generate_data")


@dataclass(slots=True)
class Outcome:
    """How a run ended. `exit_code` is 0, 1, 2 or 130; the reference of the command line explains them."""

    exit_code: int
    errors: list[StepError] = field(default_factory=list)
    interrupted: bool = False


def run_pipeline(
    run: Run,
    on_poll: Callable[[str], None] = lambda step: None,
    only: Sequence[str] | None = None,
    *,
    allow_invalid: bool = False,
    fail_on_budget: bool = False,
) -> Outcome:
    """Execute the run's notebooks in the order of its `run_steps`.

    A step that fails ends the run, but the cleanup step still runs if the config has it. `on_poll(step)` is called a
    few times a second. `only` restricts the run to some steps. With `allow_invalid` a run that measured every level
    succeeds whatever the verdicts; with `fail_on_budget` it fails if no level meets every budget. Raises RunStateError
    where another process is executing this run.
    """
    outcome = Outcome(0)
    wanted = [step for step, on in run.config.run_steps.items() if on and (only is None or step in only)]
    with run.workspace.locked("pipeline", patience=0), Interrupts() as interrupts, Kernels() as kernels:
        run.workspace.progress_file.unlink(missing_ok=True)
        run.workspace.update_run(status="running", process=this_process())
        for step in wanted:
            if outcome.errors and not (step == CLEANUP and run.workspace.endpoints_file.exists()):
                continue
            error = _execute(run, step, kernels, interrupts, partial(on_poll, step))
            clean_files(run)
            run.workspace.keep(insist=True)
            if error is not None:
                outcome.errors.append(error)
        outcome.interrupted = interrupts.count > 0
        outcome.exit_code = _exit_code(run, outcome)
        if outcome.exit_code == 0 and ANALYSIS in wanted and not succeeded(run, allow_invalid, fail_on_budget):
            outcome.exit_code = 1
        if outcome.errors:
            run.workspace.update_run(status="interrupted" if outcome.interrupted else "failed")
        run.workspace.update_run(exit_code=outcome.exit_code)
        run.workspace.keep(insist=True)
    return outcome


def _exit_code(run: Run, outcome: Outcome) -> int:
    """The code of what went wrong while the notebooks were executed, 0 where nothing did."""
    if outcome.interrupted:
        return 130
    if outcome.errors:
        first = outcome.errors[0]
        return 2 if first.step in _BEFORE_DEPLOYMENT and first.message.partition(":")[0] in _input_errors() else 1
    workspace = run.workspace
    endpoints = read_json(workspace.endpoints_file).values() if workspace.endpoints_file.exists() else ()
    return 1 if any(endpoint["error"] for endpoint in endpoints) or workspace.failed_levels() else 0


def succeeded(run: Run, allow_invalid: bool, fail_on_budget: bool = False) -> bool:
    """Whether an analysed run has measured every level and, unless allowed, has no invalid one.

    With `fail_on_budget` a level must also meet every budget: there is a winner.
    """
    summary = read_json(run.workspace.summary_file)
    if fail_on_budget and summary["decision"]["winner"] is None:
        return False
    return bool(summary["all_measured" if allow_invalid else "all_well"])


def _input_errors() -> set[str]:
    """The class names of InputError and its subclasses: a kernel reports an error by name."""
    classes: list[type[InputError]] = [InputError]
    for input_error in classes:
        classes += input_error.__subclasses__()
    return {input_error.__name__ for input_error in classes}


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

    The first interrupt is passed on to the kernel, which shuts down in order; the second one, or a timeout, kills it.
    Interrupts before this step are ignored, so that Ctrl-C does not also interrupt the cleanup that follows it.
    """
    finished: list[BaseException | None] = []
    thread = threading.Thread(target=lambda: finished.append(_papermill(run, step, kernels)), name=step, daemon=True)
    started, before = time.time(), interrupts.count
    deadline: float | None = None
    thread.start()
    while thread.is_alive():
        thread.join(_POLL_SECONDS)
        on_poll()
        received = interrupts.count - before
        if received and deadline is None and kernels.signal(signal.SIGINT):
            deadline = time.monotonic() + _KERNEL_PATIENCE_S
        if deadline is not None and (received > 1 or time.monotonic() > deadline):
            kernels.signal(signal.SIGKILL)
    error = finished[0]
    if error is None:
        return None
    interrupted = interrupts.count > before
    _record_end(run, step, "interrupted" if interrupted else "failed", started)
    stopped = StepError(step, None, "interrupted") if interrupted else _step_error(run, step, error)
    stopped.__cause__ = error
    return stopped


def _papermill(run: Run, step: str, kernels: Kernels) -> BaseException | None:
    """Run papermill; returns what it raised, for the main thread to handle."""
    import papermill

    logging.getLogger("papermill").setLevel(logging.ERROR)
    logging.getLogger("traitlets").setLevel(logging.ERROR)
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
    """Close the event loop that nbclient made for this thread and leaves open."""
    with contextlib.suppress(RuntimeError):  # it failed before it made one
        asyncio.get_event_loop().close()


def _step_error(run: Run, step: str, error: BaseException) -> StepError:
    from nbclient.exceptions import DeadKernelError
    from papermill.exceptions import PapermillExecutionError

    if isinstance(error, PapermillExecutionError):
        return StepError(step, error.cell_index, run.redactor(f"{error.ename}: {error.evalue}"))
    if isinstance(error, DeadKernelError):
        return StepError(step, None, "its kernel was killed")
    return StepError(step, None, run.redactor(f"{type(error).__name__}: {error}"))


def _record_end(run: Run, step: str, status: StepStatus, started: float) -> None:
    """Record how a step ended where its kernel was killed before it could."""
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
