"""The steps of a run whose experiments are measured on machines of a fleet, in the place of those of the notebooks."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pandas as pd

from fmbench_lib.errors import InputError
from fmbench_lib.fleet.machine_task import Machine
from fmbench_lib.fleet.sky_command import check_answers, is_installed
from fmbench_lib.runs.fleet_record import read_fleet
from fmbench_lib.runs.run import Run
from fmbench_lib.steps.analysis import analyze
from fmbench_lib.steps.cleanup import clean_up
from fmbench_lib.steps.data_generation import generate_data
from fmbench_lib.steps.fleet.machine_input import experiments_of
from fmbench_lib.steps.fleet.machine_life import Driving, measure_on
from fmbench_lib.steps.inference import measured_table
from fmbench_lib.steps.run_inputs.inputs import hf_token_of
from fmbench_lib.steps.run_inputs.levels import missing_levels
from fmbench_lib.steps.run_inputs.run_prices import look_up_prices
from fmbench_lib.steps.run_inputs.tokenizers_of_run import choose_tokenizer
from fmbench_lib.steps.setup import script_files
from fmbench_lib.steps.step import step

_HF_TOKEN = "HF_TOKEN"


def fleet_steps(driving: Driving) -> Mapping[str, Callable[[Run], pd.DataFrame]]:
    """What is done for each step of a run, in their order. Machines are deleted at the end of the step that starts
    them, and where that failed by the cleanup."""

    @step("3_run_inference")
    def measure(run: Run) -> pd.DataFrame:
        return measure_on_machines(run, driving)

    return {
        "0_setup": check_fleet,
        "1_generate_data": generate_data,
        "2_deploy_model": planned_machines,
        "3_run_inference": measure,
        "4_model_metric_analysis": analyze,
        "5_cleanup": clean_up,
    }


@step("0_setup")
def check_fleet(run: Run) -> pd.DataFrame:
    """Check what can be checked without the machines: SkyPilot, tokenizers, scripts, prices. Raises InputError."""
    machines = read_fleet(run.workspace).machines
    if is_installed():
        check_answers()
    checked = [(machine.label, ", ".join(machine.experiments)) for machine in machines]
    for experiment in run.config.experiments:
        checked.append((f"tokenizer of {experiment.name}", choose_tokenizer(run, experiment).tokenizer.name))
        checked += script_files(run, experiment)
    look_up_prices(run)
    return pd.DataFrame(checked, columns=["what", "which"])


@step("2_deploy_model")
def planned_machines(run: Run) -> pd.DataFrame:
    """The machines, one row each; they are started when they are to measure."""
    machines = read_fleet(run.workspace).machines
    rows = [(machine.name, machine.instance_type, ", ".join(machine.experiments)) for machine in machines]
    return pd.DataFrame(rows, columns=["machine", "instance_type", "experiments"])


def measure_on_machines(run: Run, driving: Driving) -> pd.DataFrame:
    """Have all machines with levels left measure at the same time; returns a row for each level.

    Raises KeyboardInterrupt where it was interrupted, when every machine is deleted.
    """
    left = machines_left(run)
    driving = replace(driving, secrets={**job_secrets(run, left), **driving.secrets})
    if left:
        with ThreadPoolExecutor(len(left)) as pool:
            for done in [pool.submit(measure_on, run, machine, driving) for machine in left]:
                done.result()
    if driving.stopped():
        raise KeyboardInterrupt
    return measured_table(run)


def machines_left(run: Run) -> list[Machine]:
    """The machines that have levels left to measure."""
    missing = {level.experiment.name for level in missing_levels(run)}
    return [machine for machine in read_fleet(run.workspace).machines if missing & set(machine.experiments)]


def job_secrets(run: Run, machines: list[Machine]) -> dict[str, str]:
    """The environment variables that the jobs need: the keys of the experiments, and the Hugging Face token.

    Raises InputError for a key that the environment lacks.
    """
    found: dict[str, str] = {}
    for experiment in (one for machine in machines for one in experiments_of(run, machine)):
        name = experiment.api_key_env
        if name and name not in os.environ:
            raise InputError(f"experiment {experiment.name}: the environment has no {name} (api_key_env)")
        if name:
            found[name] = os.environ[name]
    token = hf_token_of(run)
    return found if token is None else {**found, _HF_TOKEN: token}
