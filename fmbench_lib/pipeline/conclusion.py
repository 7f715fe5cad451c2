"""How a run ends: what is left of it is deleted, its exit code is found, and both are recorded as far as possible."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any, Unpack

from fmbench_lib.errors import FmbenchError, InputError, RunStateError, StepError
from fmbench_lib.host.atomic_files import read_json
from fmbench_lib.host.disk_space import set_aside
from fmbench_lib.host.process_identity import this_process
from fmbench_lib.run_state import RunChanges
from fmbench_lib.runs.run import Run
from fmbench_lib.runs.run_orders import withdraw_order

CLEANUP = "5_cleanup"
LOAD = "3_run_inference"
ANALYSIS = "4_model_metric_analysis"
_BEFORE_DEPLOYMENT = ("0_setup", "1_generate_data")
_RESERVE_BYTES = 256 * 1024


@dataclass(slots=True)
class Outcome:
    """How a run ended. `exit_code` is 0, 1, 2 or 130; the reference of the command line explains them."""

    exit_code: int
    errors: list[StepError] = field(default_factory=list)
    interrupted: bool = False


@dataclass(frozen=True, slots=True)
class LastSteps:
    """What the end of a run needs of the steps, which take long to import.

    `take_down` deletes what the run still has standing, without a kernel, and returns what it could not delete.
    `unmeasured` is the number of planned levels that have no records.
    """

    take_down: Callable[[Run], list[str]] = lambda run: []
    unmeasured: Callable[[Run], int] = lambda run: 0


@dataclass(frozen=True, slots=True)
class Success:
    """What a run must have come to, beside its levels having been measured, for its exit code to be 0."""

    allow_invalid: bool = False
    fail_on_budget: bool = False


def begin(run: Run) -> None:
    """Record that the run is executed, with room set aside for the record of its end. Raises DiskFullError.

    An order to an earlier process is forgotten; one that was given since this process has made the run counts.
    """
    run.workspace.progress_file.unlink(missing_ok=True)
    if run.workspace.read_run().get("process") != this_process():
        withdraw_order(run.workspace)
    set_aside(run.workspace.reserve_file, _RESERVE_BYTES)
    run.workspace.update_run(status="running", process=this_process())


def free_reserve(run: Run) -> None:
    """Give up the room that was set aside, for what must be written now."""
    with contextlib.suppress(OSError):
        run.workspace.reserve_file.unlink(missing_ok=True)


def delete_what_stands(run: Run, last: LastSteps, outcome: Outcome) -> None:
    """Delete what the cleanup step left, or could not begin to delete; what remains is an error of the outcome."""
    if not outcome.errors and not _something_stands(run):
        return
    try:
        left = last.take_down(run)
    except Exception as error:  # noqa: BLE001 - nothing may keep the end of the run from being recorded
        left = [f"what the run deployed may still stand: {type(error).__name__}: {error}"]
    told = [error.message for error in outcome.errors if error.step == CLEANUP]
    lines = [run.redactor(line) for line in left]
    outcome.errors += [StepError(CLEANUP, None, line) for line in lines if not any(line in text for text in told)]


def conclude(run: Run, outcome: Outcome, wanted: Collection[str], success: Success, last: LastSteps) -> None:
    """Find the exit code from what is there, and record it and the run's status as far as they can be written."""
    try:
        outcome.exit_code = _exit_code(run, outcome, wanted, success, last)
    except (OSError, ValueError, KeyError, FmbenchError) as error:
        outcome.errors.append(StepError(CLEANUP, None, run.redactor(f"cannot read what the run has left: {error}")))
        outcome.exit_code = 1
    status: RunChanges = {"exit_code": outcome.exit_code}
    with contextlib.suppress(RunStateError):
        withdraw_order(run.workspace)
    if outcome.errors:
        status["status"] = "interrupted" if outcome.interrupted else "failed"
    try:
        _update(run, **status)
        run.workspace.keep(insist=True)
    except (OSError, FmbenchError) as error:
        if not outcome.errors:
            outcome.errors.append(StepError(CLEANUP, None, run.redactor(str(error))))
        outcome.exit_code = outcome.exit_code or 1


def _update(run: Run, **changes: Unpack[RunChanges]) -> None:
    """Change the run's state; not where its directory is gone, which was reported then."""
    if run.workspace.path.exists():
        run.workspace.update_run(**changes)


def _something_stands(run: Run) -> bool:
    """Whether the run's directory is gone, or its endpoints are not all recorded as deleted."""
    try:
        path = run.workspace.endpoints_file
        known: list[dict[str, Any]] = list(read_json(path).values()) if path.exists() else []
    except (OSError, ValueError):
        return True
    gone = not run.workspace.run_file.exists()
    return gone or any(one.get("owned") and one.get("deleted_at") is None for one in known)


def _exit_code(run: Run, outcome: Outcome, wanted: Collection[str], success: Success, last: LastSteps) -> int:
    if outcome.interrupted:
        return 130
    if outcome.errors:
        first = outcome.errors[0]
        return 2 if first.step in _BEFORE_DEPLOYMENT and first.message.partition(":")[0] in _input_errors() else 1
    workspace = run.workspace
    workspace.read_run()
    endpoints = read_json(workspace.endpoints_file).values() if workspace.endpoints_file.exists() else ()
    if any(endpoint["error"] for endpoint in endpoints) or workspace.failed_levels():
        return 1
    if ANALYSIS in wanted:
        return 0 if succeeded(run, success.allow_invalid, success.fail_on_budget) else 1
    return 1 if LOAD in wanted and last.unmeasured(run) else 0


def succeeded(run: Run, allow_invalid: bool, fail_on_budget: bool = False) -> bool:
    """Whether an analysed run has measured every level and evaluated its answers where that was asked for, and, unless
    allowed, has no invalid level.

    With `fail_on_budget` a level must also meet every budget: there is a winner.
    """
    summary = read_json(run.workspace.summary_file)
    if fail_on_budget and summary["decision"]["winner"] is None:
        return False
    evaluated = summary.get("all_evaluated", True)
    return bool(evaluated and summary["all_measured" if allow_invalid else "all_well"])


def _input_errors() -> set[str]:
    """The class names of InputError and its subclasses: a kernel reports an error by name."""
    classes: list[type[InputError]] = [InputError]
    for input_error in classes:
        classes += input_error.__subclasses__()
    return {input_error.__name__ for input_error in classes}
