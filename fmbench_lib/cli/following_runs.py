"""The commands `status`, `pause` and `stop`: a run that another process executes, seen and reached from elsewhere."""

from __future__ import annotations

import argparse
import shlex
import time
from collections.abc import Callable
from dataclasses import asdict

from fmbench_lib.cli.display import Display
from fmbench_lib.cli.option_values import existing_run
from fmbench_lib.cli.status_lines import machine_line, status_lines
from fmbench_lib.cli.terminal import emit, is_json, say, say_wrapped, short_path
from fmbench_lib.errors import InputError
from fmbench_lib.runs.fleet_record import is_fleet
from fmbench_lib.runs.run_orders import Order, give_order, is_to_pause, withdraw_order
from fmbench_lib.runs.run_status import StandingOfRun, standing_of
from fmbench_lib.storage.bucket import is_address
from fmbench_lib.workspace import Workspace, is_needed_to_follow

_LOOK_S = 0.5
_IN_ORDER = "when what is in flight has ended, and deletes what it deployed"


def status_command(options: argparse.Namespace) -> int:
    """Print how a run stands; with `--follow` until it has ended, and then its exit code is that of the command."""
    elsewhere = is_address(options.run_dir)
    if elsewhere and options.follow:
        raise InputError(
            f"--follow {options.run_dir}: follow the run on the machine that executes it, by its directory"
        )
    workspace = Workspace(existing_run(options.run_dir, is_needed_to_follow, options.results_dir))
    if options.follow:
        return follow(workspace)
    standing = standing_of(workspace, with_records=not elsewhere)
    if elsewhere:
        say(_uploaded_line(standing, options.run_dir))
    _tell(workspace, standing)
    return 0


def _uploaded_line(standing: StandingOfRun, address: str) -> str:
    """What a run's bucket can tell of it."""
    until = "" if standing.last_event is None else f", up to {standing.last_event[:19].replace('T', ' ')} UTC"
    return f"note: this is what was sent to {address}{until}; a run sends nothing while it measures a level"


def _tell(workspace: Workspace, standing: StandingOfRun) -> None:
    """Print how a run stands, and of one that has ended what is kept of stopped levels, and what still costs money."""
    from fmbench_lib.steps.endpoints.standing_endpoints import standing_lines
    from fmbench_lib.steps.measuring.stopped_levels import kept_lines

    kept, left = ([], []) if standing.goes_on else (kept_lines(workspace), standing_lines(workspace))
    emit("status", run_dir=str(workspace.path), **_document(standing), standing=left)
    if not is_json():
        for line in (*status_lines(standing), *kept, *left):
            say_wrapped(line)


def follow(workspace: Workspace, wait: Callable[[float], None] = time.sleep) -> int:
    """Show the run as its own terminal does, until it has ended; returns its exit code, 1 where it has none."""
    display = Display(workspace)
    standing = standing_of(workspace)
    if not is_json():
        for line in status_lines(standing):
            say_wrapped(line)
    while standing.goes_on:
        if standing.step is not None:
            display.update(standing.step)
        wait(_LOOK_S)
        before, standing = standing, standing_of(workspace)
        _tell_machines(before, standing)
    display.end()
    _tell(workspace, standing)
    return 1 if standing.exit_code is None else standing.exit_code


def _tell_machines(before: StandingOfRun, now: StandingOfRun) -> None:
    """A line for each machine that has come further, or where something else was printed."""
    known = {machine.label: machine for machine in before.machines}
    for machine in now.machines:
        if machine != known.get(machine.label):
            say(machine_line(machine))


def pause_command(options: argparse.Namespace) -> int:
    """Ask a run to measure no further level until it is resumed."""
    workspace = _executed(options, "pause")
    if is_fleet(workspace):
        raise InputError(
            f"{_title(workspace)} is a fleet's, whose machines measure by themselves and cannot be paused; "
            "`fmbench stop` brings back what they have measured and deletes them, --resume starts others for the rest"
        )
    give_order(workspace, "pause now" if options.now else "pause")
    when = "when what is in flight has ended" if options.now else "when the level that is being measured has ended"
    say(f"{_title(workspace)} pauses {when}; its endpoints stay, and cost what they cost")
    say(f"let it go on with: fmbench --resume {shlex.quote(short_path(workspace.path))}")
    return 0


def stop_command(options: argparse.Namespace) -> int:
    """Ask a run to end as Ctrl-C does."""
    workspace = _executed(options, "stop")
    give_order(workspace, "stop")
    place = shlex.quote(short_path(workspace.path))
    fleet = "once what its machines have measured is here, and deletes them"
    say(f"{_title(workspace)} stops {fleet if is_fleet(workspace) else _IN_ORDER}")
    say(f"see its end with: fmbench status {place} --follow; go on later with: fmbench --resume {place}")
    return 0


def goes_on_by_itself(workspace: Workspace) -> bool:
    """Let a paused run go on in the process that executes it; False where there is none to do so."""
    if not is_to_pause(workspace) or not standing_of(workspace).goes_on:
        return False
    withdraw_order(workspace)
    say(f"{_title(workspace)} goes on in its own process; see it with: fmbench status {short_path(workspace.path)}")
    return True


def _executed(options: argparse.Namespace, order: Order) -> Workspace:
    """The run that is meant. Raises InputError where no process executes it."""
    if is_address(options.run_dir):
        raise InputError(f"{order} {options.run_dir}: name the run's directory, on the machine that executes it")
    workspace = Workspace(existing_run(options.run_dir, results=options.results_dir))
    status = standing_of(workspace).status
    if status != "running":
        raise InputError(f"{_title(workspace)} is {status}: no process executes it, so there is nothing to {order}")
    return workspace


def _title(workspace: Workspace) -> str:
    return f"{workspace.path.parent.name}/{workspace.run_id}"


def _document(standing: StandingOfRun) -> dict[str, object]:
    """How a run stands, for programs; `run_status` is its status."""
    facts = asdict(standing)
    facts["run_status"] = facts.pop("status")
    return facts
