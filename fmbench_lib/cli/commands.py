"""The command line: parses, calls the library, prints."""

from __future__ import annotations

import argparse
import json
import os
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from fmbench_lib.cli.option_values import (
    arguments,
    existing_run,
    results_folder,
    standard_placeholders,
    storage_options,
)
from fmbench_lib.cli.parser import parser
from fmbench_lib.cli.terminal import (
    Display,
    check_current_folder,
    print_anything,
    print_location,
    print_result,
    short_path,
)
from fmbench_lib.config import validate_paths
from fmbench_lib.config.problems import merged
from fmbench_lib.config.shipped.config_table import as_json, as_table, shipped_needs, terminal_width
from fmbench_lib.errors import FmbenchError, InputError, explained
from fmbench_lib.runs.location import connected, keeper_of, refresh
from fmbench_lib.runs.opening import ARGUMENTS_VARIABLE, create_run, local_run, newest_run, open_for_reading, reopen_run
from fmbench_lib.runs.run import Run
from fmbench_lib.storage.bucket import is_address
from fmbench_lib.storage.fetch import local_config
from fmbench_lib.workspace import Workspace, is_needed_to_clean_up

INTERRUPTED = 130
BAD_INPUT = 2


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line, by default that of the process; returns the exit code."""
    print_anything()
    words = list(sys.argv[1:] if argv is None else argv)
    if words and words[0].startswith("-") and words[0] not in ("-h", "--help", "--version"):
        words.insert(0, "run")
    if words[:1] == ["emulate"]:  # it has a parser of its own
        from fmbench_lib import emulator

        return emulator.main(words[1:])
    options = parser().parse_args(words)
    if options.command is None:
        parser().print_help()
        return BAD_INPUT
    try:
        check_current_folder()
        return COMMANDS[options.command](options)
    except FmbenchError as error:
        if getattr(options, "verbose", False):
            traceback.print_exc()
        print(f"fmbench: {error}", file=sys.stderr)
        return BAD_INPUT if isinstance(error, InputError) else 1
    except KeyboardInterrupt:
        print("fmbench: interrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:  # the reader of the output has closed it (`| head`)
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:  # noqa: BLE001 - a mistake of ours; a traceback would help nobody but us
        if getattr(options, "verbose", False):
            traceback.print_exc()
        print(f"fmbench: unexpected {explained(error)}; --verbose shows where it arose", file=sys.stderr)
        return 1


def run_command(options: argparse.Namespace) -> int:
    """Run or resume a benchmark; print the decision and where the report is."""
    from fmbench_lib.pipeline.notebooks import run_pipeline, steps_named

    values = arguments(options.arguments)
    os.environ[ARGUMENTS_VARIABLE] = json.dumps(values)
    only = steps_named(options.steps) if options.steps else None
    if options.resume is not None:
        from fmbench_lib.steps.deployment import steps_left

        run = _resumed(options, values)
        only = only or steps_left(run)
    else:
        run = _new_run(options, values)
    print(f"run {run.config.general.name}/{run.workspace.run_id}: {run.workspace.path}")
    for notice in merged(run.loaded.notices):
        print(f"note: {notice}")
    display = Display(run)
    outcome = run_pipeline(
        run, display.update, only, allow_invalid=options.allow_invalid, fail_on_budget=options.fail_on_budget
    )
    display.end()
    for error in outcome.errors:
        print(f"fmbench: {error}", file=sys.stderr)
        if options.verbose and error.__cause__ is not None:
            traceback.print_exception(error.__cause__)
        if not outcome.interrupted:
            print(f"  the notebook up to the error: {run.workspace.notebook(error.step)}", file=sys.stderr)
    print_result(run)
    if outcome.exit_code not in (0, BAD_INPUT) and outcome.errors:
        print(f"continue it with: fmbench --resume {short_path(run.workspace.path)}", file=sys.stderr)
    print_location(run.workspace, may_delete=not outcome.errors)
    return outcome.exit_code


def _resumed(options: argparse.Namespace, values: Mapping[str, str]) -> Run:
    """The run that `--resume` selects, with what its bucket has newer."""
    config = options.config_file or options.config
    results = results_folder(options)
    if options.resume:
        if config and not is_address(options.resume):
            raise InputError("--resume RUN_DIR continues with the run's own config: leave out --config-file")
        path = local_run(options.resume, results)
    elif config:
        path = newest_run(config, results, values, standard_placeholders(options), storage_options(options))
    else:
        raise InputError("--resume needs a run directory, or --config-file to continue the newest run of that config")
    if not is_address(options.resume):
        refresh(Workspace(path))
    run = reopen_run(path, values, config)
    if keeper_of(run.workspace) is not None:
        from fmbench_lib.steps.setup import fetch_inputs

        fetch_inputs(run)
    return run


def _new_run(options: argparse.Namespace, values: Mapping[str, str]) -> Run:
    config = options.config_file or options.config
    if not config:
        raise InputError("no config given: write `fmbench --config-file X`; `fmbench configs` lists those that ship")
    return create_run(
        config,
        results=results_folder(options),
        arguments=values,
        standard=standard_placeholders(options),
        storage=storage_options(options),
    )


def validate_command(options: argparse.Namespace) -> int:
    """Check configs; print a line for each, or one for each mistake."""
    invalid = count = 0
    for checked in validate_paths(options.paths, arguments(options.arguments)):
        if not checked.problems:
            print(f"{checked.path}: ok")
        for problem in checked.problems:
            print(f"{checked.path}: {problem}")
        for notice in merged(checked.notices):
            print(f"{checked.path}: note: {notice}", file=sys.stderr)
        invalid += bool(checked.problems)
        count += 1
    if not count:
        print(f"fmbench: no config (.yml or .yaml) in {', '.join(map(str, options.paths))}", file=sys.stderr)
    return BAD_INPUT if invalid or not count else 0


def plan_command(options: argparse.Namespace) -> int:
    """Print what a run would do, and what would stop it before it began."""
    from fmbench_lib.steps.plan import make_plan

    plan = make_plan(
        local_config(options.config),
        arguments(options.arguments),
        standard_placeholders(options),
        storage_options(options),
    )
    print(plan.text)
    for obstacle in plan.obstacles:
        print(f"fmbench: {obstacle}", file=sys.stderr)
    return BAD_INPUT if plan.obstacles else 0


def report_command(options: argparse.Namespace) -> int:
    """Analyse a run again and rewrite its report."""
    from fmbench_lib.pipeline.notebooks import succeeded
    from fmbench_lib.steps.analysis import write_analysis

    run = open_for_reading(existing_run(options.run_dir), arguments(options.arguments))
    if options.from_raw:
        from fmbench_lib.steps.redecoding import decode_again

        print(f"levels decoded again: {decode_again(run)}")
    write_analysis(run)
    run.workspace.keep(insist=True)
    print_result(run)
    print_location(run.workspace)
    return 0 if succeeded(run, options.allow_invalid, options.fail_on_budget) else 1


def cleanup_command(options: argparse.Namespace) -> int:
    """Delete what the run deployed."""
    from fmbench_lib.steps.analysis import write_report
    from fmbench_lib.steps.cleanup import FAILED, delete_endpoints

    workspace = connected(Workspace(existing_run(options.run_dir, is_needed_to_clean_up)))
    table = delete_endpoints(workspace)
    if is_address(options.run_dir):
        refresh(workspace)
    if workspace.report_file.exists():
        write_report(open_for_reading(workspace.path))
    workspace.keep(insist=True)
    for row in table.to_dict("records"):
        print(f"{row['experiment_name']}: {row['outcome']}" + (f": {row['error']}" if row["outcome"] == FAILED else ""))
    if table.empty:
        print("this run deployed nothing")
    print_location(workspace)
    return 1 if (table["outcome"] == FAILED).any() else 0


def sync_command(options: argparse.Namespace) -> int:
    """Send what the run's bucket lacks."""
    if is_address(options.run_dir):
        raise InputError(f"{options.run_dir} is in a bucket already: give the run's directory on this machine")
    workspace = Workspace(Path(options.run_dir).resolve())
    keeper = keeper_of(workspace)
    if keeper is None:
        raise InputError(f"{options.run_dir} is kept in its directory alone: it was made without a bucket")
    sent = keeper.synchronise(workspace)
    for name in sent.left:
        print(f"not sent, as another machine has changed it in the bucket: {name}", file=sys.stderr)
    print(f"{sent.files} files sent, {sent.size} bytes; kept in: {keeper.address}")
    return 1 if sent.left else 0


def configs_command(options: argparse.Namespace) -> int:
    """List the configs that ship, and what each needs."""
    print(as_json(shipped_needs()) if options.json else as_table(shipped_needs(), terminal_width()))
    return 0


def calibrate_command(options: argparse.Namespace) -> int:
    """Measure endpoints of known latency, print the measurement errors, and save them for later runs to refer to."""
    from fmbench_lib.steps.client_calibration import calibrate_machine

    def print_line(line: str) -> None:
        print(line, flush=True)

    path = calibrate_machine(options.streams, options.event_rates, quick=options.quick, say=print_line)
    print(f"saved to {short_path(path)}; runs on this machine refer to it")
    return 0


COMMANDS: Mapping[str, Callable[[argparse.Namespace], int]] = {
    "run": run_command,
    "validate": validate_command,
    "plan": plan_command,
    "report": report_command,
    "cleanup": cleanup_command,
    "sync": sync_command,
    "configs": configs_command,
    "calibrate": calibrate_command,
}
"""What each command of the parser calls; `emulate` is passed on unparsed."""
