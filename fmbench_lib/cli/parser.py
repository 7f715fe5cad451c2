"""The grammar of the command line. Its reference in the docs is generated from here."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from typing import Any, NoReturn, TypeAlias

from fmbench_lib import __version__
from fmbench_lib.cli.terminal import clean
from fmbench_lib.config.secret_forms import without_secrets

_Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


class _Parser(argparse.ArgumentParser):
    """Whose errors repeat no secret of the command line."""

    def error(self, message: str) -> NoReturn:
        super().error(clean(without_secrets(message)))


def parser() -> argparse.ArgumentParser:
    """The parser of the whole command line; `command` of what it returns is None where none was given."""
    top = _Parser(
        prog="fmbench",
        description="Which model, on which serving stack and instance, at which load, gives this latency for the "
        "least money? `fmbench --config-file X` runs a benchmark; the subcommands do everything else.",
        epilog="Exit codes: 0 everything done and every level valid · 1 the run completed, but an experiment or level "
        "failed or is invalid (--allow-invalid: only failed), or no level meets every budget (--fail-on-budget) · "
        "2 bad input, nothing was started · 130 interrupted.",
    )
    top.add_argument("--version", action="version", version=f"fmbench {__version__}")
    commands = top.add_subparsers(dest="command", metavar="COMMAND")
    for add in _ADD:
        add(commands)
    return top


# -- commands, in the order of the help page -------------------------------------------------------------------------


def _add_run(commands: _Commands) -> None:
    run = commands.add_parser("run", help="run a benchmark (the word `run` may be left out)")
    run.add_argument("config", nargs="?", help="the config, as with --config-file")
    run.add_argument("--config-file", metavar="X", help="a path, an s3:// or https:// address, or a shipped config")
    run.add_argument(
        "--resume",
        metavar="RUN_DIR",
        nargs="?",
        const="",
        help="continue an unfinished run, at a path or an s3:// address, with the first thing that is not done; "
        "without RUN_DIR the newest one of --config-file",
    )
    run.add_argument(
        "--remeasure",
        metavar="LEVELS",
        action="append",
        default=[],
        help="with --resume: measure levels again: `invalid` or `degraded` ones, or those of a name, such as "
        "concurrency-4 or experiment/payload/concurrency-4, with commas between them; both attempts are kept, and the "
        "last one counts",
    )
    _add_url_options(run)
    run.add_argument("--steps", metavar="LIST", help="only these steps, such as 0-3 or 4")
    _add_exit_code_options(run)
    run.add_argument("--verbose", action="store_true", help="print tracebacks of errors")
    _add_run_options(run)


def _add_url_options(run: argparse.ArgumentParser) -> None:
    url = run.add_argument_group("a server that runs already, without a config")
    url.add_argument("--url", metavar="URL", help="its address, or the base of it: http://host:8000/v1")
    url.add_argument("--model", metavar="NAME", help="the model, where the server has several")
    url.add_argument("--data", metavar="FILE", help="prompts: .jsonl, .json, .csv, .tsv, .parquet or .txt")
    url.add_argument("--concurrency", metavar="LIST", type=_loads, help="numbers of requests in flight (default: 1,4)")
    url.add_argument("--rate", metavar="LIST", type=_rates, help="requests per second, in place of --concurrency")
    url.add_argument("--requests", metavar="N", type=_count, help="measured requests of each level (default: 60)")
    url.add_argument("--api-key-env", metavar="NAME", help="the environment variable that holds the server's key")


def _add_validate(commands: _Commands) -> None:
    validate = commands.add_parser("validate", help="check configs: `<path>: ok`, or what is wrong and what to write")
    validate.add_argument("paths", nargs="+", metavar="CONFIG", help="config files, or folders of them")
    _add_arguments(validate)


def _add_plan(commands: _Commands) -> None:
    plan = commands.add_parser("plan", help="print what a run would deploy, send, take and cost, without doing it")
    plan.add_argument("config", help="the config, as with --config-file")
    _add_run_options(plan)


def _add_report(commands: _Commands) -> None:
    report = commands.add_parser("report", help="analyse a run again and rewrite its report, from its records")
    _add_run_dir(report)
    report.add_argument("--from-raw", action="store_true", help="decode the raw responses again (load.keep_raw)")
    _add_exit_code_options(report)
    _add_arguments(report)


def _add_evaluate(commands: _Commands) -> None:
    help_text = "have the answers of a run judged and scored, as its config says, and rewrite its report"
    evaluate = commands.add_parser("evaluate", help=help_text)
    _add_run_dir(evaluate)
    _add_arguments(evaluate)


def _add_cleanup(commands: _Commands) -> None:
    help_text = "delete everything that a run deployed; without RUN_DIR, list what runs of this machine left standing"
    _add_run_dir(commands.add_parser("cleanup", help=help_text))


def _add_sync(commands: _Commands) -> None:
    sync = commands.add_parser("sync", help="send what the bucket of a run lacks, and check that it is complete")
    sync.add_argument("run_dir", metavar="RUN_DIR", help="the run's directory")


def _add_configs(commands: _Commands) -> None:
    configs = commands.add_parser("configs", help="list the configs that ship with fmbench, and what each needs")
    configs.add_argument("--json", action="store_true", help="print the list as JSON, for programs")


def _add_calibrate(commands: _Commands) -> None:
    calibrate = commands.add_parser("calibrate", help="measure the errors of this machine as a client, by load")
    calibrate.add_argument(
        "--streams", metavar="LIST", type=_loads, help="numbers of simultaneous streams (default: 8,64,256,512)"
    )
    calibrate.add_argument(
        "--event-rates", metavar="LIST", type=_loads, help="content events per second (default: 5000,20000,40000)"
    )
    calibrate.add_argument("--quick", action="store_true", help="3 seconds for each load instead of 10")


def _add_emulate(commands: _Commands) -> None:
    emulate = commands.add_parser("emulate", help="serve an endpoint of known behaviour; `fmbench emulate --help`")
    emulate.add_argument("options", nargs=argparse.REMAINDER, help="as listed by `fmbench emulate --help`")


_ADD: tuple[Callable[[Any], None], ...] = (
    _add_run,
    _add_validate,
    _add_plan,
    _add_report,
    _add_evaluate,
    _add_cleanup,
    _add_sync,
    _add_configs,
    _add_calibrate,
    _add_emulate,
)


# -- options that several commands have ------------------------------------------------------------------------------


def _add_run_dir(command: argparse.ArgumentParser) -> None:
    command.add_argument("run_dir", metavar="RUN_DIR", help="the run's directory, or its s3:// address")


def _add_arguments(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "-A",
        dest="arguments",
        metavar="KEY=VALUE",
        action="append",
        default=[],
        help="the value of {key} in the config",
    )


def _add_exit_code_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("--allow-invalid", action="store_true", help="exit with 0 even if a level is invalid")
    command.add_argument(
        "--fail-on-budget", action="store_true", help="exit with 1 if no level of the decision meets every budget"
    )


def _add_run_options(command: argparse.ArgumentParser) -> None:
    _add_arguments(command)
    command.add_argument("--role-arn", metavar="ARN", help="the value of {role_arn}: the role that endpoints run under")
    command.add_argument("--local-mode", choices=("yes", "no"), help="yes: read and keep files on this machine only")
    command.add_argument(
        "--write-bucket", metavar="BUCKET", help="keep the run in this bucket too; also the value of {write_bucket}"
    )
    command.add_argument(
        "--tmp-dir",
        metavar="DIR",
        help="read the run's files from fmbench-read in this folder",
    )
    command.add_argument("--results-dir", metavar="DIR", help="where run directories are made (default: results/)")


def _count(text: str) -> int:
    """A whole number above 0."""
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"{text!r}: write a whole number above 0")
    return int(text)


def _rates(text: str) -> list[float]:
    """Request rates from a list with commas, sorted, each once."""
    try:
        rates = sorted({float(word) for word in text.split(",")})
    except ValueError:
        rates = []
    if not rates or not all(0 < rate < math.inf for rate in rates):
        raise argparse.ArgumentTypeError(f"{text!r}: write numbers above 0 with commas between them: 2,8.5")
    return rates


def _loads(text: str) -> list[int]:
    """Loads from a list with commas, sorted, each once."""
    words = text.split(",")
    if not all(word.strip().isdecimal() and int(word) for word in words):
        raise argparse.ArgumentTypeError(f"{text!r}: write whole numbers above 0 with commas between them: 8,64")
    return sorted(set(map(int, words)))
