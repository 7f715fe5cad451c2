"""Options that several commands have, in groups."""

from __future__ import annotations

import argparse
from typing import TypeAlias

from fmbench_lib.cli.option_types import count, loads, rates

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"
Options: TypeAlias = "argparse.ArgumentParser | argparse._ArgumentGroup"


def add_command(commands: Commands, name: str, meaning: str, *examples: str) -> argparse.ArgumentParser:
    """A command whose help says what it does, with examples below."""
    written = "\n".join(f"  {example}" for example in examples)
    heading = "example" if len(examples) == 1 else "examples"
    description = f"{meaning[:1].upper()}{meaning[1:]}.".replace("%", "%%")
    return commands.add_parser(name, help=meaning, description=description, epilog=f"{heading}:\n{written}")


def add_load_options(command: Options) -> None:
    """Prompts and load, without a config."""
    command.add_argument("--data", metavar="FILE", help="prompts: .jsonl, .json, .csv, .tsv, .parquet or .txt")
    command.add_argument(
        "--concurrency", metavar="LIST", type=loads, help="numbers of requests in flight (default: 1,4)"
    )
    command.add_argument("--rate", metavar="LIST", type=rates, help="requests per second, in place of --concurrency")
    command.add_argument(
        "--requests",
        metavar="N",
        type=count,
        help="measured requests of each level (default: 60)",
    )


def add_run_dir(command: argparse.ArgumentParser) -> None:
    """The run that a command is about."""
    command.add_argument(
        "run_dir",
        metavar="RUN_DIR",
        help="the run: its directory, its s3:// address, its name/id in the folder of runs, or `latest`",
    )
    command.add_argument("--results-dir", metavar="DIR", help="the folder of runs (default: results/)")


def add_arguments(command: Options) -> None:
    """`-A`."""
    command.add_argument(
        "-A",
        dest="arguments",
        metavar="KEY=VALUE",
        action="append",
        default=[],
        help="the value of {key} in the config",
    )


def add_config_options(command: argparse.ArgumentParser) -> None:
    """What fills in and replaces parts of a config."""
    config = command.add_argument_group("what the config lacks or says otherwise")
    add_arguments(config)
    config.add_argument(
        "--set",
        dest="overrides",
        metavar="KEY=VALUE",
        action="append",
        default=[],
        help="a key of the config and its value, as YAML: load.requests=20, experiments[0].concurrency_levels=[1,4], "
        "experiments.NAME.ep_name=…, experiments[*].deploy=no",
    )


def add_place_options(command: argparse.ArgumentParser) -> None:
    """Where files, buckets and runs are."""
    places = command.add_argument_group("where things are and go")
    places.add_argument("--role-arn", metavar="ARN", help="the value of {role_arn}: the role that endpoints run under")
    places.add_argument("--local-mode", choices=("yes", "no"), help="yes: read and keep files on this machine only")
    places.add_argument(
        "--write-bucket", metavar="BUCKET", help="keep the run in this bucket too; also the value of {write_bucket}"
    )
    places.add_argument("--tmp-dir", metavar="DIR", help="read the run's files from fmbench-read in this folder")
    places.add_argument("--results-dir", metavar="DIR", help="where run directories are made (default: results/)")


def add_output_options(command: argparse.ArgumentParser) -> None:
    """What is printed."""
    output = command.add_argument_group("output")
    output.add_argument("--quiet", action="store_true", help="print results and errors only")
    output.add_argument("--json", action="store_true", help="print one JSON object a line (docs/json_output.md)")


def add_exit_code_options(command: Options) -> None:
    """What counts as success."""
    command.add_argument("--allow-invalid", action="store_true", help="exit with 0 even if a level is invalid")
    command.add_argument(
        "--fail-on-budget", action="store_true", help="exit with 1 if no level of the decision meets every budget"
    )
