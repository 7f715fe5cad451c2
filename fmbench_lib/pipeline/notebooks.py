"""The notebooks of a run, one after the other, each in a kernel of its own.

papermill works in a thread beside, so that this one can show how the run is doing and can hear a Ctrl-C; the executed
notebook is written as it grows and stays behind whatever happens.
"""

from __future__ import annotations

import contextlib
import json
import logging
import signal
import threading
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any

from fmbench_lib.config import STEPS, shipped_path
from fmbench_lib.errors import InputError, RunStateError, StepError
from fmbench_lib.pipeline.kernels import Kernels
from fmbench_lib.runs.run import Run
from fmbench_lib.workspace import each_text, read_json, write_text

CLEANUP = "5_cleanup"
ANALYSIS = "4_model_metric_analysis"
_LOOK_SECONDS = 0.1
_KERNEL_PATIENCE_S = 20.0
_BEFORE_ANYTHING = ("0_setup", "1_generate_data")


@dataclass(slots=True)
class Outcome:
    """How a run ended. `exit_code` is 0, 1, 2 or 130, as the command line's reference says what each means."""

    exit_code: int
    errors: list[StepError] = field(default_factory=list)
    interrupted: bool = False


class Interrupts:
    """Counts Ctrl-C and termination requests instead of letting them tear the pipeline apart."""

    def __init__(self) -> None:
        self.count = 0
        self._previous: dict[int, Any] = {}

    def __enter__(self) -> Interrupts:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._previous[number] = signal.signal(number, self._heard)
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def _heard(self, _number: int, _frame: FrameType | None) -> None:
        self.count += 1


def run_pipeline(
    run: Run,
    on_look: Callable[[str], None] = lambda step: None,
    only: Sequence[str] | None = None,
    *,
    allow_invalid: bool = False,
) -> Outcome:
    """Execute the run's notebooks in the order of its `run_steps`.

    A step that fails ends the run, except that what was deployed is taken down all the same where the config says so.
    `on_look(step)` is called a few times a second. `only` restricts the steps to some of them;
    `allow_invalid` lets a run that measured every level end well whatever their verdicts.
    """
    outcome = Outcome(0)
    wanted = [step for step, on in run.config.run_steps.items() if on and (only is None or step in only)]
    with run.workspace.locked("pipeline", patience=0), Interrupts() as interrupts, Kernels() as kernels:
        run.workspace.progress_file.unlink(missing_ok=True)
        run.workspace.update_run(status="running")
        for step in wanted:
            if outcome.errors and not (step == CLEANUP and run.workspace.endpoints_file.exists()):
                continue
            error = _execute(run, step, kernels, interrupts, partial(on_look, step))
            run.workspace.keep(insist=True)
            if error is not None:
                outcome.errors.append(error)
        outcome.interrupted = interrupts.count > 0
        outcome.exit_code = _exit_code(run, outcome, wanted, allow_invalid)
        if outcome.errors:
            run.workspace.update_run(status="interrupted" if outcome.interrupted else "failed")
        run.workspace.update_run(exit_code=outcome.exit_code)
        run.workspace.keep(insist=True)
    return outcome


def _exit_code(run: Run, outcome: Outcome, wanted: Sequence[str], allow_invalid: bool) -> int:
    if outcome.interrupted:
        return 130
    if outcome.errors:
        first = outcome.errors[0]
        return 2 if first.step in _BEFORE_ANYTHING and first.message.partition(":")[0] in _input_errors() else 1
    workspace = run.workspace
    deployed = read_json(workspace.endpoints_file).values() if workspace.endpoints_file.exists() else ()
    if any(endpoint["error"] for endpoint in deployed) or workspace.failed_levels():
        return 1
    return 1 if ANALYSIS in wanted and not ended_well(run, allow_invalid) else 0


def ended_well(run: Run, allow_invalid: bool) -> bool:
    """Whether an analysed run has every level and, unless that is allowed, none that is invalid."""
    return bool(read_json(run.workspace.summary_file)["all_measured" if allow_invalid else "all_well"])


def _input_errors() -> set[str]:
    """The names of all errors that mean bad input, as a kernel reports them."""
    found: list[type[InputError]] = [InputError]
    for kind in found:
        found += kind.__subclasses__()
    return {kind.__name__ for kind in found}


def notebook_source(step: str) -> Path:
    """The notebook of a step as it ships."""
    path = shipped_path(f"notebooks/{step}.ipynb")
    if path is None:
        raise RunStateError(f"notebook {step}.ipynb does not ship with this installation: install fmbench-lib again")
    return path


def _execute(
    run: Run, step: str, kernels: Kernels, interrupts: Interrupts, on_look: Callable[[], None]
) -> StepError | None:
    """Execute one notebook; returns why it stopped, None when it went through.

    A first interrupt is passed on to the kernel, which ends its work in order; a second one, or no end in time, kills
    it. One that came before this step does not concern it: the cleanup after a Ctrl-C is not interrupted by it.
    """
    finished: list[BaseException | None] = []
    thread = threading.Thread(target=lambda: finished.append(_papermill(run, step, kernels)), name=step, daemon=True)
    started, before = time.time(), interrupts.count
    deadline: float | None = None
    thread.start()
    while thread.is_alive():
        thread.join(_LOOK_SECONDS)
        on_look()
        heard = interrupts.count - before
        if heard and deadline is None and kernels.signal(signal.SIGINT):
            deadline = time.monotonic() + _KERNEL_PATIENCE_S
        if deadline is not None and (heard > 1 or time.monotonic() > deadline):
            kernels.signal(signal.SIGKILL)
    error = finished[0]
    if error is None:
        return None
    interrupted = interrupts.count > before
    _note_end(run, step, "interrupted" if interrupted else "failed", started)
    stopped = StepError(step, None, "interrupted") if interrupted else _step_error(run, step, error)
    stopped.__cause__ = error
    return stopped


def _papermill(run: Run, step: str, kernels: Kernels) -> BaseException | None:
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
                kernel_manager_class=kernels.manager(),
                extra_arguments=["--log-level=ERROR"],  # a kernel warns of its own transport on every start
                shutdown_kernel="immediate",  # a step has written down all it has to keep
            )
    except BaseException as error:  # noqa: BLE001 - handed to the thread that waits
        return error
    finally:
        _without_secrets(run, step)
    return None


def _without_secrets(run: Run, step: str) -> None:
    """Take out of an executed notebook what its errors may have repeated."""
    path = run.workspace.notebook(step)
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    safe = run.redactor.without_known(text)
    if safe != text:
        with contextlib.suppress(ValueError):  # of a notebook that was cut off, the text will do
            safe = json.dumps(each_text(json.loads(text), run.redactor.without_known), indent=1, ensure_ascii=False)
        write_text(path, safe)


def _step_error(run: Run, step: str, error: BaseException) -> StepError:
    from nbclient.exceptions import DeadKernelError
    from papermill.exceptions import PapermillExecutionError

    if isinstance(error, PapermillExecutionError):
        return StepError(step, error.cell_index, run.redactor(f"{error.ename}: {error.evalue}"))
    if isinstance(error, DeadKernelError):
        return StepError(step, None, "its kernel was killed")
    return StepError(step, None, run.redactor(f"{type(error).__name__}: {error}"))


def _note_end(run: Run, step: str, status: str, started: float) -> None:
    """A kernel that was killed could not write down how its step ended."""
    state = run.workspace.read_run()["steps"].get(step)
    if state is None or state["status"] in ("running", "done"):
        run.end_step(step, status, started, time.time())


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
