"""The files that a machine has measured, brought back over the SSH access that SkyPilot has set up for it."""

from __future__ import annotations

import shutil
import subprocess
import tarfile
import threading
from pathlib import Path

from fmbench_lib.errors import DeployError
from fmbench_lib.host.printable import printable

_LINE_S = 15.0
_PATIENCE = ("ConnectTimeout=30", "ServerAliveInterval=15", "ServerAliveCountMax=4", "BatchMode=yes")


def command_back(machine: str, remote: str, local: Path) -> str:
    """The command that does for a person what `bring_back` does."""
    return f"mkdir -p '{local}' && ssh {machine} tar -C {remote} -czf - . | tar -C '{local}' -xzf -"


def bring_back(machine: str, remote: str, local: Path, seconds: float) -> None:
    """Copy a folder of a machine, relative to its home, to `local`, in place of what is there, all of it or nothing.

    Links, devices and paths that lead out of the folder are not accepted. Raises DeployError where it takes longer than
    `seconds`, or the machine cannot be reached.
    """
    part = local.with_name(f"{local.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    words = _ssh(machine, "tar", "-C", remote, "-czf", "-", ".")
    try:
        child = subprocess.Popen(
            words,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
    except OSError as error:
        raise DeployError(f"cannot run ssh: {error.strerror}") from None
    timer = threading.Timer(seconds, child.kill)
    timer.start()
    problem = ""
    try:
        with tarfile.open(fileobj=child.stdout, mode="r|gz") as archive:
            archive.extractall(part, filter="data")
    except (tarfile.TarError, OSError, EOFError) as error:
        problem = str(error)
    finally:
        timer.cancel()
        _, said = child.communicate()
    if child.returncode or problem:
        shutil.rmtree(part, ignore_errors=True)
        lines = said.decode("utf-8", "replace").strip().splitlines()
        raise DeployError(f"its results could not be brought back: {lines[-1] if lines else problem or 'too slow'}")
    shutil.rmtree(local, ignore_errors=True)
    part.replace(local)


def last_line(machine: str, remote: str) -> str:
    """The last line of a text file of a machine, relative to its home; empty where it cannot be read at once."""
    try:
        done = subprocess.run(
            _ssh(machine, "tail", "-n", "1", remote),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=_LINE_S,
            start_new_session=True,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return printable(done.stdout.decode("utf-8", "replace")).strip() if done.returncode == 0 else ""


def _ssh(machine: str, *command: str) -> list[str]:
    return ["ssh", *(word for option in _PATIENCE for word in ("-o", option)), machine, *command]
