"""Whether a kernel still does anything: one that has run out of memory may neither answer nor end.

A step's main thread is never idle for long: it polls what it waits for. A kernel is stuck when that thread has not run
at all for a while, the others hardly, and no child process works for it. So is one at its limit that spends its time in
the system, which refuses it memory at every turn.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psutil

from fmbench_lib.host.memory_limits import NEAR_LIMIT, more_memory

_LOOK_S = 2.0
_NEAR_LIMIT_PATIENCE_S = 45.0
_PATIENCE_S = 900.0
_IDLE_SHARE = 0.005  # of a core, which the threads of an idle kernel take
_AT_LIMIT = 0.97
_LEAST_SYSTEM_SHARE, _MOST_SYSTEM_TIMES_USER = 0.05, 1.5


@dataclass(frozen=True, slots=True)
class Activity:
    """A kernel at one time: how often its main thread has run, the CPU time of all its threads (s), its children, the
    share of its memory limit that it has taken (None: it has no limit), and what the system took of the CPU time."""

    main_thread_runs: int
    cpu_s: float
    children: int
    memory_share: float | None
    system_s: float = 0.0


class Liveness:
    """Watches one kernel; `look` reads its activity, None where that cannot be told.

    `memory_share` is that of the last look.
    """

    def __init__(self, look: Callable[[], Activity | None], clock: Callable[[], float] = time.monotonic) -> None:
        self._look, self._clock = look, clock
        self._since = self._last = clock()
        self._first: Activity | None = None
        self._at_limit: tuple[float, Activity] | None = None  # since when, and what it had done by then
        self.memory_share: float | None = None

    def stuck(self) -> str:
        """Why the kernel is taken for stuck; empty while it works. Called often, it looks every few seconds."""
        now = self._clock()
        if now - self._last < _LOOK_S and self._first is not None:
            return ""
        self._last, activity = now, self._look()
        self.memory_share = activity.memory_share if activity is not None else self.memory_share
        if refused_s := self._refused_s(activity, now):
            return f"ran out of memory: the system had refused it more for {refused_s:.0f} s; {more_memory()}"
        if activity is None or self._first is None or _works(self._first, activity, now - self._since):
            self._first, self._since = activity, now
            return ""
        share = activity.memory_share
        near = share is not None and share > NEAR_LIMIT
        idle_s = now - self._since
        if idle_s < (_NEAR_LIMIT_PATIENCE_S if near else _PATIENCE_S):
            return ""
        reason = f"had been doing nothing for {idle_s:.0f} s and was ended"
        if not near or share is None:
            return reason
        return f"ran out of memory, with {share:.0%} of its limit taken: it {reason}; {more_memory()}"

    def _refused_s(self, activity: Activity | None, now: float) -> float:
        """For how long the kernel has been at its limit and in the system more than in its own code; 0 if it is not."""
        if activity is None or (activity.memory_share or 0.0) < _AT_LIMIT:
            self._at_limit = None
            return 0.0
        if self._at_limit is None:
            self._at_limit = now, activity
        since, first = self._at_limit
        system_s, seconds = activity.system_s - first.system_s, now - since
        user_s = activity.cpu_s - first.cpu_s - system_s
        refused = system_s > max(_MOST_SYSTEM_TIMES_USER * user_s, _LEAST_SYSTEM_SHARE * seconds)
        return seconds if refused and seconds >= _NEAR_LIMIT_PATIENCE_S else 0.0


def activity_of(pid: int) -> Activity | None:
    """What a kernel has done by now; None where it is gone, or the system does not say (it is Linux that does)."""
    try:
        slices = int(Path(f"/proc/{pid}/task/{pid}/schedstat").read_text().split()[2])
        process = psutil.Process(pid)
        cpu = process.cpu_times()
        limit, _ = process.rlimit(psutil.RLIMIT_AS)
        share = process.memory_info().vms / limit if limit > 0 else None
        return Activity(slices, cpu.user + cpu.system, len(process.children()), share, cpu.system)
    except (OSError, ValueError, IndexError, psutil.Error):
        return None


def _works(before: Activity, now: Activity, seconds: float) -> bool:
    """Whether a kernel has done anything since `before`."""
    if now.main_thread_runs != before.main_thread_runs:
        return True
    if now.children and (now.memory_share or 0.0) <= NEAR_LIMIT:  # else the monitor's may be all that is left
        return True
    return now.cpu_s - before.cpu_s > max(_IDLE_SHARE * seconds, 0.1)
