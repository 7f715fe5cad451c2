"""The command line: parses, calls the library, prints."""

from __future__ import annotations

import argparse
import json
import os
import shlex
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from fmbench_lib.cli.cleaning_up import cleanup_command, list_standing
from fmbench_lib.cli.evaluating_run import evaluate_command
from fmbench_lib.cli.option_values import (
    arguments,
    existing_run,
    results_folder,
    standard_placeholders,
    storage_options,
    url_request,
)
from fmbench_lib.cli.output import lasting_output
from fmbench_lib.cli.parser import parser
from fmbench_lib.cli.terminal import (
    Display,
    check_current_folder,
    hide,
    print_anything,
    print_location,
    print_result,
    say,
    say_lines,
    short_path,
)
from fmbench_lib.config import validate_paths
from fmbench_lib.config.problems import ConfigError, merged
from fmbench_lib.config.secrets import redactor_of_process
from fmbench_lib.config.shipped.config_table import as_json, as_table, shipped_needs, terminal_width
from fmbench_lib.config.shipped.files import find_config
from fmbench_lib.errors import FmbenchError, InputError, explained
from fmbench_lib.host.disk_space import disk_full, is_full
from fmbench_lib.runs.location import keeper_of, refresh
from fmbench_lib.runs.opening import (
    ARGUMENTS_VARIABLE,
    create_run,
    local_run,
    newest_run,
    open_for_reading,
    reopen_run,
)
from fmbench_lib.runs.run import Run
from fmbench_lib.runs.url_config import write_config
from fmbench_lib.storage.bucket import is_address
from fmbench_lib.storage.fetch import local_config
from fmbench_lib.workspace import Workspace

INTERRUPTED = 130
BAD_INPUT = 2


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line, by default that of the process; returns the exit code."""
    print_anything()
    words = with_command(sys.argv[1:] if argv is None else argv)
    if words[:1] == ["emulate"]:  # it has a parser of its own
        from fmbench_lib import emulator

        return emulator.main(words[1:])
    hide(redactor_of_process(word.partition("=")[::2] for word in words if "=" in word))
    if words == ["cleanup"]:
        return list_standing()
    options = parser().parse_args(words)
    if options.command is None:
        parser().print_help()
        return BAD_INPUT
    with lasting_output(options.command):
        return _run_one(options)


def _run_one(options: argparse.Namespace) -> int:
    """Run a command; an error of the user's or the system's is a line, not a traceback."""
    try:
        check_current_folder()
        return COMMANDS[options.command](options)
    except FmbenchError as error:
        if getattr(options, "verbose", False):
            say_lines(traceback.format_exc(), error=True)
        printed = say_lines if isinstance(error, ConfigError) else say  # a line for each mistake
        printed(f"fmbench: {error}", error=True)
        return BAD_INPUT if isinstance(error, InputError) else 1
    except KeyboardInterrupt:
        say("fmbench: interrupted", error=True)
        return INTERRUPTED
    except OSError as error:
        if getattr(options, "verbose", False):
            say_lines(traceback.format_exc(), error=True)
        say(f"fmbench: {_os_error_text(error)}", error=True)
        return 1
    except Exception as error:  # noqa: BLE001 - a mistake of ours; a traceback would help nobody but us
        if getattr(options, "verbose", False):
            say_lines(traceback.format_exc(), error=True)
        say(f"fmbench: unexpected {explained(error)}; --verbose shows where it arose", error=True)
        return 1


def _os_error_text(error: OSError) -> str:
    """What the system refused, in a line."""
    if is_full(error):
        return str(disk_full(Path(error.filename or "."), 0, error.errno or 0))
    where = f": {error.filename}" if error.filename else ""
    return f"{error.strerror or type(error).__name__}{where}"


def with_command(words: Sequence[str]) -> list[str]:
    """The words of a command line with `run` before those that mean a run without it."""
    means_run = bool(words) and words[0] not in ("-h", "--help", "--version", *COMMANDS) and _means_run(words[0])
    return [*(["run"] if means_run else []), *words]


def _means_run(word: str) -> bool:
    """Whether the first word, which is no command, is an option of `run` or a config."""
    if word.startswith("-") or word.endswith((".yml", ".yaml")):
        return True
    try:
        find_config(word)
    except ConfigError:
        return False
    return True


def run_command(options: argparse.Namespace) -> int:
    """Run or resume a benchmark; print the decision and where the report is."""
    from fmbench_lib.pipeline.notebooks import LastSteps, run_pipeline, steps_named

    values = arguments(options.arguments)
    os.environ[ARGUMENTS_VARIABLE] = json.dumps(values)
    only = steps_named(options.steps) if options.steps else None
    if options.remeasure and (options.resume is None or options.steps):
        raise InputError("--remeasure goes with --resume RUN_DIR, and without --steps")
    if options.resume is not None:
        from fmbench_lib.steps.deployment import steps_left

        run = _resumed(options, values)
        if options.remeasure:
            _remeasure(run, options.remeasure)
        only = only or steps_left(run)
    else:
        run = _new_run(options, values)
    hide(run.redactor)
    say(f"run {run.config.general.name}/{run.workspace.run_id}: {run.workspace.path}")
    for notice in merged(run.loaded.notices):
        say(f"note: {notice}")
    display = Display(run)
    outcome = run_pipeline(
        run,
        display.update,
        only,
        allow_invalid=options.allow_invalid,
        fail_on_budget=options.fail_on_budget,
        last=LastSteps(_take_down, _unmeasured),
    )
    display.end()
    for error in outcome.errors:
        say(f"fmbench: {error}", error=True)
        if options.verbose and error.__cause__ is not None:
            say_lines("".join(traceback.format_exception(error.__cause__)), error=True)
        notebook = run.workspace.notebook(error.step)
        if not outcome.interrupted and notebook.exists():
            say(f"  the notebook up to the error: {notebook}", error=True)
    if not run.workspace.run_file.exists():  # it was deleted while the run went on
        return outcome.exit_code or 1
    print_result(run)
    if outcome.exit_code not in (0, BAD_INPUT) and outcome.errors:
        say(f"continue it with: fmbench --resume {shlex.quote(short_path(run.workspace.path))}", error=True)
    print_location(run.workspace, may_delete=not outcome.errors)
    return outcome.exit_code


def _take_down(run: Run) -> list[str]:
    from fmbench_lib.steps.taking_down import take_down

    return take_down(run)


def _unmeasured(run: Run) -> int:
    from fmbench_lib.steps.levels import missing_levels

    return len(missing_levels(run))


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


def _remeasure(run: Run, wanted: Sequence[str]) -> None:
    """Set aside the levels that are to be measured again, and say which."""
    from fmbench_lib.steps.remeasuring import remeasure

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
        say(f"config: {short_path(Path(config))}")
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


def validate_command(options: argparse.Namespace) -> int:
    """Check configs; print a line for each, or one for each mistake."""
    invalid = count = 0
    for checked in validate_paths(options.paths, arguments(options.arguments)):
        if not checked.problems:
            say(f"{checked.path}: ok")
        for problem in checked.problems:
            say(f"{checked.path}: {problem}")
        for notice in merged(checked.notices):
            say(f"{checked.path}: note: {notice}", error=True)
        invalid += bool(checked.problems)
        count += 1
    if not count:
        say(f"fmbench: no config (.yml or .yaml) in {', '.join(map(str, options.paths))}", error=True)
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
    say_lines(plan.text)
    for obstacle in plan.obstacles:
        say(f"fmbench: {obstacle}", error=True)
    return BAD_INPUT if plan.obstacles else 0


def report_command(options: argparse.Namespace) -> int:
    """Analyse a run again and rewrite its report."""
    from fmbench_lib.pipeline.notebooks import succeeded
    from fmbench_lib.steps.analysis import write_analysis

    run = open_for_reading(existing_run(options.run_dir), arguments(options.arguments))
    hide(run.redactor)
    if options.from_raw:
        from fmbench_lib.steps.redecoding import decode_again

        say(f"levels decoded again: {decode_again(run)}")
    write_analysis(run)
    run.workspace.keep(insist=True)
    print_result(run)
    print_location(run.workspace)
    return 0 if succeeded(run, options.allow_invalid, options.fail_on_budget) else 1


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
        say(f"not sent, as another machine has changed it in the bucket: {name}", error=True)
    say(f"{sent.files} files sent, {sent.size} bytes; kept in: {keeper.address}")
    return 1 if sent.left else 0


def configs_command(options: argparse.Namespace) -> int:
    """List the configs that ship, and what each needs."""
    say_lines(as_json(shipped_needs()) if options.json else as_table(shipped_needs(), terminal_width()))
    return 0


def calibrate_command(options: argparse.Namespace) -> int:
    """Measure endpoints of known latency, print the measurement errors, and save them for later runs to refer to."""
    from fmbench_lib.steps.client_calibration import calibrate_machine

    def print_line(line: str) -> None:
        say(line)

    path = calibrate_machine(options.streams, options.event_rates, quick=options.quick, say=print_line)
    say(f"saved to {short_path(path)}; runs on this machine refer to it")
    return 0


COMMANDS: Mapping[str, Callable[[argparse.Namespace], int]] = {
    "run": run_command,
    "validate": validate_command,
    "plan": plan_command,
    "report": report_command,
    "evaluate": evaluate_command,
    "cleanup": cleanup_command,
    "sync": sync_command,
    "configs": configs_command,
    "calibrate": calibrate_command,
}
"""What each command of the parser calls; `emulate` is passed on unparsed."""
