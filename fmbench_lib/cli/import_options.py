"""The options of `fmbench import`."""

from __future__ import annotations

import argparse

from fmbench_lib.cli.option_types import count, usd
from fmbench_lib.cli.shared_options import add_config_options, add_exit_code_options


def add_import_options(command: argparse.ArgumentParser) -> None:
    """The files, and what they do not say."""
    command.add_argument("files", nargs="+", metavar="FILE", help="result files, or folders of them; see importing.md")
    names = command.add_argument_group("what the files do not say, or say otherwise")
    names.add_argument("--name", metavar="NAME", help="the name of the run")
    names.add_argument("--experiment", metavar="NAME", help="the experiment of all levels")
    names.add_argument("--payload", metavar="NAME", help="the payload file of all levels: levels of one are compared")
    names.add_argument("--instance-type", metavar="TYPE", help="key in the price file")
    names.add_argument("--instance-count", metavar="N", type=count, help="number of instances, for the price")
    names.add_argument("--hourly", metavar="USD", type=usd, help="price of an hour of one instance")
    names.add_argument("--pricing", metavar="FILE", help="a price file")
    add_config_options(command)
    command.add_argument("--results-dir", metavar="DIR", help="the folder of runs (default: results/)")
    add_exit_code_options(command)
