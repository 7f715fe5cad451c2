"""The options of the command `compare`."""

from __future__ import annotations

from fmbench_lib.cli.shared_options import Commands, add_command, add_output_options


def add_compare(commands: Commands) -> None:
    """`fmbench compare`."""
    compare = add_command(
        commands,
        "compare",
        "compare runs with a base: what differs, by how much, how sure; can fail a build",
        "fmbench compare baseline/20261130-101500Z latest --fail-on 'latency_p95>+5%'",
        "fmbench compare latest --match vllm=sglang --output comparison.md",
    )
    compare.add_argument("runs", nargs="+", metavar="RUN", help="the base, then the runs to compare with it")
    compare.add_argument("--results-dir", metavar="DIR", help="the folder of runs (default: results/)")
    compare.add_argument(
        "--match",
        metavar="BASE=NEW",
        action="append",
        default=[],
        help="an experiment of the base and the one to compare it with, where their names differ; of a single RUN, two "
        "of its experiments",
    )
    compare.add_argument(
        "--measures", metavar="LIST", help="columns to compare, such as latency_p99,ITL_p95 (default: the usual ones)"
    )
    exit_code = compare.add_argument_group("exit code")
    exit_code.add_argument(
        "--fail-on",
        metavar="CONDITION",
        action="append",
        default=[],
        help="exit with 1 where a level meets it: latency_p95>+5%% (significantly worse, by more than 5%%), "
        "transactions_per_minute<-5%%, TTFT_p95>0.5; compares these measures only, unless --measures says more",
    )
    exit_code.add_argument(
        "--fail-on-budget",
        action="store_true",
        help="exit with 1 if no level of the new experiments meets every budget of their run",
    )
    add_output_options(compare)
    compare.add_argument("--html", metavar="FILE", help="the same as --output with a name that ends in .html")
    compare.add_argument(
        "--output",
        metavar="FILE",
        action="append",
        default=[],
        help="also write it: .md for a pull request, .html with both distributions, .json, or .xml for JUnit",
    )
