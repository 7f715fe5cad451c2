"""SkyPilot's command line, which only this module and `machine_files` beside it know. Written for version 0.14.

`sky down` ends with 0 also where it has deleted nothing, and a launch goes on in SkyPilot's API server after the
command that asked for it has ended. So a machine is gone only when `sky status` does not list it and no request for it
is left.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence, Set
from pathlib import Path
from typing import Any, Literal

from fmbench_lib.errors import DeployError, InputError
from fmbench_lib.host import parent_death
from fmbench_lib.host.process import tail

SKY = "sky"
JobState = Literal["running", "succeeded", "failed", "absent", "unknown"]

_STATE_OF_EXIT: Mapping[int, JobState] = {0: "succeeded", 100: "failed", 101: "running", 102: "absent", 103: "failed"}
"""What the exit codes of `sky logs --status` mean; any other says that the machine could not be asked."""
_ONLY_MACHINES = ("--no-show-managed-jobs", "--no-show-services", "--no-show-pools", "--output", "json")
_ANSWER_S, _DELETION_S = 120.0, 900.0
_POLL_S, _GRACE_S = 0.2, 10.0
_AGAIN_S = 1.0
_ATTEMPTS = 8
_TWICE = 2  # a launch that was just asked for shows up a moment later
_LAUNCH = "launch"
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
_VERSION = "0.14"
_NO_MACHINE = "fmbench-asks-for-none"


def _never() -> bool:
    return False


def is_installed() -> bool:
    """Whether there is a command `sky`."""
    return shutil.which(SKY) is not None


def check_answers() -> None:
    """Check that `sky` can list machines and requests, as whoever starts a machine must be able to delete it.

    Raises InputError.
    """
    try:
        status_of(_NO_MACHINE)
        _launches_of(_NO_MACHINE)
    except DeployError as error:
        raise InputError(
            f"no machine is started, as SkyPilot could not say which there are: {error}; fmbench is written for "
            f"SkyPilot {_VERSION} (`sky --version`, `sky check`)"
        ) from None


def launch(
    machine: str,
    task: Path,
    log: Path,
    secrets: Mapping[str, str],
    stopped: Callable[[], bool] = _never,
    seconds: float = math.inf,
) -> None:
    """Start a machine and its job; returns when the job is in its queue.

    `secrets` are environment variables of the job; they are in no file and no command line. Raises DeployError where
    SkyPilot cannot start it or has not in so many `seconds`, KeyboardInterrupt once it is `stopped`: then SkyPilot may
    go on.
    """
    words = [SKY, "launch", "--yes", "--detach-run", "--cluster", machine]
    words += [word for name in sorted(secrets) for word in ("--secret", name)]
    code = _watched([*words, str(task)], log, {**os.environ, **secrets}, stopped, seconds)
    if code != 0:
        raise DeployError(f"SkyPilot did not start it: {tail(log)}")


def job_state(machine: str, stopped: Callable[[], bool] = _never) -> JobState:
    """How far the last job of a machine is; `absent` where it has none, `unknown` where it cannot be asked.

    Raises KeyboardInterrupt once it is `stopped`.
    """
    with contextlib.suppress(DeployError):
        code, _ = _asked([SKY, "logs", "--status", machine], stopped=stopped)
        return _STATE_OF_EXIT.get(code, "unknown")
    return "unknown"


def status_of(machine: str) -> str | None:
    """The status of a machine, such as `UP` or `INIT`; None where there is none of this name. Raises DeployError."""
    found = _json_of([SKY, "status", "--refresh", *_ONLY_MACHINES, machine], {"name", "status"})
    return next((str(one["status"]) for one in found if one["name"] == machine), None)


def save_log(machine: str, log: Path) -> None:
    """Add the output of the machine's last job to a log, as far as it can be read."""
    with contextlib.suppress(DeployError, OSError):
        _, text = _asked([SKY, "logs", "--no-follow", "--tail", "200", machine])
        with log.open("a", encoding="utf-8") as file:
            file.write(text)


def take_down(machine: str, pause: Callable[[float], None] = time.sleep) -> None:
    """Delete a machine, also one that is still being launched, and check that it is gone. Raises DeployError."""
    said, seen_gone = "", 0
    for _ in range(_ATTEMPTS):
        requests = _launches_of(machine)
        if requests:
            _asked([SKY, "api", "cancel", "--yes", *requests])
        if not requests and status_of(machine) is None:
            seen_gone += 1
            if seen_gone == _TWICE:
                return
        else:
            seen_gone = 0
            _, said = _asked([SKY, "down", "--yes", machine], _DELETION_S)
        pause(_AGAIN_S)
    raise DeployError(f"SkyPilot has not deleted {machine}: {_last_lines(said)}; `sky down {machine}` tries it again")


def _launches_of(machine: str) -> list[str]:
    """The requests that SkyPilot's server still works on to start a machine."""
    words = [SKY, "api", "status", "--limit", "none", "--cluster", machine, "--output", "json"]
    return [str(one["request_id"]) for one in _json_of(words, {"request_id", "name"}) if _LAUNCH in str(one["name"])]


# -- processes -------------------------------------------------------------------------------------------------------


def _watched(
    words: Sequence[str], log: Path, env: Mapping[str, str], stopped: Callable[[], bool], seconds: float
) -> int:
    """Run a command that takes minutes; the exit code. It does not outlive this process, and is ended as `_waited` says
    it."""
    _check_installed()
    log.parent.mkdir(parents=True, exist_ok=True)
    bound = [sys.executable, "-I", parent_death.__file__, str(os.getpid()), *words]
    with log.open("ab") as file:
        child = subprocess.Popen(
            bound, stdin=subprocess.DEVNULL, stdout=file, stderr=file, env=dict(env), start_new_session=True
        )
    return _waited(child, words, stopped, seconds)


def _waited(child: subprocess.Popen[bytes], words: Sequence[str], stopped: Callable[[], bool], seconds: float) -> int:
    """The exit code of a command, which is ended once `stopped`, and after so many `seconds`.

    Raises KeyboardInterrupt and DeployError then.
    """
    deadline = time.monotonic() + seconds
    try:
        while True:
            with contextlib.suppress(subprocess.TimeoutExpired):
                return child.wait(_POLL_S)
            if stopped():
                raise KeyboardInterrupt
            if time.monotonic() > deadline:
                raise DeployError(f"`{' '.join(words)}` did not end within {seconds:.0f} s")
    finally:
        _end(child)


def _end(child: subprocess.Popen[bytes]) -> None:
    for number in (signal.SIGINT, signal.SIGKILL):
        if child.poll() is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(_GRACE_S)


def _asked(words: Sequence[str], seconds: float | None = None, stopped: Callable[[], bool] = _never) -> tuple[int, str]:
    """The exit code of a command and all that it printed. Ctrl-C does not reach it. Raises DeployError, and
    KeyboardInterrupt once it is `stopped`."""
    _check_installed()
    with tempfile.TemporaryFile() as said:  # a pipe would be waited for while any child of the command holds it
        try:
            child = subprocess.Popen(
                words, stdin=subprocess.DEVNULL, stdout=said, stderr=subprocess.STDOUT, start_new_session=True
            )
        except OSError as error:
            raise DeployError(f"cannot run {words[0]}: {error.strerror}") from None
        code = _waited(child, words, stopped, _ANSWER_S if seconds is None else seconds)
        said.seek(0)
        return code, _COLOURS.sub("", said.read().decode("utf-8", "replace"))


def _json_of(words: Sequence[str], wanted: Set[str]) -> list[dict[str, Any]]:
    """The list that a command prints as JSON, which other lines may stand before; each item has the `wanted` keys.

    Raises DeployError.
    """
    code, text = _asked(words)
    lines = text.splitlines()
    begin = next((n for n, line in enumerate(lines) if line in ("[", "[]")), None)
    end = next((n for n in range(len(lines) - 1, -1, -1) if lines[n] in ("]", "[]")), -1)
    try:
        if code or begin is None:
            raise ValueError
        found: list[dict[str, Any]] = json.loads("\n".join(lines[begin : end + 1]))
        if not all(isinstance(one, dict) and wanted <= one.keys() for one in found):
            raise ValueError
    except (ValueError, RecursionError):
        raise DeployError(f"`{' '.join(words)}` ended with exit code {code}: {_last_lines(text)}") from None
    return found


def _check_installed() -> None:
    if not is_installed():
        raise DeployError("SkyPilot's command `sky` is not on the PATH: pip install 'fmbench-lib[skypilot]'")


def _last_lines(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return " | ".join(lines[-3:]) or "it printed nothing"
