"""Whether the machine that a level ran on had its cores for it.

What else runs on a machine delays the endpoint only if there are too few cores for both, so a busy neighbour is no
reason while nothing waits. On a machine of the client alone it is one only if the client's delays are.
"""

from __future__ import annotations

from collections.abc import Iterator

from fmbench_lib.metrics.finding import Finding
from fmbench_lib.metrics.missing import Row, number, text
from fmbench_lib.metrics.thresholds import Thresholds


def crowded(row: Row, limits: Thresholds) -> bool:
    """Whether others used so much of the machine that fmbench or the endpoint had to wait for a core."""
    cores, mean = number(row, "host_cores"), number(row, "host_cores_others")
    if not cores or mean is None:
        return False
    much = mean > limits.others_mean * cores
    return (much or (number(row, "host_cores_others_p95") or 0.0) > limits.others_peak * cores) and _scarce(row, limits)


def other_programs(row: Row, limits: Thresholds) -> Iterator[Finding]:
    """Cores that something else used on the endpoint's machine."""
    if text(row, "host_machine") != "endpoint" or not crowded(row, limits):
        return
    cores, mean, peak = (number(row, name) for name in ("host_cores", "host_cores_others", "host_cores_others_p95"))
    reason = f"something else used {mean:.3g} of {cores:.0f} cores during the level"
    if peak is not None and mean is not None and peak > 2 * mean:
        reason = f"{reason} ({peak:.3g} at times)"
    waiting = number(row, "host_cpu_waiting")
    if waiting is not None:
        reason = f"{reason}, and processes waited for a core {waiting:.0%} of the time"
    yield Finding("degraded", f"{reason}, so its times are not the endpoint's alone: stop it and measure again")


def withheld_cores(row: Row, limits: Thresholds) -> Iterator[Finding]:
    """CPU time that a hypervisor or a CPU limit withheld from the endpoint's machine."""
    if text(row, "host_machine") != "endpoint":
        return
    stolen, throttled = number(row, "host_cpu_stolen"), number(row, "host_cpu_throttled")
    if stolen is not None and stolen > limits.stolen_degraded:
        reason = f"the hypervisor gave {stolen:.1%} of the machine's CPU time to others"
        yield Finding("degraded", f"{reason}: measure on a machine of your own, or again at another time")
    if throttled is not None and throttled > limits.throttled_degraded:
        reason = f"a CPU limit (cgroup) kept processes from running {throttled:.1%} of the time"
        yield Finding("degraded", f"{reason}: raise the limit, or take it as part of what is measured")


def _scarce(row: Row, limits: Thresholds) -> bool:
    """Whether cores were scarce: processes waited for one, or where that is not known, hardly one was idle."""
    waiting, busy, cores = (number(row, name) for name in ("host_cpu_waiting", "host_cores_busy", "host_cores"))
    if waiting is not None:
        return waiting > limits.waiting_degraded
    return busy is not None and cores is not None and busy > limits.busy_degraded * cores
