"""The command `run`: a benchmark from its config, or the rest of one."""

from __future__ import annotations

import argparse
import shlex
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path

from fmbench_lib.cli.exit_codes import BAD_INPUT
from fmbench_lib.cli.option_values import (
    check_url_options,
    config_arguments,
    results_folder,
    standard_placeholders,
    storage_options,
    url_request,
)
from fmbench_lib.cli.terminal import (
    detail,
    emit,
    hide,
    print_location,
    print_result,
    say,
    say_lines,
    short_path,
    write_step_summary,
)
from fmbench_lib.config.problems import merged
from fmbench_lib.config.reading.argument_names import check_arguments
from fmbench_lib.errors import InputError
from fmbench_lib.host.atomic_files import read_json
from fmbench_lib.pipeline.conclusion import LastSteps, Outcome
from fmbench_lib.runs.config_arguments import passed_on
from fmbench_lib.runs.fleet_record import is_fleet
from fmbench_lib.runs.location import keeper_of, refresh
from fmbench_lib.runs.named_runs import named_run
from fmbench_lib.runs.opening import create_run, forget_run, newest_run, reopen_run
from fmbench_lib.runs.run import Run
from fmbench_lib.runs.url_config import write_config
from fmbench_lib.storage.bucket import is_address
from fmbench_lib.workspace import Workspace


def run_command(options: argparse.Namespace) -> int:
    """Run or resume a benchmark; print the decision and where the report is."""
    from fmbench_lib.cli.display import Display
    from fmbench_lib.pipeline.notebooks import run_pipeline, steps_named

    check_url_options(options)
    values = config_arguments(options)
    only = steps_named(options.steps) if options.steps else None
    if options.remeasure and (options.resume is None or options.steps):
        raise InputError("--remeasure goes with --resume RUN_DIR, and without --steps")
    if options.resume is not None:
        from fmbench_lib.steps.deployment import steps_left

        if not (options.remeasure or options.steps) and _is_only_paused(options):
            return 0
        run = _resumed(options, values)
        if is_fleet(run.workspace):
            return _resumed_fleet(run, options)
        if options.remeasure:
            _remeasure(run, options.remeasure)
        only = only or steps_left(run)
    else:
        run = _new_run(options, values)
    announce(run)
    display = Display(run.workspace)
    with passed_on(values):
        outcome = run_pipeline(
            run,
            display.update,
            only,
            allow_invalid=options.allow_invalid,
            fail_on_budget=options.fail_on_budget,
            last=LAST_STEPS,
        )
    display.end()
    return finish(run, outcome, options)


def announce(run: Run) -> None:
    """Print which run begins, and what was noticed in its config."""
    hide(run.redactor)
    detail(f"run {run.config.general.name}/{run.workspace.run_id}: {short_path(run.workspace.path)}")
    for notice in merged(run.loaded.notices):
        detail(f"note: {notice}")
    _emit_begin(run)


def finish(run: Run, outcome: Outcome, options: argparse.Namespace) -> int:
    """Print how a run ended; the exit code."""
    code = _print_end(run, outcome, options)
    emit("end", exit_code=code, report=_kept(run.workspace.report_file), summary=_kept(run.workspace.summary_file))
    return code


def _resumed_fleet(run: Run, options: argparse.Namespace) -> int:
    from fmbench_lib.cli.fleet_command import resume_fleet

    if options.steps or options.remeasure:
        raise InputError("--steps and --remeasure are for runs of one machine; this run is a fleet's")
    return resume_fleet(run, options)


def _print_end(run: Run, outcome: Outcome, options: argparse.Namespace) -> int:
    """Print the errors, the result, and what comes next; the exit code."""
    forgotten = options.resume is None and outcome.exit_code == BAD_INPUT and forget_run(run)
    for error in outcome.errors:
        say(f"fmbench: {error}", error=True)
        emit("error", step=error.step, message=error.message)
        if options.verbose and error.__cause__ is not None:
            say_lines("".join(traceback.format_exception(error.__cause__)), error=True)
        notebook = run.workspace.notebook(error.step)
        if not outcome.interrupted and notebook.exists():
            say(f"  the notebook up to the error: {notebook}", error=True)
    if not run.workspace.run_file.exists():  # it was deleted while the run went on, or nothing was started
        if forgotten:
            say("nothing was started, and no run is left: correct this and run it again", error=True)
        return outcome.exit_code or 1
    from fmbench_lib.steps.measuring.stopped_levels import kept_lines

    print_result(run)
    write_step_summary(run)
    for line in kept_lines(run.workspace):
        say(line)
    told = outcome.exit_code not in (0, BAD_INPUT) and bool(outcome.errors)
    if told:
        say(f"continue it with: fmbench --resume {shlex.quote(short_path(run.workspace.path))}", error=True)
    print_location(run.workspace, may_delete=not outcome.errors)
    _print_missing(run, told=told)
    return outcome.exit_code


def _print_missing(run: Run, *, told: bool) -> None:
    """Say last which experiments were not deployed, why, and which command measures what is missing.

    `told` is whether the command that continues the run has been printed.
    """
    workspace = run.workspace
    known = read_json(workspace.endpoints_file).values() if workspace.endpoints_file.exists() else ()
    failed = [endpoint for endpoint in known if endpoint.get("error")]
    for endpoint in failed:
        say(f"not deployed: {endpoint['experiment_name']}: {endpoint['error']}", error=True)
    command = f"fmbench --resume {shlex.quote(short_path(workspace.path))}"
    if failed:
        say(f"mend this and measure what is missing with: {command}", error=True)
    elif workspace.failed_levels() and not told:
        say(f"measure what is missing with: {command}", error=True)


def _emit_begin(run: Run) -> None:
    notices = [str(notice) for notice in merged(run.loaded.notices)]
    name, path = run.config.general.name, str(run.workspace.path)
    emit("run", name=name, run_id=run.workspace.run_id, run_dir=path, notices=notices)


def _kept(path: Path) -> str | None:
    return str(path) if path.exists() else None


def _take_down(run: Run) -> list[str]:
    from fmbench_lib.steps.endpoints.taking_down import take_down

    return take_down(run)


def _unmeasured(run: Run) -> int:
    from fmbench_lib.steps.run_inputs.levels import missing_levels

    return len(missing_levels(run))


LAST_STEPS = LastSteps(_take_down, _unmeasured)
"""What the end of a run needs of the steps."""


def _resumed(options: argparse.Namespace, values: Mapping[str, str]) -> Run:
    """The run that `--resume` selects, with what its bucket has newer."""
    config = options.config_file or options.config
    results = results_folder(options)
    if options.resume:
        if config and not is_address(options.resume):
            raise InputError("--resume RUN_DIR continues with the run's own config: leave out --config-file")
        path = named_run(options.resume, results)
    elif config:
        path = newest_run(config, results, values, standard_placeholders(options), storage_options(options))
    else:
        raise InputError("--resume needs a run directory, or --config-file to continue the newest run of that config")
    if not is_address(options.resume):
        refresh(Workspace(path))
    run = _reopened(path, values, config)
    check_arguments(run.loaded.path, values)
    if keeper_of(run.workspace) is not None:
        from fmbench_lib.steps.setup import fetch_inputs

        fetch_inputs(run)
    return run


def _reopened(path: Path, values: Mapping[str, str], config: str | None) -> Run:
    """The run in this directory. Where it cannot go on, what it has left standing is said, as that costs money."""
    from fmbench_lib.steps.endpoints.standing_endpoints import standing_lines

    try:
        return reopen_run(path, values, config)
    except InputError:
        for line in standing_lines(Workspace(path)):
            say(line, error=True)
        raise


def _is_only_paused(options: argparse.Namespace) -> bool:
    """Whether `--resume` means a paused run, whose own process goes on with it now."""
    from fmbench_lib.cli.following_runs import goes_on_by_itself

    if not options.resume or is_address(options.resume):
        return False
    workspace = Workspace(named_run(options.resume, results_folder(options)))
    return workspace.run_file.exists() and goes_on_by_itself(workspace)


def _remeasure(run: Run, wanted: Sequence[str]) -> None:
    """Set aside the levels that are to be measured again, and say which."""
    from fmbench_lib.steps.measuring.remeasuring import remeasure

    again = remeasure(run, wanted)
    for key in again:
        say(f"to be measured again: {' · '.join(key)}")
    if not again:
        say(f"note: no measured level is meant by --remeasure {' '.join(wanted)}")


def _new_run(options: argparse.Namespace, values: Mapping[str, str]) -> Run:
    config = options.config_file or options.config
    if options.url and config:
        raise InputError("--url stands for a config: leave one of the two out")
    if options.url:
        config = str(write_config(url_request(options), results_folder(options)))
        detail(f"config: {short_path(Path(config))}")
    if not config:
        raise InputError(
            "no config given: write `fmbench --config-file X`, or `fmbench run --url http://host:8000/v1` for a server "
            "that runs already; `fmbench configs` lists the configs that ship"
        )
    return create_run(
        config,
        results=results_folder(options),
        arguments=values,
        standard=standard_placeholders(options),
        storage=storage_options(options),
    )
