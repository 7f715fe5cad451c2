"""Which process this is, written down so that others can tell later whether it still runs.

A process id is given again, so the time of the process's start and the machine's boot stand beside it.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Literal, TypeAlias, TypedDict


class ProcessIdentity(TypedDict):
    """A process: its id, its start (clock ticks since the boot where the kernel says it, else Unix s), the boot that it
    ran in, the machine, and the space that its id is counted in; empty where a thing is not known."""

    pid: int
    started: float
    boot: str
    machine: str
    space: str


ProcessCondition: TypeAlias = Literal["alive", "stopped", "gone", "unknown"]
"""`stopped`: it was sent SIGSTOP, or Ctrl-Z. `unknown`: it ran on another machine or in another container."""


def this_process() -> ProcessIdentity:
    """The identity of this process."""
    return identity_of(os.getpid())


def identity_of(pid: int) -> ProcessIdentity:
    """The identity of the process that has this id now, in the space of this one."""
    return {"pid": pid, "started": _started(pid) or 0.0, "boot": boot_id(), "machine": _machine(), "space": _space()}


def condition_of(process: ProcessIdentity) -> ProcessCondition:
    """What a process is doing, as far as that can be told from here."""
    if is_gone(process):
        return "gone"
    if process["boot"] != boot_id() or process["space"] != _space():
        return "unknown"
    return "stopped" if _status(process["pid"]) in ("T", "t") else "alive"


def is_gone(process: ProcessIdentity) -> bool:
    """Whether a process runs no more; False where that cannot be told from here, as it ran on another machine or in
    another container."""
    if process["boot"] != boot_id():
        return bool(process["machine"]) and process["machine"] == _machine()  # booted since
    return process["space"] == _space() and _started(process["pid"]) != process["started"]


def boot_id() -> str:
    """What tells this boot of this machine from the others."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        import psutil

        return str(int(psutil.boot_time()))


def _machine() -> str:
    """The machine's id as a hash, which tells nothing else of it."""
    try:
        text = Path("/etc/machine-id").read_text().strip()
    except OSError:
        return ""
    return hashlib.sha256(f"fmbench {text}".encode()).hexdigest()[:16] if text else ""


def _space() -> str:
    try:
        return os.readlink("/proc/self/ns/pid")
    except OSError:
        return ""


def _status(pid: int) -> str:
    """The letter for what the kernel does with a process, as `ps` prints it; empty where that is not known."""
    try:
        return _stat_fields(pid)[0]
    except OSError:
        return ""


def _stat_fields(pid: int) -> list[str]:
    """The fields of `/proc/PID/stat` from the status on. Raises OSError where there is no such process."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def _started(pid: int) -> float | None:
    """When a process was started; None where there is none, or only what is left of one."""
    try:
        fields = _stat_fields(pid)
        return None if fields[0] in "ZX" else float(fields[19])
    except OSError:
        return None if Path("/proc/self/stat").exists() else _started_by_psutil(pid)


def _started_by_psutil(pid: int) -> float | None:
    import psutil

    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else process.create_time()
    except psutil.NoSuchProcess:
        return None
