"""What a run records of its fleet: how machines are made, which there are, and what they were found to be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from fmbench_lib.errors import RunStateError
from fmbench_lib.fleet.machine_task import FleetSettings, Machine
from fmbench_lib.host.atomic_files import read_json
from fmbench_lib.workspace import Workspace

FORMAT = 1
"""Of `fleet.json`."""


@dataclass(frozen=True, slots=True)
class Fleet:
    """The machines of a run; `hosts` are the facts of those that have measured, by the machine's name."""

    settings: FleetSettings
    machines: tuple[Machine, ...]
    hosts: Mapping[str, Mapping[str, Any]]

    def host_of(self, experiment: str) -> Mapping[str, Any] | None:
        """The facts of the machine that has measured an experiment; None where none has."""
        return next((self.hosts.get(one.name) for one in self.machines if experiment in one.experiments), None)


def is_fleet(workspace: Workspace) -> bool:
    """Whether the experiments of a run are measured on machines of a fleet."""
    return workspace.fleet_file.exists()


def write_fleet(workspace: Workspace, settings: FleetSettings, machines: Sequence[Machine]) -> None:
    """Record the machines, before any is started."""
    _write(workspace, Fleet(settings, tuple(machines), {}))


def read_fleet(workspace: Workspace) -> Fleet:
    """The fleet of a run. Raises RunStateError where its record is damaged."""
    try:
        content = read_json(workspace.fleet_file)
        machines = [Machine(**{**one, "experiments": tuple(one["experiments"])}) for one in content["machines"]]
        return Fleet(FleetSettings(**content["settings"]), tuple(machines), dict(content["hosts"]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RunStateError(f"cannot read {workspace.fleet_file}: {error}") from error


def record_host(workspace: Workspace, machine: Machine, host: Mapping[str, Any]) -> None:
    """Record the facts of the machine that has measured."""
    with workspace.locked("fleet"):
        fleet = read_fleet(workspace)
        _write(workspace, replace(fleet, hosts={**fleet.hosts, machine.name: dict(host)}))


def fleet_lines(workspace: Workspace) -> list[str]:
    """For the report, a line on each machine that has measured: its experiments, and what it was as a client."""
    if not is_fleet(workspace):
        return []
    fleet = read_fleet(workspace)
    return [
        f"{', '.join(one.experiments)}: served and measured on {one.label}: {_client(fleet.hosts[one.name])}"
        for one in fleet.machines
        if one.name in fleet.hosts
    ]


def client_of(workspace: Workspace, experiment: str, here: Mapping[str, Any]) -> Mapping[str, Any]:
    """The facts of the machine that has measured an experiment: `here`, those of the run, unless a fleet's has."""
    if not is_fleet(workspace):
        return here
    return read_fleet(workspace).host_of(experiment) or {}


def client_facts(workspace: Workspace, here: Mapping[str, Any]) -> Mapping[str, Any]:
    """The facts of the machine that has measured the run; of a fleet a line for each machine."""
    if not is_fleet(workspace):
        return here
    return {name: _client(host) for name, host in read_fleet(workspace).hosts.items()}


def _client(host: Mapping[str, Any]) -> str:
    memory = host.get("memory_gib")
    parts = [host.get("processor"), f"{host.get('cores')} cores", memory and f"{memory} GiB", host.get("system")]
    return ", ".join(str(part) for part in parts if part)


def _write(workspace: Workspace, fleet: Fleet) -> None:
    content = {
        "format": FORMAT,
        "settings": asdict(fleet.settings),
        "machines": [asdict(machine) for machine in fleet.machines],
        "hosts": fleet.hosts,
    }
    workspace.note(workspace.fleet_file, content)
    workspace.keep(workspace.fleet_file)
