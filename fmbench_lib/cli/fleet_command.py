"""`fmbench fleet`: the experiments of one config, each on a machine of the instance type that it names."""

from __future__ import annotations

import argparse
import shlex
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from fmbench_lib.cli.option_values import config_arguments, results_folder, standard_placeholders, storage_options
from fmbench_lib.cli.run_command import LAST_STEPS, announce, finish
from fmbench_lib.cli.terminal import detail, emit, hide, say, short_path
from fmbench_lib.pipeline.conclusion import Outcome, Success
from fmbench_lib.pipeline.interrupts import Interrupts
from fmbench_lib.runs.config_arguments import load_with_placeholders, passed_on
from fmbench_lib.runs.fleet_record import read_fleet, write_fleet
from fmbench_lib.runs.opening import create_run, forget_run
from fmbench_lib.runs.run import Run
from fmbench_lib.storage.fetch import local_config
from fmbench_lib.workspace import Workspace

if TYPE_CHECKING:
    from fmbench_lib.fleet.machine_task import FleetSettings
    from fmbench_lib.pipeline.plain_steps import Steps
    from fmbench_lib.steps.fleet.machine_life import Driving

_POLL_S = 0.2
_PREPARING = ("0_setup", "1_generate_data")


def fleet_command(options: argparse.Namespace) -> int:
    """Start the machines, measure, bring back, delete, and report; or say what would be started."""
    if options.dry_run:
        return _dry_run(options)
    settings = _settings(options)
    return _drive(_new_fleet(options, settings), options, settings, lambda steps: steps)


def _new_fleet(options: argparse.Namespace, settings: FleetSettings) -> Run:
    """A new run with the record of its machines, by which it is known as a fleet's whatever becomes of this process.

    Raises InputError, and then there is no run.
    """
    from fmbench_lib.steps.fleet.machine_groups import machines_of
    from fmbench_lib.steps.fleet.machine_input import check_install
    from fmbench_lib.steps.run_inputs.run_prices import load_prices

    check_install(settings)
    run = create_run(
        options.config,
        results=results_folder(options),
        arguments=config_arguments(options),
        standard=standard_placeholders(options),
        storage=storage_options(options),
    )
    try:
        write_fleet(run.workspace, settings, machines_of(run.config, load_prices(run)))
    except BaseException:
        forget_run(run)
        raise
    return run


def resume_fleet(run: Run, options: argparse.Namespace) -> int:
    """Go on with a run of a fleet: take over what is there, wait for machines that are up, start those still needed."""
    from fmbench_lib.steps.fleet.machine_output import take_over

    fleet = read_fleet(run.workspace)

    def left(steps: Steps) -> Steps:
        for machine in fleet.machines:
            take_over(run, machine)
        done = {name for name, state in run.workspace.read_run()["steps"].items() if state["status"] == "done"}
        return {name: do for name, do in steps.items() if name not in done.intersection(_PREPARING)}

    return _drive(run, options, fleet.settings, left)


def _drive(run: Run, options: argparse.Namespace, settings: FleetSettings, chosen: Callable[[Steps], Steps]) -> int:
    """Do the steps, or only those before any machine where there is no SkyPilot; print how the run ended."""
    from fmbench_lib.fleet.sky_command import is_installed
    from fmbench_lib.pipeline.plain_steps import run_plain_steps
    from fmbench_lib.steps.fleet.fleet_steps import fleet_steps, machines_left

    announce(run)
    by_hand = not is_installed()

    def steps_for(interrupts: Interrupts) -> Steps:
        steps = chosen(fleet_steps(_driving(settings, interrupts)))
        if not by_hand or not _needs_machines(run):
            return steps
        return {name: do for name, do in steps.items() if name in _PREPARING}

    with passed_on(config_arguments(options)):
        success = Success(options.allow_invalid, options.fail_on_budget)
        outcome = run_plain_steps(run, steps_for, lambda step: detail(f"{step} …"), LAST_STEPS, success)
    if by_hand and not outcome.errors and machines_left(run):
        return _print_commands(run, settings, outcome)
    return finish(run, outcome, options)


def _needs_machines(run: Run) -> bool:
    """Whether levels are left to measure; before the prompts are made all are."""
    from fmbench_lib.steps.run_inputs.levels import missing_levels

    return not run.workspace.fleet_file.exists() or bool(missing_levels(run))


def _driving(settings: FleetSettings, interrupts: Interrupts) -> Driving:
    from fmbench_lib.steps.fleet.machine_life import Driving

    def pause(seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and not interrupts.look():
            time.sleep(_POLL_S)

    return Driving(
        settings,
        say=say,
        pause=pause,
        stopped=lambda: interrupts.look() > 0,
        hurried=lambda: interrupts.count > 1,
    )


def _settings(options: argparse.Namespace) -> FleetSettings:
    from fmbench_lib.fleet.machine_task import FleetSettings

    return FleetSettings(
        install=options.install,
        infra=options.infra,
        disk_gb=options.disk,
        image=options.image,
        idle_minutes=options.idle_minutes,
        hours=options.hours,
    )


def _dry_run(options: argparse.Namespace) -> int:
    from fmbench_lib.steps.fleet.fleet_plan import plan_lines

    loaded, _ = load_with_placeholders(
        local_config(options.config),
        config_arguments(options),
        standard_placeholders(options),
        local_only=options.local_mode == "yes",
    )
    run = Run(loaded, Workspace(results_folder(options) / loaded.config.general.name / "plan"))
    hide(run.redactor)
    lines = plan_lines(run)
    for line in lines:
        detail(line)
    emit("plan", config=options.config, lines=lines, obstacles=[])
    emit("end", exit_code=0)
    return 0


def _print_commands(run: Run, settings: FleetSettings, outcome: Outcome) -> int:
    """Without SkyPilot: the commands that measure, and the one that makes the report of what they bring back."""
    from fmbench_lib.steps.fleet.fleet_plan import lines_by_hand
    from fmbench_lib.steps.fleet.fleet_steps import machines_left

    lines = lines_by_hand(run, machines_left(run), settings)
    for line in lines:
        say(line)
    path = shlex.quote(short_path(run.workspace.path))
    say(f"then, for the report of all of them: fmbench --resume {path}")
    say(
        "nothing was measured, as there is no command `sky`; with it (pip install 'fmbench-lib[skypilot]') this does "
        f"all of that: fmbench --resume {path}",
        error=True,
    )
    run.workspace.update_run(status="interrupted", exit_code=1)
    emit("fleet", commands=lines)
    emit("end", exit_code=1, report=None, summary=None)
    outcome.exit_code = 1
    return 1
