"""0_setup: make or open the run and look at everything that it will need."""

from __future__ import annotations

import contextlib

import pandas as pd

from fmbench_lib.calibration.result_file import reference
from fmbench_lib.config import Experiment
from fmbench_lib.config.platforms import platform_facts
from fmbench_lib.errors import DeployError, InputError
from fmbench_lib.load.levels.specs import all_levels, searches_of
from fmbench_lib.load.sending.layout import addresses
from fmbench_lib.load.sending.targets import check_bundle
from fmbench_lib.predictors.registry import predictor_for
from fmbench_lib.runs.opening import create_run, open_run
from fmbench_lib.runs.run import Run
from fmbench_lib.steps.inputs import (
    buckets,
    ca_bundle,
    price_file,
    script_fetcher,
    sources,
    template_path,
    tokenizer_of,
    trace_of,
)
from fmbench_lib.steps.payloads import earlier_prompts
from fmbench_lib.steps.platform_of import service_of
from fmbench_lib.steps.run_prices import load_prices, look_up_prices
from fmbench_lib.steps.step import step
from fmbench_lib.storage.run_inputs import forget_inputs
from fmbench_lib.user_scripts.script_files import deployment_file, inference_file

_ANY_ADDRESS = "http://localhost/v1/chat/completions"


def start(config_file: str, run_dir: str = "") -> Run:
    """The run that the other notebooks go on with: the one in `run_dir`, or a new one when none is given."""
    return open_run(config_file, run_dir) if run_dir else create_run(config_file)


@step("0_setup")
def set_up(run: Run) -> pd.DataFrame:
    """Look at every file and service that the config names, before anything costs time or money.

    Returns a table of them. Raises an InputError that names the first one that cannot be used.
    """
    forget_inputs(run.workspace)
    found = [("config", str(run.loaded.path))]
    found += [(f"{{{name}}}", value) for name, value in run.workspace.read_run().get("standard", {}).items()]
    if run.config.run_steps.get("1_generate_data", True):
        template = template_path(run)
        found.append(("prompt template", str(template)))
        found += [("source data", str(source.origin)) for source in sources(run)]
    else:
        found.append(("prompts", f"those of run {earlier_prompts(run).run_id}"))
    for experiment in run.config.experiments:
        found.append((f"tokenizer of {experiment.name}", tokenizer_of(run, experiment).name))
        check_deployment(run, experiment)
        check_service(run, experiment)
        found += script_files(run, experiment)
    trace, bundle = trace_of(run), ca_bundle(run)
    if trace is not None:
        found.append(("trace", f"{run.config.load.trace}: {len(trace)} requests"))
    if bundle is not None:
        check_bundle(bundle)
        found.append(("certificate authorities", bundle))
    found += _prices(run)
    found += list(buckets(run).items())
    run.workspace.update_run(calibration=reference())
    return pd.DataFrame(found, columns=["what", "which"])


def _prices(run: Run) -> list[tuple[str, str]]:
    """Where the prices come from, and which there are none of, after those that may be looked up have been."""
    found = [("prices", price_file(run))]
    look_up_prices(run)
    prices = load_prices(run)
    kinds = dict.fromkeys(one.instance_type for one in run.config.experiments)
    missing = [kind for kind in kinds if prices.lookup(kind) is None]
    return found + [(f"price of {kind or 'no instance_type'}", prices.why_none(kind)) for kind in missing]


def check_deployment(run: Run, experiment: Experiment) -> None:
    """Raise InputError for a platform that this version has not, and for what a deployment lacks."""
    try:
        service, wanted = service_of(run.config, experiment, run.loaded.folder)
        service.plan(wanted)
    except DeployError as error:
        raise InputError(f"experiment {experiment.name}: {error}") from error


def check_service(run: Run, experiment: Experiment) -> None:
    """Raise InputError for a protocol that this version does not speak, and a key, address or proxy of no use."""
    url = experiment.ep_name or _ANY_ADDRESS
    if platform_facts(experiment.platform).names_endpoints and not url.startswith(("http://", "https://")):
        url = _ANY_ADDRESS
    predictor_for(experiment, url, None, run.loaded.folder)
    addresses([url])


def script_files(run: Run, experiment: Experiment) -> list[tuple[str, str]]:
    """The scripts of the user's own that an experiment runs; raises InputError for one that cannot be run."""
    files = {
        "deployment script": deployment_file(run.config, experiment, run.loaded.folder, script_fetcher(run)),
        "inference script": inference_file(run.config, experiment, run.loaded.folder, script_fetcher(run)),
    }
    return [(f"{what} of {experiment.name}", str(path)) for what, path in files.items() if path is not None]


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


def gather(run: Run) -> None:
    """Fetch what the steps after setup read from buckets; what is here already is left, what is missing is said later.

    A run that goes on where it was not set up would else depend on its buckets until its end.
    """
    with contextlib.suppress(InputError):
        load_prices(run)
        trace_of(run)
        ca_bundle(run)
        for experiment in run.config.experiments:
            tokenizer_of(run, experiment)
            script_files(run, experiment)
