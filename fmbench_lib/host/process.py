"""Processes that outlive the process that started them, and can be identified later.

A process is started in a session of its own, so that the end of a notebook's kernel or a Ctrl-C does not reach it. It
is identified by its id *and* its start time: the id alone may belong to another process by then.
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
# Children of this process, so that their exit codes are known and none stays a zombie.
_children: dict[int, subprocess.Popen[bytes]] = {}


@dataclass(frozen=True, slots=True)
class ProcessMark:
    """What identifies a process: its id, when it was started and when the machine was booted (Unix s).

    A step of the machine's clock shifts both times together, so it is their difference that is compared.
    """

    pid: int
    started: float
    booted: float


def start_held(command: Sequence[str], *, log_file: Path, env: Mapping[str, str]) -> ProcessMark:
    """Start `command` in a session of its own, output and errors appended to `log_file`.

    Its standard input is a pipe on which it must wait for a byte (`release`): if this process dies before the mark has
    been recorded, the pipe closes and the command exits by itself. Raises DeployError where it cannot be started.
    """
    log_file.parent.mkdir(parents=True, exist_ok=True)
    try:
        with log_file.open("ab") as log:
            child = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=log, stderr=log, env=dict(env), start_new_session=True
            )
    except OSError as error:
        raise DeployError(f"cannot start {command[0]}: {error}") from error
    _children[child.pid] = child
    try:
        return ProcessMark(child.pid, psutil.Process(child.pid).create_time(), psutil.boot_time())
    except psutil.Error as error:
        raise DeployError(f"{command[0]} exited as soon as it was started: {tail(log_file)}") from error


def release(mark: ProcessMark) -> None:
    """Let a process from `start_held` begin its work."""
    child = _children[mark.pid]
    if child.stdin is not None:
        with contextlib.suppress(BrokenPipeError):  # it has died already, which is noticed by whoever waits for it
            child.stdin.write(b"\n")
            child.stdin.flush()
        with contextlib.suppress(BrokenPipeError):
            child.stdin.close()


def running(mark: ProcessMark) -> bool:
    """Whether that process, not another one with its id, still runs.

    A child runs until its exit code is known: its first thread may be dead while others still hold its port.
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
    """How a process that no longer runs ended, as far as is known."""
    child = _children.get(mark.pid)
    code = child.poll() if child is not None else None
    if code is None:
        return "is gone"
    if code < 0:
        return f"was ended by {signal.Signals(-code).name}"
    return f"exited with code {code}"


def stop(mark: ProcessMark, *, grace: float = 5.0) -> None:
    """Stop the process, its group and its children: SIGTERM, after `grace` seconds SIGKILL, and check that it is gone.

    Does nothing where it is gone already, and never touches another process that has been given its id. Raises
    DeployError where it cannot be stopped.
    """
    started = _descendants(mark)
    for number, patience in ((signal.SIGTERM, grace), (signal.SIGKILL, 10.0)):
        if not running(mark):
            break
        try:
            os.killpg(mark.pid, number)
        except ProcessLookupError:
            break
        except PermissionError as error:
            raise DeployError(f"process {mark.pid} belongs to another user and cannot be stopped") from error
        _wait_until_gone(mark, patience)
    for process in started:  # those in sessions of their own; psutil tells a process from a later one of its id
        with contextlib.suppress(psutil.Error):
            process.kill()
    psutil.wait_procs(started, timeout=2.0)
    if running(mark):
        raise DeployError(f"process {mark.pid} cannot be stopped; stop it by hand: kill -9 -{mark.pid}")
    child = _children.get(mark.pid)
    if child is not None and child.poll() is not None and child.stdin is not None:
        with contextlib.suppress(BrokenPipeError):
            child.stdin.close()


def _descendants(mark: ProcessMark) -> list[psutil.Process]:
    """What the process has started, and what that has."""
    try:
        return psutil.Process(mark.pid).children(recursive=True) if running(mark) else []
    except psutil.Error:
        return []


def _wait_until_gone(mark: ProcessMark, patience: float) -> None:
    deadline = time.monotonic() + patience
    while running(mark) and time.monotonic() < deadline:
        time.sleep(_POLL_S)


def tail(log_file: Path, lines: int = 4, longest: int = 200) -> str:
    """The last lines of a log that are not empty, joined to one line of text."""
    try:
        with log_file.open("rb") as file:
            begin = max(0, log_file.stat().st_size - 16_384)
            file.seek(begin)
            data = file.read()
            if begin and b"\n" in data:
                data = data.partition(b"\n")[2]  # the first line is cut: a secret in it could not be recognised
            text = data.decode("utf-8", errors="replace")
    except OSError:
        return f"no log at {log_file}"
    written = [line.strip()[:longest] for line in text.splitlines() if line.strip()]
    return " | ".join(written[-lines:]) or f"nothing in {log_file}"
