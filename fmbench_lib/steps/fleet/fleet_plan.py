"""What a fleet will start and cost, and the commands that do for a person what SkyPilot is not there to do."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from fmbench_lib.fleet.machine_files import command_back
from fmbench_lib.fleet.machine_task import FOLDER, MEASURE, RESULTS, SETUP, FleetSettings, Machine
from fmbench_lib.fleet.sky_command import SKY
from fmbench_lib.load.levels.specs import levels_of
from fmbench_lib.metrics.prices import hours_cost, terms_of
from fmbench_lib.pricing.price_list import InstancePrice, PriceList
from fmbench_lib.runs.progress import duration
from fmbench_lib.runs.run import Run
from fmbench_lib.steps.fleet.machine_groups import machines_of
from fmbench_lib.steps.fleet.machine_input import experiments_of, write_machine_files
from fmbench_lib.steps.plan import most_seconds
from fmbench_lib.steps.run_inputs.inputs import trace_of
from fmbench_lib.steps.run_inputs.run_prices import load_prices


def plan_lines(run: Run) -> list[str]:
    """A line for each machine: its experiments, its price by the hour, and what its load takes and costs at most."""
    prices = load_prices(run)
    machines = machines_of(run.config, prices)
    return [*(_machine_line(run, machine, prices) for machine in machines), _sum_line(machines, prices)]


def _machine_line(run: Run, machine: Machine, prices: PriceList) -> str:
    where = f" in {machine.region}" if machine.region else ""
    seconds = _most_seconds(run, machine)
    load = "its load has no bound in time" if seconds is None else f"at most {duration(seconds)} of load"
    line = f"{machine.name}: 1 × {machine.instance_type}{where} for {', '.join(machine.experiments)}: {load}"
    price = prices.lookup(machine.instance_type)
    if not isinstance(price, InstancePrice):
        return f"{line}; cost unknown: {prices.why_none(machine.instance_type)}; it is bought on demand"
    rate = f"{price.hourly:.10g} USD/h ({terms_of(price)})"
    cost = "" if seconds is None else f", at most {hours_cost(price.hourly, 1, seconds):.4f} USD"
    return f"{line}{cost} at {rate}; starting it, loading models and deleting it come on top"


def _sum_line(machines: Sequence[Machine], prices: PriceList) -> str:
    found = [prices.lookup(machine.instance_type) for machine in machines]
    known = [price.hourly for price in found if isinstance(price, InstancePrice)]
    several = "machine" if len(machines) == 1 else "machines at the same time"
    if len(known) < len(machines):
        return f"{len(machines)} {several}; what they cost by the hour is not known"
    return f"{len(machines)} {several}: {sum(known):.10g} USD/h"


def _most_seconds(run: Run, machine: Machine) -> float | None:
    """The longest that a machine's levels can take; None where a search chooses them, or a level has no end in time."""
    if run.config.load.find is not None:
        return None
    times = [entry.time for entry in trace_of(run) or ()]
    longest = 0.0
    for experiment in experiments_of(run, machine):
        timeout = experiment.inference_spec.timeout or run.config.load.timeout
        levels = levels_of(run.config, experiment)
        longest += sum(most_seconds(level, timeout, times) for level in levels)
    return longest


def lines_by_hand(run: Run, machines: Sequence[Machine], settings: FleetSettings) -> list[str]:
    """Write the files of the machines; the commands that start them, bring back what they measured, and delete them.

    Raises InputError for what cannot be sent to a machine.
    """
    lines = []
    for machine in machines:
        cluster = f"fmbench-{machine.name}-{run.workspace.run_id.lower()}"
        files = write_machine_files(run, machine, cluster, settings)
        lines += [
            f"{machine.label}, for {', '.join(machine.experiments)}:",
            f"  {SKY} launch --yes --cluster {cluster} {shlex.quote(str(files.task))}",
            f"  {command_back(cluster, f'{FOLDER}/{RESULTS}', files.output)}",
            f"  {SKY} down --yes {cluster}",
            f"  or on a machine of your own: copy {files.input} to its ~/{FOLDER}, run there "
            f"`bash ~/{FOLDER}/{SETUP} && bash ~/{FOLDER}/{MEASURE}`, and copy its ~/{FOLDER}/{RESULTS} to "
            f"{files.output}",
        ]
    return lines
