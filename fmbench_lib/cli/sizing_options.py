"""The options of the command `size`, and how their words are read."""

from __future__ import annotations

import argparse
import math
import re

from fmbench_lib.cli.option_types import count, seconds
from fmbench_lib.cli.shared_options import Commands, add_command, add_output_options

_RATE = re.compile(r"\s*(?P<value>[\d.,]+(?:e\d+)?)\s*(?:/\s*(?P<unit>s|min|h))?\s*")
_PER_MINUTE = {"s": 60.0, "min": 1.0, "h": 1 / 60, None: 1.0}


def add_size(commands: Commands) -> None:
    """`fmbench size`."""
    size = add_command(
        commands,
        "size",
        "say how many machines a rate of requests needs within a limit on latency, and what they cost",
        "fmbench size latest --rate 600 --latency-p95 2",
        "fmbench size vllm/20261130-101500Z bedrock/latest --rate 20/s --latency-p95 2 --output fleets.md",
    )
    size.add_argument("runs", nargs="+", metavar="RUN", help="the runs whose experiments are sized")
    size.add_argument("--results-dir", metavar="DIR", help="the folder of runs (default: results/)")
    _add_question(size)
    fleet = size.add_argument_group("the fleet")
    fleet.add_argument(
        "--headroom", metavar="PERCENT", type=share, default=0.0, help="carry so much more than the rate"
    )
    fleet.add_argument(
        "--spare", metavar="N", type=whole, default=0, help="copies that may fail, 1 for N+1 (default: 0)"
    )
    fleet.add_argument(
        "--routing",
        choices=("least", "random"),
        default="least",
        help="requests go to the copy with the fewest in flight (default), or to any",
    )
    fleet.add_argument(
        "--prefer",
        metavar="WHAT",
        type=weight,
        default=1.0,
        help="cost (default), machines, or the weight of cost beside machines: 0.7",
    )
    add_output_options(size)
    size.add_argument(
        "--output",
        metavar="FILE",
        action="append",
        default=[],
        help="also write it: .md, .json, .csv for the table of rates, or .png for its picture",
    )


def _add_question(size: argparse.ArgumentParser) -> None:
    question = size.add_argument_group("the load and the limits")
    question.add_argument(
        "--rate",
        metavar="R",
        type=per_minute,
        help="requests: 600 or 600/min, 10/s, 36000/h; without it, only the table of rates",
    )
    question.add_argument(
        "--latency-p95", metavar="SECONDS", type=seconds, required=True, help="the longest p95 latency of the fleet"
    )
    question.add_argument("--ttft-p95", metavar="SECONDS", type=seconds, help="the longest p95 time to first token")
    question.add_argument("--tokens-in", metavar="P", type=count, help="prompt tokens of a request")
    question.add_argument("--tokens-out", metavar="G", type=count, help="output tokens of a request")
    question.add_argument("--payload", metavar="NAME", help="the payload file (default: that with most levels)")
    question.add_argument(
        "--error-rate",
        metavar="PERCENT",
        type=share_of_requests,
        default=0.01,
        help="use no level of which more requests failed (default: 1%%)",
    )


def per_minute(text: str) -> float:
    """Requests per minute from `600`, `600/min`, `10/s` or `36000/h`."""
    match = _RATE.fullmatch(text)
    try:
        value = float(match["value"].replace(",", "")) * _PER_MINUTE[match["unit"]] if match else 0.0
    except ValueError:
        value = 0.0
    if not 0 < value <= 1e6:
        raise argparse.ArgumentTypeError(f"{text!r}: write requests per minute, such as 600, or 10/s or 36000/h")
    return value


def share(text: str) -> float:
    """A share from a number of percent: `20` or `20%`."""
    try:
        value = float(text.strip().removesuffix("%")) / 100
    except ValueError:
        value = -1.0
    if not 0 <= value < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r}: write a number of percent from 0, such as 20")
    return value


def share_of_requests(text: str) -> float:
    """A share that is at most the whole: `1` or `1%`."""
    value = share(text)
    if value > 1:
        raise argparse.ArgumentTypeError(f"{text!r}: write a number of percent from 0 to 100, such as 1")
    return value


def whole(text: str) -> int:
    """A whole number from 0."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r}: write a whole number from 0")
    return int(text)


def weight(text: str) -> float:
    """What cost counts beside machines: `cost` is 1, `machines` is 0."""
    known = {"cost": 1.0, "machines": 0.0}
    try:
        value = known[text] if text in known else float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{text!r}: write cost, machines, or a number from 0 to 1")
    return value
