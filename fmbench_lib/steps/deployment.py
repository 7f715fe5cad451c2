"""2_deploy_model: every experiment brought to where it answers."""

from __future__ import annotations

import contextlib
import functools
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pandas as pd

from fmbench_lib.config import Experiment
from fmbench_lib.config.redaction import REMOVED
from fmbench_lib.deploy import DeployContext, Endpoint, platform
from fmbench_lib.deploy.endpoints_file import endpoints, record
from fmbench_lib.deploy.existing.platform import addresses_named
from fmbench_lib.deploy.probe import probe
from fmbench_lib.errors import FmbenchError
from fmbench_lib.predictors.registry import predictor_for
from fmbench_lib.predictors.user_script import UserScriptPredictor
from fmbench_lib.runs.run import Run
from fmbench_lib.steps.experiment_scripts import probe_script, script_of, with_files
from fmbench_lib.steps.inputs import ca_bundle, hf_token_of
from fmbench_lib.steps.levels import missing_levels
from fmbench_lib.steps.machine_sharing import in_the_way, waiting
from fmbench_lib.steps.platform_of import service_of
from fmbench_lib.steps.step import step


@step("2_deploy_model")
def deploy_models(run: Run) -> pd.DataFrame:
    """Bring every experiment that has levels left to measure to where it answers.

    One that cannot be deployed is reported with its reason; the others go on. One that needs a port or devices of this
    machine that another has waits until that is measured. Returns a table of endpoints.
    """
    bring_into_service(run)
    return endpoint_table(run)


def bring_into_service(run: Run) -> None:
    """The same, without being a step; with `2_deploy_model: no` every experiment answers at its `ep_name` already."""
    missing = {level.experiment.name for level in missing_levels(run)}
    later = waiting(run.config, missing)
    for name, reason in later.items():
        run.workspace.log_event("deployment", experiment=name, line=reason)
    wanted = [one for one in run.config.experiments if one.name in missing - later.keys()]
    interrupted = threading.Event()
    pool = ThreadPoolExecutor(max(len(wanted), 1))
    try:
        for _ in pool.map(functools.partial(_deploy, run, interrupted), wanted):
            pass
    except BaseException:
        interrupted.set()  # a deployment that waits for minutes is left as it is recorded, for the cleanup
        raise
    finally:
        pool.shutdown()


def deploy_in_turn(run: Run, experiment: Experiment) -> Endpoint | None:
    """Deploy an experiment whose turn has come; its endpoint, of which a failure is recorded."""
    _deploy(run, threading.Event(), experiment)
    return endpoints(run.workspace).get(experiment.name)


def _pause(interrupted: threading.Event, seconds: float) -> None:
    if interrupted.wait(seconds):
        raise KeyboardInterrupt


def _seconds_served(earlier: Endpoint | None) -> float:
    """How long the endpoints that a run had deployed before, for the same experiment, were in service."""
    if earlier is None or not earlier.owned:
        return 0.0
    return earlier.served_before + (_difference(earlier.deleted_at, earlier.in_service_at) or 0.0)


def steps_left(run: Run) -> list[str]:
    """The steps that an unfinished run goes on with: the first thing not done, and what follows from it.

    Setup and prompts are done once. An endpoint that no longer answers is deployed again where levels are missing.
    """
    states = run.workspace.read_run()["steps"]
    done = {name for name, state in states.items() if state["status"] == "done"} & {"0_setup", "1_generate_data"}
    missing = missing_levels(run)
    known = endpoints(run.workspace)
    standing = {name for name, one in known.items() if one.status == "in_service" and platform(one.platform).alive(one)}
    if {level.experiment.name for level in missing} <= standing:
        done.add("2_deploy_model")
    if not missing:
        done.add("3_run_inference")
    return [step for step in run.config.run_steps if step not in done]


def _deploy(run: Run, interrupted: threading.Event, experiment: Experiment) -> None:
    try:
        _bring_into_service(run, experiment, interrupted)
    except FmbenchError as error:
        made = endpoints(run.workspace).get(experiment.name) or Endpoint(
            experiment.name, experiment.platform, urls=(), owned=False, status="failed"
        )
        if made.owned and made.deleted_at is None:
            with contextlib.suppress(FmbenchError):  # the cleanup step tries again, and says so if it cannot
                made = platform(made.platform).delete(made)
        record(run.workspace, replace(made, status="failed", error=str(error)))
        run.workspace.log_event("deployment failed", experiment=experiment.name, error=str(error))


def _bring_into_service(run: Run, experiment: Experiment, interrupted: threading.Event) -> None:
    service, experiment = service_of(run.config, experiment, run.loaded.folder)
    known = endpoints(run.workspace).get(experiment.name)
    if known is not None and known.status == "in_service" and platform(known.platform).alive(known):
        return
    if known is not None and known.owned and known.deleted_at is None:
        known = platform(known.platform).delete(known)  # what a killed run left half made
        record(run.workspace, known)
    for other in in_the_way(run.config, experiment, list(endpoints(run.workspace).values())):
        line = f"{other.experiment_name} is taken down: {experiment.name} needs what it has"
        run.workspace.log_event("deployment", experiment=experiment.name, line=line)
        record(run.workspace, platform(other.platform).delete(other))
    context = DeployContext(
        run_id=run.workspace.run_id,
        log_folder=run.workspace.logs,
        folders=(run.loaded.folder, Path.cwd()),
        record=functools.partial(record, run.workspace),
        say=lambda line: run.workspace.log_event("deployment", experiment=experiment.name, line=line),
        probe=functools.partial(_probe, run, experiment),
        pause=functools.partial(_pause, interrupted),
        hf_token=hf_token_of(run) if experiment.deploy else None,
        containers=run.workspace.containers(experiment.name),
    )
    served = service.deploy(with_files(run, experiment), context)
    record(run.workspace, replace(served, served_before=_seconds_served(known)))


def _probe(run: Run, experiment: Experiment, url: str, model: str | None) -> None:
    predictor = predictor_for(experiment, url, model or experiment.model_id, run.loaded.folder)
    script = script_of(run, experiment, url)
    if script is not None and isinstance(predictor, UserScriptPredictor):
        probe_script(script, predictor)
    else:
        probe(predictor, ca_bundle(run))


def addresses_of(endpoint: Endpoint, experiment: Experiment) -> tuple[str, ...]:
    """Where an endpoint answers; from the config where the address holds a secret, which a run does not keep."""
    if any(REMOVED in url for url in endpoint.urls):
        return addresses_named(experiment)
    return endpoint.urls


def endpoint_table(run: Run) -> pd.DataFrame:
    """One row per endpoint: where it answers, since when, or why not."""
    known = endpoints(run.workspace)
    rows: list[dict[str, object]] = [
        {
            "experiment_name": endpoint.experiment_name,
            "platform": endpoint.platform,
            "status": endpoint.status,
            "addresses": ", ".join(endpoint.urls),
            "seconds_to_service": _difference(endpoint.in_service_at, endpoint.created_at),
            "error": endpoint.error,
        }
        for endpoint in known.values()
    ]
    later = waiting(run.config, {level.experiment.name for level in missing_levels(run)})
    rows += [
        {"experiment_name": name, "platform": _platform_of(run, name), "status": reason}
        for name, reason in later.items()
        if name not in known or known[name].status == "deleted"
    ]
    return pd.DataFrame(
        rows, columns=["experiment_name", "platform", "status", "addresses", "seconds_to_service", "error"]
    )


def _platform_of(run: Run, name: str) -> str:
    return next(one.platform for one in run.config.experiments if one.name == name)


def _difference(later: float | None, earlier: float | None) -> float | None:
    return None if later is None or earlier is None else later - earlier
