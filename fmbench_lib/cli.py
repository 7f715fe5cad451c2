"""The command line: parses, calls, prints."""

from __future__ import annotations

import argparse
import json
import os
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from fmbench_lib import __version__
from fmbench_lib.config import validate_paths
from fmbench_lib.config.listing import as_json, as_table, shipped_needs, terminal_width
from fmbench_lib.config.problems import merged
from fmbench_lib.display import Display, behind_line, report_place, shown
from fmbench_lib.errors import FmbenchError, InputError
from fmbench_lib.kept import Wish, connected, is_scratch, keeper_of, refresh
from fmbench_lib.run import (
    ARGUMENTS_VARIABLE,
    Run,
    create_run,
    default_results,
    local_run,
    newest_run,
    open_for_reading,
    reopen_run,
)
from fmbench_lib.storage.bucket import is_address
from fmbench_lib.storage.fetch import local_config
from fmbench_lib.storage.keeping import why_behind
from fmbench_lib.workspace import Workspace, is_needed_to_clean_up, read_json

INTERRUPTED = 130
BAD_INPUT = 2


def parser() -> argparse.ArgumentParser:
    """The whole grammar of the command line; its reference in the docs is made from this."""
    top = argparse.ArgumentParser(
        prog="fmbench",
        description="Which model, on which serving stack and instance, at which load, gives this latency for the "
        "least money? `fmbench --config-file X` runs a benchmark; the subcommands do what lies around it.",
        epilog="Exit codes: 0 all done and every level valid · 1 the run went through, but an experiment or level "
        "failed or is invalid (--allow-invalid: only failed) · 2 bad input, nothing was started · 130 interrupted.",
    )
    top.add_argument("--version", action="version", version=f"fmbench {__version__}")
    commands = top.add_subparsers(dest="command", metavar="COMMAND")
    run = commands.add_parser("run", help="run a benchmark (also without the word `run`)")
    run.add_argument("config", nargs="?", help="the config, as with --config-file")
    run.add_argument("--config-file", metavar="X", help="a path, an s3:// or https:// address, or a shipped config")
    run.add_argument(
        "--resume",
        metavar="RUN_DIR",
        nargs="?",
        const="",
        help="go on with an unfinished run, at a path or an s3:// address, at the first thing not done; "
        "without RUN_DIR the newest one of --config-file",
    )
    run.add_argument("--steps", metavar="LIST", help="only these steps, such as 0-3 or 4")
    _add_allow_invalid(run)
    run.add_argument("--verbose", action="store_true", help="say more, with tracebacks")
    _add_run_options(run)
    validate = commands.add_parser("validate", help="check configs: `<path>: ok`, or what is wrong and what to write")
    validate.add_argument("paths", nargs="+", metavar="CONFIG", help="config files, or folders of them")
    _add_arguments(validate)
    plan = commands.add_parser("plan", help="say what a run would deploy, send, take and cost, without doing any of it")
    plan.add_argument("config", help="the config, as with --config-file")
    _add_run_options(plan)
    report = commands.add_parser("report", help="analyse a run and write its report again, from its records")
    report.add_argument("run_dir", metavar="RUN_DIR", help="the run's directory, or its s3:// address")
    report.add_argument("--from-raw", action="store_true", help="decode the raw responses again (load.keep_raw)")
    _add_allow_invalid(report)
    _add_arguments(report)
    cleanup = commands.add_parser("cleanup", help="take down whatever a run deployed")
    cleanup.add_argument("run_dir", metavar="RUN_DIR", help="the run's directory, or its s3:// address")
    sync = commands.add_parser("sync", help="send what the bucket of a run lacks, and see that all of it is there")
    sync.add_argument("run_dir", metavar="RUN_DIR", help="the run's directory")
    configs = commands.add_parser("configs", help="list the configs that ship with fmbench, and what each needs")
    configs.add_argument("--json", action="store_true", help="the list as JSON, for programs")
    calibrate = commands.add_parser("calibrate", help="find out how exactly this machine measures, up to which load")
    calibrate.add_argument(
        "--streams", metavar="LIST", type=_loads, help="so many streams at once (default: 8,64,256,512)"
    )
    calibrate.add_argument(
        "--event-rates", metavar="LIST", type=_loads, help="content events per second (default: 5000,20000,40000)"
    )
    calibrate.add_argument("--quick", action="store_true", help="3 seconds for each load instead of 10")
    emulate = commands.add_parser("emulate", help="serve an endpoint of known behaviour; `fmbench emulate --help`")
    emulate.add_argument("options", nargs=argparse.REMAINDER, help="as `fmbench emulate --help` lists them")
    return top


def _add_arguments(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "-A", dest="arguments", metavar="KEY=VALUE", action="append", default=[], help="fills {key} in the config"
    )


def _add_allow_invalid(command: argparse.ArgumentParser) -> None:
    command.add_argument("--allow-invalid", action="store_true", help="exit with 0 although a level is invalid")


def _add_run_options(command: argparse.ArgumentParser) -> None:
    _add_arguments(command)
    command.add_argument("--role-arn", metavar="ARN", help="fills {role_arn}: the role that endpoints run under")
    command.add_argument("--local-mode", choices=("yes", "no"), help="yes: read and keep files on this machine only")
    command.add_argument(
        "--write-bucket", metavar="BUCKET", help="keeps the run in this bucket too, and fills {write_bucket}"
    )
    command.add_argument("--tmp-dir", metavar="DIR", help="fills {read_tmpdir} and {write_tmpdir}")
    command.add_argument("--results-dir", metavar="DIR", help="where run directories are made (default: results/)")


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
    from fmbench_lib.pipeline import run_pipeline, steps_named

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
        from fmbench_lib.deploy.register import standing_lines

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
    from fmbench_lib.deploy.register import standing_lines

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
    from fmbench_lib.pipeline import ended_well
    from fmbench_lib.steps.analysis import write_analysis

    run = open_for_reading(_local_run(options.run_dir), _arguments(options.arguments))
    if options.from_raw:
        from fmbench_lib.steps.decoding import decode_again

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
    from fmbench_lib.steps.calibrated import calibrate_machine

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


def _loads(text: str) -> list[int]:
    """A list of loads, rising."""
    words = text.split(",")
    if not all(word.strip().isdecimal() and int(word) for word in words):
        raise argparse.ArgumentTypeError(f"{text!r}: write whole numbers above 0 with commas between them: 8,64")
    return sorted(set(map(int, words)))


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
