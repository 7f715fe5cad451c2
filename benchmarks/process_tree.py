"""The cost of a command with all processes that it starts: its time, and the CPU of the whole tree.

Run as a script, it is the parent of that tree: orphaned processes become its children, so the kernel's sum over ended
children misses none, however short-lived.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_PR_SET_CHILD_SUBREAPER = 36
_LEFT_BEHIND_S = 10.0


@dataclass(frozen=True, slots=True)
class Cost:
    """`wall_s` is from the start of the command to its end, `cpu_s` user and system time of all its processes."""

    wall_s: float
    cpu_s: float
    exit_code: int


def run(command: Sequence[str], *, environment: Mapping[str, str], folder: Path, log: Path) -> Cost:
    """Run the command in `folder`; what it prints goes to `log`."""
    with tempfile.NamedTemporaryFile("r", suffix=".json") as result, log.open("wb") as output:
        parent = [sys.executable, str(Path(__file__)), result.name, *command]
        subprocess.run(
            parent, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output, check=True
        )
        return Cost(**json.load(result))


def main(result: str, *command: str) -> None:
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "this system does not allow inheriting orphaned processes")
    begun = time.monotonic()
    try:
        code = subprocess.Popen(command).wait()
    except OSError as error:
        print(error)
        code = 127
    wall_s = time.monotonic() - begun
    _wait_for_the_rest()
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    Path(result).write_text(json.dumps({"wall_s": wall_s, "cpu_s": used.ru_utime + used.ru_stime, "exit_code": code}))


def _wait_for_the_rest() -> None:
    """Wait for every process that the command left behind; kill those that don't exit by themselves."""
    deadline = time.monotonic() + _LEFT_BEHIND_S
    with contextlib.suppress(ChildProcessError):
        while True:
            number, _ = os.waitpid(-1, os.WNOHANG)
            if number:
                continue
            if time.monotonic() > deadline:
                for child in _children():
                    os.kill(child, signal.SIGKILL)
            time.sleep(0.02)


def _children() -> list[int]:
    path = Path(f"/proc/self/task/{os.getpid()}/children")
    return [int(number) for number in path.read_text().split()]


if __name__ == "__main__":
    main(*sys.argv[1:])
