"""The options of the command `calibrate`."""

from __future__ import annotations

import argparse

from fmbench_lib.cli.option_types import count, loads
from fmbench_lib.cli.shared_options import Commands, add_command


def add_calibrate(commands: Commands) -> None:
    """`fmbench calibrate`."""
    calibrate = add_command(
        commands,
        "calibrate",
        "measure the errors of this machine as a client, or of a cluster, by load",
        "fmbench calibrate --quick",
        "fmbench calibrate --executor ray --streams 512,2048",
    )
    calibrate.add_argument(
        "--streams", metavar="LIST", type=loads, help="numbers of simultaneous streams (default: 8,64,256,512)"
    )
    calibrate.add_argument(
        "--event-rates", metavar="LIST", type=loads, help="content events per second (default: 5000,20000,40000)"
    )
    calibrate.add_argument("--quick", action="store_true", help="3 seconds for each load instead of 10")
    _add_cluster(calibrate)


def _add_cluster(calibrate: argparse.ArgumentParser) -> None:
    cluster = calibrate.add_argument_group("a cluster, see docs/ray.md")
    cluster.add_argument(
        "--executor", choices=("local", "ray"), default="local", help="what sends the requests (default: local)"
    )
    cluster.add_argument("--ray-address", metavar="ADDRESS", default="auto", help="as load.ray.address (default: auto)")
    cluster.add_argument("--ray-nodes", metavar="N", type=count, help="as load.ray.nodes (default: all)")
