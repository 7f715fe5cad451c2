"""How the machines of a fleet stand, from the directory of its run alone."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from fmbench_lib.fleet.machine_task import Machine
from fmbench_lib.host.atomic_files import read_json
from fmbench_lib.runs.fleet_record import is_fleet, read_fleet
from fmbench_lib.workspace import Workspace

MachineCondition: TypeAlias = Literal["not started", "starting", "measuring", "left", "deleted"]
"""`left`: it was started and not deleted, and nobody waits for it."""


@dataclass(frozen=True, slots=True)
class MachineStanding:
    """A machine of a fleet: `since` is when it was asked for, came into service or was deleted (Unix seconds), `levels`
    how many of its levels have been brought back, `last_line` what fmbench printed there last, as far as it has been
    asked."""

    label: str
    experiments: tuple[str, ...]
    condition: MachineCondition
    since: float | None
    levels: int
    last_line: str | None


def machine_standings(workspace: Workspace, *, running: bool) -> Iterator[MachineStanding]:
    """The machines of a run, none where it is not a fleet's; `running` says that a process executes it.

    Raises RunStateError where the record of the fleet is damaged.
    """
    if not is_fleet(workspace):
        return
    recorded = _recorded(workspace)
    for machine in read_fleet(workspace).machines:
        condition, since = _condition(recorded.get(machine.label), running)
        levels = sum(len(workspace.levels_of(experiment)) for experiment in machine.experiments)
        line = _last_line(workspace, machine) if condition in ("measuring", "left") else None
        yield MachineStanding(machine.label, machine.experiments, condition, since, levels, line)


def _recorded(workspace: Workspace) -> Mapping[str, Any]:
    """What is recorded of machines and endpoints, by name."""
    with contextlib.suppress(OSError, ValueError):
        content = read_json(workspace.endpoints_file)
        return content if isinstance(content, dict) else {}
    return {}


def _condition(recorded: Any, running: bool) -> tuple[MachineCondition, float | None]:
    """How a machine stands by its record, and since when."""
    if not isinstance(recorded, dict):
        return "not started", None
    deleted, up = recorded.get("deleted_at"), recorded.get("in_service_at")
    if deleted is not None:
        return "deleted", deleted
    if not running:
        return "left", up or recorded.get("created_at")
    return ("starting", recorded.get("created_at")) if up is None else ("measuring", up)


def _last_line(workspace: Workspace, machine: Machine) -> str | None:
    try:
        return workspace.machine(machine.name).last_line.read_text(encoding="utf-8").strip() or None
    except (OSError, ValueError):
        return None
