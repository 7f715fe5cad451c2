"""What load workers and the emulator claim of the system: to be on time whatever else a machine does, and sockets."""

from __future__ import annotations

import contextlib
import os
import resource
from pathlib import Path

NICENESS = -10


def claim_priority() -> None:
    """Go before others, where we may (as root, or with CAP_SYS_NICE).

    Linux may weigh sessions against each other first (autogroups, see sched(7)); then a process's own priority counts
    within its session alone. So a session's weight is raised too, if it is ours alone: if we lead it.
    """
    with contextlib.suppress(OSError):
        os.nice(NICENESS)
    if os.getsid(0) == os.getpid():
        with contextlib.suppress(OSError):
            Path("/proc/self/autogroup").write_text(f"{NICENESS}\n")


def allow_many_sockets() -> None:
    """Raise the limit of open files as far as the system lets us: the usual 1024 is less than what is measured."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
