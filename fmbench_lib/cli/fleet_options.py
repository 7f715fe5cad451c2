"""The options of the command `fleet`."""

from __future__ import annotations

import argparse

from fmbench_lib.cli.option_types import count, hours
from fmbench_lib.cli.shared_options import (
    Commands,
    add_command,
    add_config_options,
    add_exit_code_options,
    add_output_options,
    add_place_options,
)


def add_fleet(commands: Commands) -> None:
    """`fmbench fleet`."""
    fleet = add_command(
        commands,
        "fleet",
        "measure each experiment on a machine of the instance type that it names, all at the same time",
        "fmbench fleet my.yml --dry-run",
        "fmbench fleet my.yml --disk 500",
    )
    fleet.add_argument("config", help="the config, as with --config-file")
    add_config_options(fleet)
    _add_machines(fleet)
    add_place_options(fleet)
    add_exit_code_options(fleet.add_argument_group("exit code"))
    add_output_options(fleet)
    fleet.set_defaults(resume=None)


def _add_machines(fleet: argparse.ArgumentParser) -> None:
    machines = fleet.add_argument_group("the machines")
    machines.add_argument(
        "--dry-run", action="store_true", help="print the machines and what they cost, and start nothing"
    )
    machines.add_argument(
        "--infra",
        metavar="WHERE",
        help="cloud, region and zone as SkyPilot writes them: aws/us-east-1 (default: AWS in the region of the config)",
    )
    machines.add_argument("--disk", metavar="GB", type=count, default=256, help="of each machine (default: 256)")
    machines.add_argument("--image", metavar="ID", help="the image of each machine (default: SkyPilot's)")
    machines.add_argument(
        "--install",
        metavar="WHAT",
        help="what pip installs there: a requirement, wheel or checkout (default: this checkout, else this version)",
    )
    machines.add_argument(
        "--idle-minutes",
        metavar="N",
        type=count,
        default=30,
        help="SkyPilot deletes a machine so long after its job, if this process is gone (default: 30)",
    )
    machines.add_argument(
        "--hours", metavar="N", type=hours, default=24.0, help="give up a machine that measures longer (default: 24)"
    )
