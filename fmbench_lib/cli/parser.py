"""The grammar of the command line. Its reference in the docs is generated from here."""

from __future__ import annotations

import argparse
import shutil
import textwrap
from collections.abc import Callable
from typing import Any

from fmbench_lib import __version__
from fmbench_lib.cli.calibration_options import add_calibrate
from fmbench_lib.cli.comparison_options import add_compare
from fmbench_lib.cli.fleet_options import add_fleet
from fmbench_lib.cli.following_options import add_pause, add_status, add_stop
from fmbench_lib.cli.import_options import add_export, add_import
from fmbench_lib.cli.option_types import count, seconds
from fmbench_lib.cli.runs_options import add_runs, add_site
from fmbench_lib.cli.shared_options import (
    Commands,
    add_arguments,
    add_command,
    add_config_options,
    add_exit_code_options,
    add_load_options,
    add_output_options,
    add_place_options,
    add_run_dir,
)
from fmbench_lib.cli.sizing_options import add_size
from fmbench_lib.cli.terminal import clean
from fmbench_lib.config.option_parser import OptionParser
from fmbench_lib.config.platforms import PLATFORMS

_GROUPS = {
    "measure": ("run", "fleet", "plan", "validate"),
    "configs": ("init", "configs", "fetch"),
    "a run under way": ("status", "pause", "stop"),
    "afterwards": ("report", "evaluate", "cleanup", "sync", "compare", "size"),
    "many runs": ("runs", "site"),
    "other tools": ("import", "export"),
    "this machine": ("calibrate", "emulate", "completion"),
}
_EXAMPLES = (
    "fmbench quickstart",
    "fmbench run --url http://localhost:8000/v1 --concurrency 1,4,16",
    "fmbench init --url http://localhost:8000/v1 --into my.yml",
    "fmbench my.yml --set load.requests=200",
    "fmbench report latest",
)


class _Parser(OptionParser):
    """Whose errors repeat no secret of the process."""

    def _print_message(self, message: str, file: Any = None) -> None:
        super()._print_message("\n".join(clean(line) for line in message.split("\n")), file)


class _Top(_Parser):
    """Whose help groups the commands by what they are for."""

    def format_help(self) -> str:
        chosen = [action for action in self._actions if isinstance(action, argparse._SubParsersAction)]
        meanings = {choice.dest: choice.help or "" for action in chosen for choice in action._choices_actions}
        lines = [f"usage: {self.prog} COMMAND … | {self.prog} CONFIG …", "", *_wrapped(self.description or "")]
        for group, names in _GROUPS.items():
            lines += ["", f"{group}:"]
            for name in names:
                lines += _wrapped(meanings[name], f"  {name:<12}", " " * 14)
        lines += [
            "",
            "options:",
            "  -h, --help  print this, and after a command its own",
            "  --version   print the version",
        ]
        lines += ["", "examples:", *(f"  {example}" for example in _EXAMPLES)]
        return "\n".join([*lines, "", *_wrapped(self.epilog or "")]) + "\n"


def _wrapped(text: str, first: str = "", later: str = "") -> list[str]:
    width = min(shutil.get_terminal_size((100, 24)).columns, 100)
    return textwrap.wrap(text, max(width, 40), initial_indent=first, subsequent_indent=later, break_on_hyphens=False)


def parser() -> argparse.ArgumentParser:
    """The parser of the whole command line; `command` of what it returns is None where none was given."""
    top = _Top(
        prog="fmbench",
        description="Which model, on which serving stack and instance, at which load, gives this latency for the "
        "least money? `fmbench --config-file X` runs a benchmark; the subcommands do everything else.",
        epilog="Exit codes: 0 everything done and every level valid · 1 the run completed, but an experiment or level "
        "failed or is invalid (--allow-invalid: only failed), or no level meets every budget (--fail-on-budget) · "
        "2 bad input, nothing was started · 130 interrupted.",
    )
    top.add_argument("--version", action="version", version=f"fmbench {__version__}")
    commands = top.add_subparsers(dest="command", metavar="COMMAND", parser_class=_Parser)
    for add in _ADD:
        add(commands)
    for name, command in commands.choices.items():
        if name != "emulate":
            command.add_argument("--verbose", action="store_true", help="print tracebacks of errors")
    return top


def value_options() -> dict[str, bool]:
    """Every option of any command, and whether a value follows it; without those whose value may be left out."""
    chosen = [action for action in parser()._actions if isinstance(action, argparse._SubParsersAction)]
    options = [action for each in chosen for command in each.choices.values() for action in command._actions]
    return {name: each.nargs is None for each in options if each.nargs in (None, 0) for name in each.option_strings}


# -- commands, in the order of the help page -------------------------------------------------------------------------


def _add_run(commands: Commands) -> None:
    run = add_command(
        commands,
        "run",
        "run a benchmark (the word `run` may be left out)",
        "fmbench my.yml --set load.requests=200",
        "fmbench run --url http://localhost:8000/v1 --concurrency 1,4,16 --data prompts.csv",
    )
    run.add_argument("config", nargs="?", help="the config, as with --config-file")
    run.add_argument("--config-file", metavar="X", help="a path, an s3:// or https:// address, or a shipped config")
    add_config_options(run)
    _add_url_options(run)
    _add_resume_options(run)
    add_place_options(run)
    exit_code = run.add_argument_group("exit code")
    add_exit_code_options(exit_code)
    add_output_options(run)


def _add_resume_options(run: argparse.ArgumentParser) -> None:
    parts = run.add_argument_group("a part of a run")
    parts.add_argument("--steps", metavar="LIST", help="only these steps, such as 0-3 or 4")
    parts.add_argument(
        "--resume",
        metavar="RUN_DIR",
        nargs="?",
        const="",
        help="continue an unfinished run, at a path or an s3:// address or `latest`, with the first thing that is not "
        "done; without RUN_DIR the newest one of --config-file",
    )
    parts.add_argument(
        "--remeasure",
        metavar="LEVELS",
        action="append",
        default=[],
        help="with --resume: measure levels again: `invalid` or `degraded` ones, or those of a name, such as "
        "concurrency-4 or experiment/payload/concurrency-4, with commas between them; both attempts are kept, and the "
        "last one counts",
    )


def _add_url_options(run: argparse.ArgumentParser) -> None:
    url = run.add_argument_group("a server that runs already, without a config")
    url.add_argument("--url", metavar="URL", help="its address, or the base of it: http://host:8000/v1")
    url.add_argument("--model", metavar="NAME", help="the model, where the server has several")
    add_load_options(url)
    url.add_argument("--input-tokens", metavar="N", type=count, help="make prompts of N tokens, in place of --data")
    url.add_argument("--output-tokens", metavar="N", type=count, help="with --input-tokens: tokens of each answer")
    url.add_argument("--api-key-env", metavar="NAME", help="the environment variable that holds the server's key")


def _add_validate(commands: Commands) -> None:
    validate = add_command(
        commands,
        "validate",
        "check configs: `<path>: ok`, or what is wrong and what to write",
        "fmbench validate my.yml configs/",
    )
    validate.add_argument("paths", nargs="+", metavar="CONFIG", help="config files, or folders of them")
    add_config_options(validate)
    add_place_options(validate)
    add_output_options(validate)


def _add_plan(commands: Commands) -> None:
    plan = add_command(
        commands,
        "plan",
        "print what a run would deploy, send, take and cost, without doing it",
        "fmbench plan my.yml --set load.requests=200",
    )
    plan.add_argument("config", help="the config, as with --config-file")
    add_config_options(plan)
    add_place_options(plan)
    add_output_options(plan)


def _add_report(commands: Commands) -> None:
    report = add_command(
        commands, "report", "analyse a run again and rewrite its report, from its records", "fmbench report latest"
    )
    add_run_dir(report)
    report.add_argument("--from-raw", action="store_true", help="decode the raw responses again (load.keep_raw)")
    add_arguments(report)
    add_exit_code_options(report)


def _add_evaluate(commands: Commands) -> None:
    evaluate = add_command(
        commands,
        "evaluate",
        "have the answers of a run judged and scored, as its config says, and rewrite its report",
        "fmbench evaluate latest",
    )
    add_run_dir(evaluate)
    add_arguments(evaluate)


def _add_cleanup(commands: Commands) -> None:
    help_text = "delete everything that a run deployed; without RUN_DIR, list what runs of this machine left standing"
    add_run_dir(add_command(commands, "cleanup", help_text, "fmbench cleanup latest"))


def _add_sync(commands: Commands) -> None:
    sync = add_command(
        commands, "sync", "send what the bucket of a run lacks, and check that it is complete", "fmbench sync latest"
    )
    add_run_dir(sync)


def _add_configs(commands: Commands) -> None:
    configs = add_command(
        commands,
        "configs",
        "list the configs that ship with fmbench, and what each needs",
        "fmbench configs --copy ec2/vllm --into my.yml",
    )
    configs.add_argument("--json", action="store_true", help="print the list as JSON, for programs")
    configs.add_argument("--copy", metavar="NAME", help="copy this one, to change it, into the current folder")
    configs.add_argument("--into", metavar="FILE", help="with --copy: the file or folder to copy it to")


def _add_init(commands: Commands) -> None:
    init = add_command(
        commands,
        "init",
        "write a config with comments, from a few options, or from questions on a terminal",
        "fmbench init --url http://localhost:8000/v1 --concurrency 1,4,16 --budget 2.5",
        "fmbench init --platform sagemaker --model org/model --instance-type ml.g5.2xlarge --into my.yml",
    )
    init.add_argument("--url", metavar="URL", help="the address of a server that runs already")
    init.add_argument("--platform", metavar="NAME", help="where the model runs: " + ", ".join(PLATFORMS))
    init.add_argument("--model", metavar="NAME", help="the model")
    init.add_argument("--instance-type", metavar="TYPE", help="key in the price file")
    add_load_options(init)
    init.add_argument("--budget", metavar="SECONDS", type=seconds, help="the longest acceptable p95 latency")
    init.add_argument("--into", metavar="FILE", help="the file to write (default: benchmark.yml)")


def _add_completion(commands: Commands) -> None:
    completion = add_command(
        commands,
        "completion",
        "print what switches on completion in a shell",
        'eval "$(fmbench completion bash)"',
        "fmbench completion fish > ~/.config/fish/completions/fmbench.fish",
    )
    completion.add_argument(
        "shell",
        metavar="SHELL",
        nargs="?",
        default="bash",
        help="bash (default), zsh or fish",
    )


def _add_fetch(commands: Commands) -> None:
    fetch = add_command(
        commands,
        "fetch",
        "bring a public data set to where configs look for it; or list them",
        "fmbench fetch longbench --into my_data",
    )
    fetch.add_argument("name", nargs="?", metavar="SET", help="such as longbench; without it, the sets are listed")
    fetch.add_argument(
        "--into",
        metavar="DIR",
        default=".",
        help="the folder of the config, or the s3:// address of its read bucket (default: the current folder)",
    )
    fetch.add_argument(
        "--prefix",
        metavar="NAME",
        default="source_data",
        help="the folder in it, as s3_read_data.source_data_prefix (default: source_data)",
    )
    fetch.add_argument("--rows", metavar="N", type=count, help="only the first rows of each file")


def _add_emulate(commands: Commands) -> None:
    emulate = add_command(
        commands,
        "emulate",
        "serve an endpoint of known behaviour; `fmbench emulate --help`",
        "fmbench emulate --port 8000 --ttft 0.2 --itl 0.02",
    )
    emulate.add_argument("options", nargs=argparse.REMAINDER, help="as listed by `fmbench emulate --help`")


_ADD: tuple[Callable[[Any], None], ...] = (
    _add_run,
    add_fleet,
    _add_validate,
    _add_plan,
    add_status,
    add_pause,
    add_stop,
    _add_report,
    _add_evaluate,
    add_import,
    add_export,
    _add_cleanup,
    _add_sync,
    add_compare,
    add_size,
    add_runs,
    add_site,
    _add_configs,
    _add_fetch,
    _add_init,
    _add_completion,
    add_calibrate,
    _add_emulate,
)
