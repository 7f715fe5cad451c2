"""The grammar of the command line."""

from __future__ import annotations

import argparse

from fmbench_lib import __version__


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


def _loads(text: str) -> list[int]:
    """A list of loads, rising."""
    words = text.split(",")
    if not all(word.strip().isdecimal() and int(word) for word in words):
        raise argparse.ArgumentTypeError(f"{text!r}: write whole numbers above 0 with commas between them: 8,64")
    return sorted(set(map(int, words)))
