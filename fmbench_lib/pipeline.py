"""The notebooks of a run, one after the other, each in a kernel of its own.

papermill works in a thread beside, so that this one can show how the run is doing and can hear a Ctrl-C; the executed
notebook is written as it grows and stays behind whatever happens.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

import psutil

from fmbench_lib.config import STEPS, shipped_path
from fmbench_lib.errors import RunStateError, StepError
from fmbench_lib.run import Run
from fmbench_lib.workspace import read_json

CLEANUP = "5_cleanup"
_LOOK_SECONDS = 0.3
_KERNEL_PATIENCE_S = 20.0
_INPUT_ERRORS = (
    "InputError",
    "ConfigError",
    "DataError",
    "TokenizerError",
    "TemplateError",
    "PriceFileError",
    "RunStateError",
)
_BEFORE_ANYTHING = ("0_setup", "1_generate_data")


@dataclass(slots=True)
class Outcome:
    """How a run ended. `exit_code` is 0, 1, 2 or 130, as the command line's reference says what each means."""

    exit_code: int
    errors: list[StepError] = field(default_factory=list)
    interrupted: bool = False


def run_pipeline(
    run: Run, on_look: Callable[[str], None] = lambda step: None, only: Sequence[str] | None = None
) -> Outcome:
    """Execute the run's notebooks in the order of its `run_steps`.

    A step that fails ends the run, except that what was deployed is taken down all the same where the config says so.
    `on_look(step)` is called a few times a second. `only` restricts the steps to some of them.
    """
    outcome = Outcome(0)
    wanted = [step for step, on in run.config.run_steps.items() if on and (only is None or step in only)]
    with run.workspace.locked("pipeline", patience=0):
        run.workspace.update_run(status="running")
        for step in wanted:
            if outcome.errors and step != CLEANUP:
                continue
            try:
                _execute(run, step, lambda step=step: on_look(step))  # type: ignore[misc]
            except KeyboardInterrupt:
                outcome.interrupted = True
                outcome.errors.append(StepError(step, None, "interrupted"))
            except StepError as error:
                outcome.errors.append(error)
        outcome.exit_code = _exit_code(run, outcome)
        run.workspace.update_run(status=_status(run, outcome, wanted), exit_code=outcome.exit_code)
    return outcome


def _status(run: Run, outcome: Outcome, wanted: Sequence[str]) -> str:
    if outcome.interrupted:
        return "interrupted"
    if outcome.errors:
        return "failed"
    done = {step for step, state in run.workspace.read_run()["steps"].items() if state["status"] == "done"}
    return "finished" if {step for step, on in run.config.run_steps.items() if on} <= done else "running"


def _exit_code(run: Run, outcome: Outcome) -> int:
    if outcome.interrupted:
        return 130
    if outcome.errors:
        first = outcome.errors[0]
        bad_input = first.message.partition(":")[0] in _INPUT_ERRORS
        return 2 if bad_input and first.step in _BEFORE_ANYTHING else 1
    if run.workspace.summary_file.exists() and not read_json(run.workspace.summary_file)["all_well"]:
        return 1
    return 0


def notebook_source(step: str) -> Path:
    """The notebook of a step as it ships."""
    path = shipped_path(f"notebooks/{step}.ipynb")
    if path is None:
        raise RunStateError(f"notebook {step}.ipynb does not ship with this installation: install fmbench-lib again")
    return path


def _execute(run: Run, step: str, on_look: Callable[[], None]) -> None:
    """Execute one notebook. Raises StepError when it stops, KeyboardInterrupt when a person stops it."""
    finished: list[BaseException | None] = []
    thread = threading.Thread(target=lambda: finished.append(_papermill(run, step)), name=step, daemon=True)
    started = time.time()
    interrupted = False
    with _signals_as_interrupt():
        thread.start()
        deadline = None
        while thread.is_alive():
            try:
                thread.join(_LOOK_SECONDS)
                on_look()
            except KeyboardInterrupt:
                _signal_kernels(signal.SIGKILL if interrupted else signal.SIGINT)
                interrupted = True
                deadline = deadline or time.monotonic() + _KERNEL_PATIENCE_S
            if deadline is not None and time.monotonic() > deadline:
                _signal_kernels(signal.SIGKILL)
    error = finished[0] if finished else None
    if error is None and not interrupted:
        return
    _note_end(run, step, "interrupted" if interrupted else "failed", started)
    if interrupted:
        raise KeyboardInterrupt
    assert error is not None
    raise _step_error(step, error) from error


def _papermill(run: Run, step: str) -> BaseException | None:
    """Run papermill; returns what it raised, for the other thread to deal with."""
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
                extra_arguments=["--log-level=ERROR"],  # a kernel warns of its own transport on every start
            )
    except BaseException as error:  # noqa: BLE001 - handed to the thread that waits
        return error
    return None


def _step_error(step: str, error: BaseException) -> StepError:
    from nbclient.exceptions import DeadKernelError
    from papermill.exceptions import PapermillExecutionError

    if isinstance(error, PapermillExecutionError):
        return StepError(step, error.cell_index, f"{error.ename}: {error.evalue}")
    if isinstance(error, DeadKernelError):
        return StepError(step, None, "its kernel was killed")
    return StepError(step, None, f"{type(error).__name__}: {error}")


def _note_end(run: Run, step: str, status: str, started: float) -> None:
    """A kernel that was killed could not write down how its step ended."""
    state = run.workspace.read_run()["steps"].get(step)
    if state is None or state["status"] in ("running", "done"):
        run.end_step(step, status, started, time.time())


def _signal_kernels(number: signal.Signals) -> None:
    """Kernels are the only children of this process; they live in sessions of their own and hear no Ctrl-C."""
    for child in psutil.Process(os.getpid()).children():
        with contextlib.suppress(psutil.NoSuchProcess):
            child.send_signal(number)


@contextlib.contextmanager
def _signals_as_interrupt() -> Iterator[None]:
    """Let a termination request end the run in order, as Ctrl-C does."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    previous: dict[int, Any] = {number: signal.signal(number, interrupt) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def steps_named(text: str) -> list[str]:
    """The steps that `--steps` names: `0,1,3`, ranges `0-2`, or their names. Raises RunStateError for another."""
    chosen: list[str] = []
    for part in filter(None, (piece.strip() for piece in text.split(","))):
        first, dash, last = part.partition("-")
        if first.isdigit() and dash and last.isdigit():
            names = [step for step in STEPS if int(first) <= int(step[0]) <= int(last)]
        else:
            names = [step for step in STEPS if part in (step, step[0], f"{step}.ipynb")]
        if not names:
            raise RunStateError(
                f"--steps {part}: no such step; write numbers 0 to {len(STEPS) - 1}, such as 3,4 or 0-2"
            )
        chosen += names
    return [step for step in STEPS if step in chosen]
