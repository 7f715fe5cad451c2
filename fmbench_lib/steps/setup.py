"""0_setup: make or open the run and look at everything that it will need."""

from __future__ import annotations

import os

import pandas as pd

from fmbench_lib.config import Experiment, resolve_file
from fmbench_lib.deploy import platform
from fmbench_lib.errors import DeployError, InputError
from fmbench_lib.load.levels import all_levels, searches_of
from fmbench_lib.load.targets import check_bundle
from fmbench_lib.load.trace import TraceEntry, read_trace
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
    trace, bundle = trace_of(run), ca_bundle(run)
    if trace is not None:
        found.append(("trace", f"{run.config.load.trace}: {len(trace)} requests"))
    if bundle is not None:
        check_bundle(bundle)
        found.append(("certificate authorities", bundle))
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
    """The levels that will be measured, one row each; of a search one row for all that it may measure."""
    load = run.config.load
    searches = [
        {
            "experiment_name": experiment.name,
            "payload_file": payload_file,
            "load": f"{load.find}, at most {load.find_levels} levels",
            "requests": load.requests,
            "duration": load.duration,
            "warmup_requests": load.warmup_requests,
        }
        for experiment, payload_file in searches_of(run.config)
    ]
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
        + searches
    )


def trace_of(run: Run) -> tuple[TraceEntry, ...] | None:
    """The requests of the config's trace, None where it has none; raises InputError where it cannot be used."""
    name = run.config.load.trace
    if name is None:
        return None
    return read_trace(resolve_file(name, config_folder=run.loaded.folder, kind="trace"))


def ca_bundle(run: Run) -> str | None:
    """The authorities that servers' certificates are checked against; None for the system's."""
    name = run.config.load.ca_bundle
    if name is None:
        return os.environ.get("SSL_CERT_FILE")
    return str(resolve_file(name, config_folder=run.loaded.folder, kind="bundle of certificate authorities"))


def price_file(run: Run) -> str:
    """Where the prices come from, as it is shown."""
    pricing = run.config.pricing
    if not isinstance(pricing, str):
        return "the config itself"
    return str(resolve_file(pricing, config_folder=run.loaded.folder, kind="price file"))
