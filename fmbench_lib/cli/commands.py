"""The command line: parses, calls, prints."""

from __future__ import annotations

import argparse
import json
import os
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from fmbench_lib.cli.parser import parser
from fmbench_lib.cli.terminal import Display, behind_line, report_place, shown
from fmbench_lib.config import validate_paths
from fmbench_lib.config.problems import merged
from fmbench_lib.config.shipped.config_table import as_json, as_table, shipped_needs, terminal_width
from fmbench_lib.errors import FmbenchError, InputError
from fmbench_lib.runs.location import Wish, connected, is_scratch, keeper_of, refresh
from fmbench_lib.runs.opening import (
    ARGUMENTS_VARIABLE,
    create_run,
    default_results,
    local_run,
    newest_run,
    open_for_reading,
    reopen_run,
)
from fmbench_lib.runs.run import Run
from fmbench_lib.storage.bucket import is_address
from fmbench_lib.storage.fetch import local_config
from fmbench_lib.storage.mirror import why_behind
from fmbench_lib.workspace import Workspace, is_needed_to_clean_up, read_json

INTERRUPTED = 130
BAD_INPUT = 2


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    words = list(sys.argv[1:] if argv is None else argv)
    if words and words[0].startswith("-") and words[0] not in ("-h", "--help", "--version"):
        words.insert(0, "run")
    if words[:1] == ["emulate"]:
        from fmbench_lib import emulator

        return emulator.main(words[1:])
    options = parser().parse_args(words)
    if options.command is None:
        parser().print_help()
        return BAD_INPUT
    commands = {
        "run": run_command,
        "validate": validate_command,
        "plan": plan_command,
        "report": report_command,
        "cleanup": cleanup_command,
        "sync": sync_command,
        "configs": configs_command,
        "calibrate": calibrate_command,
    }
    try:
        return commands[options.command](options)
    except FmbenchError as error:
        if getattr(options, "verbose", False):
            traceback.print_exc()
        print(f"fmbench: {error}", file=sys.stderr)
        return BAD_INPUT if isinstance(error, InputError) else 1
    except KeyboardInterrupt:
        print("fmbench: interrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:  # whoever read the output has seen enough (`| head`)
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


# -- commands --------------------------------------------------------------------------------------------------------


def run_command(options: argparse.Namespace) -> int:
    """Run or resume a benchmark and say at the end what was decided and where the report is."""
    from fmbench_lib.pipeline.notebooks import run_pipeline, steps_named

    arguments = _arguments(options.arguments)
    os.environ[ARGUMENTS_VARIABLE] = json.dumps(arguments)
    only = steps_named(options.steps) if options.steps else None
    if options.resume is not None:
        from fmbench_lib.steps.deployment import steps_left

        run = _resumed(options, arguments)
        only = only or steps_left(run)
    else:
        run = _new_run(options, arguments)
    print(f"run {run.config.general.name}/{run.workspace.run_id}: {run.workspace.path}")
    for notice in merged(run.loaded.notices):
        print(f"note: {notice}")
    display = Display(run)
    outcome = run_pipeline(run, display.look, only, allow_invalid=options.allow_invalid)
    display.end()
    for error in outcome.errors:
        print(f"fmbench: {error}", file=sys.stderr)
        if options.verbose and error.__cause__ is not None:
            traceback.print_exception(error.__cause__)
        if not outcome.interrupted:
            print(f"  the notebook as far as it went: {run.workspace.notebook(error.step)}", file=sys.stderr)
    _print_result(run)
    if outcome.exit_code not in (0, BAD_INPUT) and outcome.errors:
        print(f"go on with it by: fmbench --resume {shown(run.workspace.path)}", file=sys.stderr)
    _print_kept(run.workspace, may_go=not outcome.errors)
    return outcome.exit_code


def _resumed(options: argparse.Namespace, arguments: Mapping[str, str]) -> Run:
    """The run that `--resume` names, with what its bucket has newer."""
    config = options.config_file or options.config
    results = _results(options)
    if options.resume:
        if config and not is_address(options.resume):
            raise InputError("--resume goes on with the run's own config: give no other")
        path = local_run(options.resume, results)
    elif config:
        path = newest_run(config, results, arguments, _standard(options), _wish(options))
    else:
        raise InputError("--resume needs a run directory, or --config-file to go on with the newest run of that config")
    if not is_address(options.resume):
        refresh(Workspace(path))
    run = reopen_run(path, arguments, config)
    if keeper_of(run.workspace) is not None:
        from fmbench_lib.steps.setup import gather

        gather(run)
    return run


def _new_run(options: argparse.Namespace, arguments: Mapping[str, str]) -> Run:
    source = options.config_file or options.config
    if not source:
        raise InputError("no config given: write `fmbench --config-file X`; `fmbench configs` lists those that ship")
    return create_run(
        source, results=_results(options), arguments=arguments, standard=_standard(options), wish=_wish(options)
    )


def _print_kept(workspace: Workspace, may_go: bool) -> None:
    """Say where the run is kept in S3, or how to bring it there; take away a directory that was scratch.

    It goes only when all of it was seen to be in the bucket, and nothing that it made still stands.
    """
    keeper = keeper_of(workspace)
    if keeper is None:
        return
    said = why_behind(workspace)
    if said is None:
        from fmbench_lib.deploy.endpoints_file import standing_lines

        print(f"kept in: {keeper.address}")
        if may_go and is_scratch(workspace) and not standing_lines(workspace) and keeper.release(workspace):
            print(
                f"{shown(workspace.path)} was scratch and is removed; fmbench report {keeper.address} brings it again"
            )
        return
    print(behind_line(workspace, said), file=sys.stderr)


def _print_result(run: Run) -> None:
    workspace = run.workspace
    if workspace.summary_file.exists():
        summary = read_json(workspace.summary_file)
        print(summary["decision"]["text"])
        for line in summary["attention"]:
            print(f"note: {line}")
        print(f"report: {report_place(workspace)}")
    from fmbench_lib.deploy.endpoints_file import standing_lines

    for line in standing_lines(run.workspace):
        print(line)


def validate_command(options: argparse.Namespace) -> int:
    """Check configs; one line each, or one for each mistake."""
    wrong = 0
    for checked in validate_paths(options.paths, _arguments(options.arguments)):
        if not checked.problems:
            print(f"{checked.path}: ok")
        for problem in checked.problems:
            print(f"{checked.path}: {problem}")
        for notice in merged(checked.notices):
            print(f"{checked.path}: note: {notice}", file=sys.stderr)
        wrong += bool(checked.problems)
    return BAD_INPUT if wrong else 0


def plan_command(options: argparse.Namespace) -> int:
    """Print what a run would do, and what would stop it before it began."""
    from fmbench_lib.steps.plan import make_plan

    plan = make_plan(local_config(options.config), _arguments(options.arguments), _standard(options), _wish(options))
    print(plan.text)
    for obstacle in plan.obstacles:
        print(f"fmbench: {obstacle}", file=sys.stderr)
    return BAD_INPUT if plan.obstacles else 0


def report_command(options: argparse.Namespace) -> int:
    """Analyse again and write the report again."""
    from fmbench_lib.pipeline.notebooks import ended_well
    from fmbench_lib.steps.analysis import write_analysis

    run = open_for_reading(_local_run(options.run_dir), _arguments(options.arguments))
    if options.from_raw:
        from fmbench_lib.steps.redecoding import decode_again

        print(f"levels decoded again: {decode_again(run)}")
    write_analysis(run)
    run.workspace.keep(insist=True)
    _print_result(run)
    _print_kept(run.workspace, may_go=False)
    return 0 if ended_well(run, options.allow_invalid) else 1


def cleanup_command(options: argparse.Namespace) -> int:
    """Take down what the run deployed."""
    from fmbench_lib.steps.analysis import write_report
    from fmbench_lib.steps.cleanup import FAILED, take_down

    workspace = connected(Workspace(_local_run(options.run_dir, is_needed_to_clean_up)))
    table = take_down(workspace)
    if is_address(options.run_dir):
        refresh(workspace)
    if workspace.report_file.exists():
        write_report(open_for_reading(workspace.path))
    workspace.keep(insist=True)
    for row in table.to_dict("records"):
        print(f"{row['experiment_name']}: {row['outcome']}" + (f": {row['error']}" if row["outcome"] == FAILED else ""))
    if table.empty:
        print("this run deployed nothing")
    _print_kept(workspace, may_go=False)
    return 1 if (table["outcome"] == FAILED).any() else 0


def sync_command(options: argparse.Namespace) -> int:
    """Send what the run's bucket lacks."""
    if is_address(options.run_dir):
        raise InputError(f"{options.run_dir} is in a bucket already: give the directory on this machine")
    workspace = Workspace(Path(options.run_dir).resolve())
    keeper = keeper_of(workspace)
    if keeper is None:
        raise InputError(f"{options.run_dir} is kept in its directory alone: it was not made to be kept in a bucket")
    sent = keeper.synchronise(workspace)
    for name in sent.left:
        print(f"left as another machine has put it there: {name}", file=sys.stderr)
    print(f"{sent.files} files sent, {sent.size} bytes; kept in: {keeper.address}")
    return 1 if sent.left else 0


def configs_command(options: argparse.Namespace) -> int:
    """List what ships, and what each config needs."""
    print(as_json(shipped_needs()) if options.json else as_table(shipped_needs(), terminal_width()))
    return 0


def calibrate_command(options: argparse.Namespace) -> int:
    """Measure endpoints of known times, print how far off the measurement was, and keep that for the runs to come."""
    from fmbench_lib.calibration.result_file import calibrate_machine

    def say(line: str) -> None:
        print(line, flush=True)

    path = calibrate_machine(options.streams, options.event_rates, quick=options.quick, say=say)
    print(f"kept in {shown(path)}; runs on this machine refer to it")
    return 0


# -- what the options mean -------------------------------------------------------------------------------------------


def _arguments(pairs: Sequence[str]) -> dict[str, str]:
    arguments = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not key.isidentifier():
            raise InputError(f"-A {pair}: write -A key=value, with the key as it stands in braces in the config")
        arguments[key] = value
    return arguments


def _standard(options: argparse.Namespace) -> dict[str, str]:
    """The standard placeholders that options give; others may be known from the surroundings, none is invented."""
    known = {
        "role_arn": options.role_arn,
        "write_bucket": options.write_bucket,
        "read_tmpdir": options.tmp_dir,
        "write_tmpdir": options.tmp_dir,
    }
    return {key: value for key, value in known.items() if value}


def _results(options: argparse.Namespace) -> Path:
    return Path(options.results_dir) if options.results_dir else default_results()


def _wish(options: argparse.Namespace) -> Wish:
    """What the command line says of buckets."""
    return Wish(local_only=options.local_mode == "yes", write_bucket=options.write_bucket)


def _local_run(place: str, wanted: Callable[[str], bool] = lambda name: True) -> Path:
    """The directory of a run that is there; one in a bucket is fetched, as far as it is wanted."""
    path = local_run(place, wanted=wanted)
    Workspace(path).read_run()
    return path
