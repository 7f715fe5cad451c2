"""How a run stands, in lines."""

from __future__ import annotations

import time
from collections.abc import Iterator

from fmbench_lib.host.disk_space import size_text
from fmbench_lib.runs.machine_status import MachineStanding
from fmbench_lib.runs.progress import LiveLevel, duration
from fmbench_lib.runs.run_status import RunProcess, StandingOfRun
from fmbench_lib.views.live_view import finished_line, live_view

_MOST_LEVELS = 10
_SILENT_S = 10.0
"""Figures are published twice a second; older ones tell that the process is stopped, or the machine busy."""
_PENDING = {
    "pause": "it will pause when this level has ended",
    "pause now": "it will pause at once",
    "stop": "it will stop at once",
}


def status_lines(standing: StandingOfRun) -> Iterator[str]:
    """How a run stands: state, levels, the level that is being measured, processes, disk."""
    yield _state_line(standing)
    if standing.order is not None and not standing.paused:
        yield f"asked: {_PENDING[standing.order]}"
    yield from map(machine_line, standing.machines)
    measured = standing.measured
    if len(measured) > _MOST_LEVELS:
        yield f"measured: {len(measured)} levels, of which the last {_MOST_LEVELS}:"
    for event in measured[-_MOST_LEVELS:]:
        yield finished_line(event)
    if standing.failed:
        yield f"not measured, as they broke down: {standing.failed}"
    yield from _level_lines(standing)
    if standing.processes:
        yield "processes: " + ", ".join(map(_process, standing.processes))
    free = "" if standing.free is None else f", {size_text(standing.free)} free on its disk"
    yield f"disk: the run takes {size_text(standing.taken)}{free}"


def _state_line(standing: StandingOfRun) -> str:
    code = "" if standing.exit_code is None else f", exit code {standing.exit_code}"
    if not standing.goes_on:
        return f"{standing.title}: {standing.status}{code}"
    if standing.paused:
        return f"{standing.title}: paused in {standing.step}; `fmbench --resume` with this run lets it go on"
    if standing.step is None:
        return f"{standing.title}: running, between two steps"
    return f"{standing.title}: running, {standing.step} for {duration(standing.step_s)}"


def machine_line(machine: MachineStanding) -> str:
    """How a machine of a fleet stands, with what fmbench has printed there last."""
    what = ", ".join(machine.experiments)
    back = f"{machine.levels} of its levels brought back"
    if machine.condition == "not started":
        return f"{machine.label}: not started, for {what}; {back}"
    if machine.condition == "deleted":
        return f"{machine.label}: deleted, had {what}; {back}"
    took = "" if machine.since is None else f" for {duration(max(time.time() - machine.since, 0.0))}"
    if machine.condition == "left":
        return f"{machine.label}: not deleted, up{took} with {what}; {back}"
    said = "" if machine.last_line is None else f"; there: {machine.last_line}"
    return f"{machine.label}: {machine.condition}{took}, {what}{said}"


def _level_lines(standing: StandingOfRun) -> Iterator[str]:
    if standing.level is None:
        return
    view = live_view(standing.level)
    share = "" if view.share is None else f" ({view.share:.0%})"
    yield f"{view.position}: {view.level}: {view.requests}{share}"
    yield "  " + " · ".join([*view.figures, *view.left])
    yield from _disk_line(standing.level)
    if standing.level_age is not None and standing.level_age > _SILENT_S:
        yield f"  these figures are {duration(standing.level_age)} old: what measures is stopped, or has no time to run"


def _disk_line(level: LiveLevel) -> Iterator[str]:
    """What the level takes on the disk, as far as it has been measured; and that it will not fit, where that is so."""
    each, needed, free = (level.get(name) for name in ("bytes_per_request", "bytes_needed", "bytes_free"))
    if not isinstance(each, float):
        return
    line = f"  a request takes {size_text(round(each))} on the disk"
    if isinstance(needed, int):
        line += f", the rest of the level about {size_text(needed)}"
        if isinstance(free, int) and needed > free:
            line += f", and {size_text(free)} are free: it will be stopped before the disk is full"
    yield line


def _process(process: RunProcess) -> str:
    return f"{process.name} {process.pid} {process.condition}"
