"""Memory that ran out: how errors show it, and what to do about it."""

from __future__ import annotations

import contextlib
import mmap
import os
import resource
from pathlib import Path

from fmbench_lib.errors import FmbenchError

_SIGNS = (
    *("memoryerror", "out of memory", "cannot allocate memory", "not enough memory", "unable to allocate"),
    *("failed to map segment", "bad_alloc", "can't start new thread", "pthread_create failed"),
)
"""In lower case: Python, the system, the loader of libraries, C++, threads without room for their stacks."""
NEAR_LIMIT = 0.75
"""From this share of its limit on a process is taken for short of memory: it cannot use every byte of it."""

_LIMITS = ((resource.RLIMIT_AS, "ulimit -v"), (resource.RLIMIT_DATA, "ulimit -d"))
_NO_FILES = "too many open files"
_SPARING = {"MALLOC_ARENA_MAX": "2", "ARROW_DEFAULT_MEMORY_POOL": "system"}
_M_ARENA_MAX = -8  # malloc.h of glibc
_STEP_BYTES = 128 << 20  # stacks of threads, arenas, modules


def lacks_memory(said: str) -> bool:
    """Whether the words of an error, with its type, mean that there was no memory."""
    said = said.lower()
    return any(sign in said for sign in _SIGNS)


def more_memory() -> str:
    """What to do about too little memory, with the limit of this process if it has one."""
    limit = _limit()
    if limit is None:
        return "give this machine or its container more of it"
    return f"raise its limit ({limit[1]} {limit[0] >> 10})"


def spare_memory() -> None:
    """Have this process and those that it will start reserve less address space, where they have a limit.

    The arenas of threads and Arrow's pool reserve more than a gigabyte that they never use, which counts all the same.
    What the environment says already stays.
    """
    if _limit() is None:
        return
    import ctypes  # few processes have a limit

    for name, value in _SPARING.items():
        os.environ.setdefault(name, value)
    with contextlib.suppress(OSError, AttributeError):  # another C library than glibc
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, int(_SPARING["MALLOC_ARENA_MAX"]))


def check_memory() -> None:
    """Raise FmbenchError where this process has a limit and too little left of it for what a step needs: libraries in C
    abort where a thread has no room for its stack."""
    if _limit() is None:
        return
    try:
        mmap.mmap(-1, _STEP_BYTES).close()
    except OSError:
        raise FmbenchError(f"too little memory is left to go on: {more_memory()}") from None


def shortage(said: str, share: float | None = None, *, died: bool = False, killed: int | None = None) -> str:
    """Why memory is the cause of an error, or may be, and what to do, also about too few open files; empty where
    nothing speaks for either.

    `said`: the words of the error · `share`: of its limit that the process had taken when it was last looked at, None
    without one · `died`: it ended without a word · `killed`: how many processes the system killed for want of memory
    meanwhile, None where unknown.
    """
    if _NO_FILES in said.lower():
        return f"raise the limit of open files (ulimit -n {resource.getrlimit(resource.RLIMIT_NOFILE)[0]})"
    if lacks_memory(said):
        return f"it ran out of memory: {more_memory()}"
    if died and killed:
        return f"perhaps for want of memory, as the system has just killed {killed} for that: {more_memory()}"
    if share is not None and share > NEAR_LIMIT:
        return f"perhaps it ran out of memory, as it had taken {share:.0%} of what it may have: {more_memory()}"
    return f"perhaps it ran out of memory: {more_memory()}" if died and _limit() is not None else ""


def _limit() -> tuple[int, str] | None:
    """How much memory this process and those that it starts may have each, in bytes, and what set that; None without a
    limit."""
    limits = [(resource.getrlimit(which)[0], command) for which, command in _LIMITS]
    return min((limit for limit in limits if limit[0] != resource.RLIM_INFINITY), default=None)


def killed_for_memory() -> int | None:
    """How many processes the system has killed for want of memory since it started; None where it does not say."""
    try:
        lines = Path("/proc/vmstat").read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) for line in lines if line.startswith("oom_kill ")), None)
