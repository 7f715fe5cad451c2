"""Processes that outlive who started them, and are found again by who they are, not only by their number.

A process is started in a session of its own, so that the end of a notebook's kernel or a Ctrl-C doesn't reach it. It is
known by its id *and* when it was started: an id alone may belong to a stranger by the time it is asked about.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from fmbench_lib.errors import DeployError

# How far two readings of one process's start may differ: the kernel's boot time is kept in whole seconds.
_SAME_START_S = 1.5
_POLL_S = 0.02
# Our own children, so that their exit codes are known and none stays a zombie.
_children: dict[int, subprocess.Popen[bytes]] = {}


@dataclass(frozen=True, slots=True)
class ProcessMark:
    """Which process is meant: its id, when it was started and when the machine was booted (Unix s).

    A step of the machine's clock shifts both times together, so it is their difference that is compared.
    """

    pid: int
    started: float
    booted: float


def start_held(command: Sequence[str], *, log_file: Path, env: Mapping[str, str]) -> ProcessMark:
    """Start `command` in a session of its own, output and errors appended to `log_file`.

    Its standard input is a pipe on which it must wait for a byte (`release`): should we die before its mark has been
    written down, the pipe closes and it goes away by itself. Raises DeployError where it cannot be started.
    """
    log_file.parent.mkdir(parents=True, exist_ok=True)
    try:
        with log_file.open("ab") as log:
            child = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=log, stderr=log, env=dict(env), start_new_session=True
            )
    except OSError as error:
        raise DeployError(f"{command[0]} could not be started: {error}") from error
    _children[child.pid] = child
    try:
        return ProcessMark(child.pid, psutil.Process(child.pid).create_time(), psutil.boot_time())
    except psutil.Error as error:
        raise DeployError(f"{command[0]} ended as soon as it was started: {tail(log_file)}") from error


def release(mark: ProcessMark) -> None:
    """Let a process that was started held begin its work."""
    child = _children[mark.pid]
    if child.stdin is not None:
        with contextlib.suppress(BrokenPipeError):  # it died already: whoever waits for it will see
            child.stdin.write(b"\n")
            child.stdin.flush()
        with contextlib.suppress(BrokenPipeError):
            child.stdin.close()


def running(mark: ProcessMark) -> bool:
    """Whether that very process (not another one of the same id) still runs.

    Our own child runs until its exit code is known: its first thread may be dead while others still hold its port.
    """
    child = _children.get(mark.pid)
    ours = child is not None and child.poll() is None
    try:
        process = psutil.Process(mark.pid)
        age = process.create_time() - psutil.boot_time()
        same = abs(age - (mark.started - mark.booted)) <= _SAME_START_S
        return same and (ours or process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def ending(mark: ProcessMark) -> str:
    """How a process that no longer runs came to its end, as far as it is known."""
    child = _children.get(mark.pid)
    code = child.poll() if child is not None else None
    if code is None:
        return "is gone"
    if code < 0:
        return f"was ended by {signal.Signals(-code).name}"
    return f"exited with code {code}"


def stop(mark: ProcessMark, *, grace: float = 5.0) -> None:
    """End the process and its group: SIGTERM, after `grace` seconds SIGKILL, and see that it is gone.

    Does nothing where it is gone already, and never touches another process that has come by its id. Raises DeployError
    where it cannot be ended.
    """
    for number, patience in ((signal.SIGTERM, grace), (signal.SIGKILL, 10.0)):
        if not running(mark):
            break
        try:
            os.killpg(mark.pid, number)
        except ProcessLookupError:
            break
        except PermissionError as error:
            raise DeployError(f"process {mark.pid} belongs to another user and cannot be ended") from error
        _wait_until_gone(mark, patience)
    if running(mark):
        raise DeployError(f"process {mark.pid} could not be ended; end it by hand: kill -9 -{mark.pid}")
    child = _children.get(mark.pid)
    if child is not None and child.poll() is not None and child.stdin is not None:
        with contextlib.suppress(BrokenPipeError):
            child.stdin.close()


def _wait_until_gone(mark: ProcessMark, patience: float) -> None:
    deadline = time.monotonic() + patience
    while running(mark) and time.monotonic() < deadline:
        time.sleep(_POLL_S)


def tail(log_file: Path, lines: int = 4, longest: int = 200) -> str:
    """The last lines of a log that say anything, on one line."""
    try:
        with log_file.open("rb") as file:
            file.seek(max(0, log_file.stat().st_size - 16_384))
            text = file.read().decode("utf-8", errors="replace")
    except OSError:
        return f"no log at {log_file}"
    said = [line.strip()[:longest] for line in text.splitlines() if line.strip()]
    return " | ".join(said[-lines:]) or f"nothing in {log_file}"
