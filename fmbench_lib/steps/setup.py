"""0_setup: make or open the run, and check everything that it will need."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping

import pandas as pd

from fmbench_lib.calibration.result_file import reference
from fmbench_lib.config import Experiment
from fmbench_lib.config.platforms import platform_facts
from fmbench_lib.config.reading.argument_names import check_arguments
from fmbench_lib.config.shipped.files import find_config
from fmbench_lib.errors import DeployError, FmbenchError, InputError, WorkerError, explained
from fmbench_lib.load.levels.specs import all_levels, search_warmup, searches_of
from fmbench_lib.load.sending.engine import worker_count
from fmbench_lib.load.sending.layout import addresses, check_request
from fmbench_lib.load.sending.socket_limit import check_sockets
from fmbench_lib.load.sending.targets import check_bundle
from fmbench_lib.predictors.registry import predictor_for
from fmbench_lib.runs.config_arguments import named_arguments
from fmbench_lib.runs.opening import create_run, open_run
from fmbench_lib.runs.run import Run
from fmbench_lib.steps.data_generation import prepare_prompts
from fmbench_lib.steps.judging.evaluation_plan import check_evaluation
from fmbench_lib.steps.measuring.level_executor import check_cluster
from fmbench_lib.steps.prompts.prompt_template import template_path
from fmbench_lib.steps.run_inputs.inputs import (
    buckets,
    ca_bundle,
    price_file,
    script_fetcher,
    sources,
    trace_of,
)
from fmbench_lib.steps.run_inputs.payloads import earlier_prompts, needs_prompts
from fmbench_lib.steps.run_inputs.platform_of import service_of
from fmbench_lib.steps.run_inputs.run_prices import load_prices, look_up_prices
from fmbench_lib.steps.run_inputs.tokenizers_of_run import choose_tokenizer, tokenizer_of
from fmbench_lib.steps.step import step
from fmbench_lib.storage.fetch import local_config
from fmbench_lib.storage.run_inputs import forget_inputs
from fmbench_lib.user_scripts.script_files import deployment_file, inference_file

_ANY_ADDRESS = "http://localhost/v1/chat/completions"


def start(config_file: str, run_dir: str = "", arguments: Mapping[str, object] | None = None) -> Run:
    """The run that the other notebooks continue: the one in `run_dir`, or a new one where that is empty.

    `arguments` are what `-A` and `--set` give on the command line: `{"region": "eu-west-1", "load.requests": 20}`.
    Raises InputError where the run or its config cannot be opened.
    """
    if run_dir:
        return resume(config_file, run_dir, arguments)
    return create_run(config_file, arguments=named_arguments(arguments or {}))


def resume(config_file: str, run_dir: str = "", arguments: Mapping[str, object] | None = None) -> Run:
    """An existing run: the one in `run_dir`, else the newest unfinished one of the config, else its newest one.

    It goes on with the arguments that it was started with; only secrets, which it does not record, are given again.
    Raises InputError where there is none.
    """
    given = named_arguments(arguments or {})
    check_arguments(find_config(local_config(config_file)), given)
    return open_run(config_file, run_dir, given)


@step("0_setup")
def set_up(run: Run) -> pd.DataFrame:
    """Check every file and service that the config names, before anything costs time or money.

    Returns a table of them. Raises InputError for the first one that cannot be used.
    """
    forget_inputs(run.workspace)
    checked = [("config", str(run.loaded.path))]
    checked += [(f"{{{name}}}", value) for name, value in run.workspace.read_run().get("standard", {}).items()]
    if not needs_prompts(run.config):
        checked.append(("prompts", "none: nothing is measured"))
    elif not run.config.run_steps.get("1_generate_data", True):
        checked.append(("prompts", f"those of run {earlier_prompts(run).run_id}"))
        prepare_prompts(run)
    elif synthetic := run.config.datasets.synthetic:
        checked += [("prompts", f"made, {entry.input_tokens} tokens: {entry.payload_file}") for entry in synthetic]
    else:
        template = template_path(run)
        checked.append(("prompt template", str(template or run.config.datasets.prompt_template or "the rows' text")))
        checked += [("source data", str(source.origin)) for source in sources(run)]
    for experiment in run.config.experiments:
        chosen = choose_tokenizer(run, experiment)
        checked.append((f"tokenizer of {experiment.name}", chosen.notice or chosen.tokenizer.name))
        check_deployment(run, experiment)
        check_service(run, experiment)
        checked += script_files(run, experiment)
    _check_sockets(run)
    trace, bundle = trace_of(run), ca_bundle(run)
    if trace is not None:
        checked.append(("trace", f"{run.config.load.trace}: {len(trace)} requests"))
    if bundle is not None:
        check_bundle(bundle)
        checked.append(("certificate authorities", bundle))
    checked += check_cluster(run.config)
    checked += check_evaluation(run)
    checked += _prices(run)
    checked += list(buckets(run).items())
    run.workspace.update_run(calibration=reference())
    return pd.DataFrame(checked, columns=["what", "which"])


def _check_sockets(run: Run) -> None:
    """Raise InputError where no load worker of this machine could open as many sockets as a level needs."""
    asked = run.config.load.workers
    workers = asked if isinstance(asked, int) else None
    for level in all_levels(run.config):
        try:
            check_sockets(level.concurrency, worker_count(workers, level.concurrency))
        except WorkerError as error:
            raise InputError(f"{level.experiment.name} at {level.load}: {error}") from error


def _prices(run: Run) -> list[tuple[str, str]]:
    """Where the prices come from, and which are still missing after the lookup."""
    rows = [("prices", price_file(run))]
    look_up_prices(run)
    prices = load_prices(run)
    types = dict.fromkeys(experiment.instance_type for experiment in run.config.experiments)
    missing = [name for name in types if prices.lookup(name) is None]
    return rows + [(f"price of {name or 'no instance_type'}", prices.why_none(name)) for name in missing]


def check_deployment(run: Run, experiment: Experiment) -> None:
    """Raise InputError where the experiment cannot be deployed, or its endpoint not be used, as configured."""
    try:
        service, resolved = service_of(run.config, experiment, run.loaded.folders)
        service.plan(resolved)
    except DeployError as error:
        raise InputError(f"experiment {experiment.name}: {error}") from error


def check_service(run: Run, experiment: Experiment) -> None:
    """Raise InputError for an unknown protocol, and for an API key, address or proxy that cannot be used."""
    url = experiment.ep_name or _ANY_ADDRESS
    deployed = experiment.deploy and run.config.run_steps.get("2_deploy_model", True)
    may_be_a_name = deployed or platform_facts(experiment.platform).names_endpoints
    if may_be_a_name and not url.startswith(("http://", "https://")):
        url = _ANY_ADDRESS
    addresses([part.strip() for part in url.split(",") if part.strip()] if experiment.ep_name else [url])
    try:
        check_request(predictor_for(experiment, url.split(",")[0].strip(), None, run.loaded.folder).encode("Hello."))
    except FmbenchError:
        raise
    except Exception as error:
        raise InputError(f"experiment {experiment.name}: its requests cannot be made: {explained(error)}") from error


def script_files(run: Run, experiment: Experiment) -> list[tuple[str, str]]:
    """The user scripts that an experiment runs, with what each is for. Raises InputError for one that cannot be run."""
    folders, fetcher = run.loaded.folders, script_fetcher(run)
    files = {
        "deployment script": deployment_file(run.config, experiment, folders, fetcher),
        "inference script": inference_file(run.config, experiment, folders, fetcher),
    }
    if run.config.load.executor != "local" and files["inference script"] is not None:
        raise InputError(
            f"experiment {experiment.name}: load.executor: ray cannot call its inference script; write executor: local"
        )
    return [(f"{what} of {experiment.name}", str(path)) for what, path in files.items() if path is not None]


def level_table(run: Run) -> pd.DataFrame:
    """The levels that will be measured, a row each; a search has one row for all its levels."""
    load = run.config.load
    searches = [
        {
            "experiment_name": experiment.name,
            "payload_file": payload_file,
            "load": f"{load.find}, at most {load.find_levels} levels",
            "requests": load.requests,
            "duration": load.duration,
            "warmup_requests": search_warmup(run.config),
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


def fetch_inputs(run: Run) -> None:
    """Fetch what the steps after setup read from buckets, so that a resumed run no longer depends on them.

    Files that were fetched before are not fetched again; a missing one is reported by the step that needs it.
    """
    with contextlib.suppress(InputError):
        load_prices(run)
        trace_of(run)
        ca_bundle(run)
        for experiment in run.config.experiments:
            tokenizer_of(run, experiment)
            script_files(run, experiment)
