"""The options of the commands `runs` and `site`, and how their words are read."""

from __future__ import annotations

import argparse
import re

from fmbench_lib.cli.shared_options import Commands, Options, add_command, add_output_options
from fmbench_lib.metrics.many_runs.run_choice import VERDICTS

_AGO = re.compile(r"(?P<count>\d{1,6})(?P<unit>h|d|w)")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2})?)?Z?")


def add_runs(commands: Commands) -> None:
    """`fmbench runs`."""
    runs = add_command(
        commands,
        "runs",
        "list the runs of a folder or bucket by what they measured; tag and delete them",
        "fmbench runs --model llama --instance 'g5*' --since 30d",
        "fmbench runs latest --add-tag baseline",
        "fmbench runs --tag scratch --delete",
    )
    runs.add_argument("runs", nargs="*", metavar="RUN", help="only these: name/id, an id, a name, or `latest`")
    _add_results(runs)
    _add_choice(runs)
    changes = runs.add_argument_group("what is done with the runs that are chosen")
    changes.add_argument("--add-tag", metavar="TAG", action="append", default=[], help="file them under a word")
    changes.add_argument("--remove-tag", metavar="TAG", action="append", default=[], help="take a word off them")
    changes.add_argument(
        "--delete",
        action="store_true",
        help="delete them, after a question; not those that are being measured or whose endpoints still stand",
    )
    changes.add_argument("--yes", action="store_true", help="with --delete: ask no question")
    add_output_options(runs)


def add_site(commands: Commands) -> None:
    """`fmbench site`."""
    site = add_command(
        commands,
        "site",
        "make a static site of all runs: leader board, Pareto front, histories with changes, comparisons",
        "fmbench site results --into site",
        "fmbench site s3://bucket/results --into site --tag release",
    )
    site.add_argument(
        "results", nargs="?", metavar="RESULTS", help="the folder of runs, or its s3:// address (default: results/)"
    )
    site.add_argument("--into", metavar="DIR", default="site", help="the folder of the site (default: site/)")
    site.add_argument("--title", metavar="TEXT", default="Benchmark results", help="the site's title")
    site.add_argument("--without-pages", action="store_true", help="do not copy the runs' own reports into the site")
    _add_choice(site)
    add_output_options(site)


def _add_results(command: Options) -> None:
    command.add_argument(
        "--results-dir", metavar="DIR", help="the folder of runs, or its s3:// address (default: results/)"
    )


def _add_choice(command: argparse.ArgumentParser) -> None:
    choice = command.add_argument_group("which runs")
    meaning = "a part of it in any case, or a pattern with *"
    choice.add_argument("--model", metavar="NAME", default="", help=f"runs of a model: {meaning}")
    choice.add_argument("--stack", metavar="NAME", default="", help=f"runs on a serving stack: {meaning}")
    choice.add_argument("--instance", metavar="TYPE", default="", help=f"runs on an instance type: {meaning}")
    choice.add_argument("--verdict", choices=VERDICTS, default="", help="runs with a level of this verdict")
    choice.add_argument(
        "--since", metavar="WHEN", type=since, help="runs that began since then: 2026-11-01 (UTC), 30d, 12h or 2w ago"
    )
    choice.add_argument("--tag", metavar="TAG", action="append", default=[], help="runs with this tag; repeated, all")


def since(text: str) -> str:
    """The words of `--since`, if they can be read."""
    if not (_AGO.fullmatch(text) or _DATE.fullmatch(text)):
        raise argparse.ArgumentTypeError(f"{text!r}: write a date, 2026-11-01, or a time ago: 12h, 30d, 2w")
    return text
