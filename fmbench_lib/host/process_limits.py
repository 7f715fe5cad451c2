"""Limits of the system that load workers and the emulator raise: their priority, and their number of sockets."""

from __future__ import annotations

import contextlib
import os
import resource
import sys
from pathlib import Path

NICENESS = -10


def claim_priority() -> None:
    """Raise the priority of this process, where that is allowed (as root, or with CAP_SYS_NICE).

    Linux may weigh sessions against each other first (autogroups, see sched(7)); then a process's own priority counts
    within its session alone. So the session's weight is raised too, if this process leads it.
    """
    with contextlib.suppress(OSError):
        os.nice(NICENESS)
    if os.getsid(0) == os.getpid():
        with contextlib.suppress(OSError):
            Path("/proc/self/autogroup").write_text(f"{NICENESS}\n")


def most_open_files() -> int:
    """How many files and sockets a process may have open once it has raised its limit."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    return sys.maxsize if most == resource.RLIM_INFINITY else most


def allow_many_sockets() -> None:
    """Raise the limit of open files as far as the system allows: the usual 1024 is too low for a large level."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
