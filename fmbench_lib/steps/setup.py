"""0_setup: make or open the run and look at everything that it will need."""

from __future__ import annotations

import pandas as pd

from fmbench_lib.config import Experiment, resolve_file
from fmbench_lib.deploy import platform
from fmbench_lib.errors import DeployError, InputError
from fmbench_lib.load.levels import all_levels
from fmbench_lib.predictors import predictor_for
from fmbench_lib.run import Run, create_run, open_run
from fmbench_lib.steps.prompts import earlier_prompts, sources, template_path, tokenizer_of
from fmbench_lib.steps.step import step


def start(config_file: str, run_dir: str = "") -> Run:
    """The run that the other notebooks go on with: the one in `run_dir`, or a new one when none is given."""
    return open_run(config_file, run_dir) if run_dir else create_run(config_file)


@step("0_setup")
def set_up(run: Run) -> pd.DataFrame:
    """Look at every file and service that the config names, before anything costs time or money.

    Returns a table of them. Raises an InputError that names the first one that cannot be used.
    """
    found = [("config", str(run.loaded.path))]
    if run.config.run_steps.get("1_generate_data", True):
        template = template_path(run)
        found.append(("prompt template", str(template)))
        found += [("source data", str(source.origin)) for source in sources(run)]
    else:
        found.append(("prompts", f"those of run {earlier_prompts(run).run_id}"))
    for experiment in run.config.experiments:
        found.append((f"tokenizer of {experiment.name}", tokenizer_of(run, experiment).name))
        check_service(experiment)
    found.append(("prices", price_file(run)))
    return pd.DataFrame(found, columns=["what", "which"])


def check_service(experiment: Experiment) -> None:
    """Raise InputError for a platform or a protocol that this version has not, or a key that is not there."""
    try:
        platform(experiment.platform)
    except DeployError as error:
        raise InputError(f"experiment {experiment.name}: {error}") from error
    predictor_for(experiment, experiment.ep_name or "http://localhost/v1/chat/completions", None)


def level_table(run: Run) -> pd.DataFrame:
    """The levels that will be measured, one row each."""
    return pd.DataFrame(
        [
            {
                "experiment_name": level.experiment.name,
                "payload_file": level.payload_file,
                "load": level.load,
                "requests": level.stop.requests,
                "duration": level.stop.duration,
                "warmup_requests": level.warmup,
            }
            for level in all_levels(run.config)
        ]
    )


def price_file(run: Run) -> str:
    """Where the prices come from, as it is shown."""
    pricing = run.config.pricing
    if not isinstance(pricing, str):
        return "the config itself"
    return str(resolve_file(pricing, config_folder=run.loaded.folder, kind="price file"))
