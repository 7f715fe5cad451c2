"""Why a step stopped, in a line that says what happened and what to do."""

from __future__ import annotations

import contextlib
import signal
from dataclasses import dataclass

import fmbench_lib.errors
from fmbench_lib.errors import FmbenchError, StepError
from fmbench_lib.host.disk_space import disk_full, is_full
from fmbench_lib.host.memory_limits import killed_for_memory, shortage
from fmbench_lib.pipeline.kernels import Kernels
from fmbench_lib.runs.run import Run

_REST_BYTES = 4_000_000  # about what notebooks, tables and pictures of a small run take
_SAID_NOTHING = "CellExecutionError"  # papermill's name for a cell whose error did not come through
_PORT_TAKEN = "Address already in use"
_KILLED, _NOT_STARTED = "killed", "not started"
_DEATHS = (_SAID_NOTHING, _KILLED, _NOT_STARTED)


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What was going on when a step stopped: what its kernel printed last outside the notebook, the share of its memory
    limit that it had taken, how many processes the system has killed for want of memory since the step began, and the
    number of the signal that ended the kernel."""

    last_words: str = ""
    memory_share: float | None = None
    killed: int | None = None
    signal: int | None = None

    @classmethod
    def of(cls, kernels: Kernels, killed_before: int | None) -> Circumstances:
        """Those of the kernel that ran last; `killed_before` is `killed_for_memory()` from before the step."""
        killed = killed_for_memory()
        more = None if killed is None or killed_before is None else killed - killed_before
        return cls(kernels.last_words(), kernels.memory_share(), more, kernels.killed_by())


_NONE = Circumstances()


def step_error(run: Run, step: str, error: BaseException, seen: Circumstances = _NONE) -> StepError:
    """Why a step stopped, from what its execution raised."""
    if (without_room := no_place(run, step, error)) is not None:
        return without_room
    if isinstance(error, FmbenchError):
        return StepError(step, None, run.redactor(str(error)))
    cell, said, kind = _said(error, seen)
    if kind in vars(fmbench_lib.errors):  # one of ours knows its reason
        return StepError(step, cell, run.redactor(said))
    words = said if cell is not None else f"{said} {seen.last_words}"
    short = shortage(words, seen.memory_share, died=kind in _DEATHS, killed=seen.killed)
    return StepError(step, cell, run.redactor("; ".join(filter(None, (said, short)))))


def no_place(run: Run, step: str, error: BaseException) -> StepError | None:
    """Why a step stopped where the run's directory is gone or its disk full, None where it is neither."""
    if not run.workspace.run_file.exists():
        return StepError(step, None, f"the run's directory {run.workspace.path} is gone, and what was measured with it")
    if is_full(error):
        full = disk_full(run.workspace.run_file, _REST_BYTES, getattr(error, "errno", 0))
        return StepError(step, None, str(full))
    return None


def _said(error: BaseException, seen: Circumstances) -> tuple[int | None, str, str]:
    """The cell that an error arose in, the error in words, and what it was: a type, or one of `_DEATHS`."""
    from papermill.exceptions import PapermillExecutionError

    words = f": {seen.last_words}" if seen.last_words else ""
    if isinstance(error, PapermillExecutionError):
        if error.ename == _SAID_NOTHING and not error.evalue:
            return error.cell_index, f"its kernel broke off and could not say why{words}", _SAID_NOTHING
        return error.cell_index, f"{error.ename}: {error.evalue}".rstrip(": "), error.ename
    if was_killed(error):
        return None, f"its kernel was killed{_by_signal(seen.signal)}", _KILLED
    if isinstance(error, RuntimeError) and str(error).startswith("Kernel died"):
        return None, f"its kernel could not start{words or f': {error}'}", _NOT_STARTED
    kind = type(error).__name__
    return None, f"its kernel could not be followed ({f'{kind}: {error}'.rstrip(': ')})", kind


def _by_signal(number: int | None) -> str:
    """Which signal it was, unless it is the one that anybody kills with."""
    if number in (None, signal.SIGKILL):
        return ""
    with contextlib.suppress(ValueError):
        name = signal.Signals(number)
        limit = " (its CPU time is limited, ulimit -t)" if name == signal.SIGXCPU else ""
        return f" by {name.name}{limit}"
    return f" by signal {number}"


def lost_its_port(error: BaseException | None, last_words: str) -> bool:
    """Whether a kernel could not start as another process took a port that had just been found free."""
    return isinstance(error, RuntimeError) and str(error).startswith("Kernel died") and _PORT_TAKEN in last_words


def was_killed(error: BaseException) -> bool:
    """Whether an error means that the kernel was gone while it was waited for."""
    from nbclient.exceptions import DeadKernelError

    return isinstance(error, DeadKernelError)
