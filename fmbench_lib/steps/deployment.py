"""2_deploy_model: the endpoint of every experiment, deployed or taken as it is."""

from __future__ import annotations

import contextlib
import functools
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pandas as pd

from fmbench_lib.config import Experiment
from fmbench_lib.deploy import Endpoint, platform
from fmbench_lib.deploy.endpoints_file import endpoints, known_endpoints, record
from fmbench_lib.errors import explained
from fmbench_lib.runs.run import Run
from fmbench_lib.steps.endpoints.deployment_context import deployment_context
from fmbench_lib.steps.endpoints.experiment_scripts import with_files
from fmbench_lib.steps.endpoints.machine_sharing import in_the_way, waiting
from fmbench_lib.steps.run_inputs.levels import missing_levels
from fmbench_lib.steps.run_inputs.platform_of import service_of
from fmbench_lib.steps.step import step

_COLUMNS = ["experiment_name", "platform", "status", "addresses", "seconds_to_service", "error"]


@step("2_deploy_model")
def deploy_models(run: Run) -> pd.DataFrame:
    """Deploy every experiment that has levels left to measure; returns a table of endpoints.

    An experiment that cannot be deployed is reported with its reason; the others go on. One that needs a port or
    devices of this machine that another uses waits until that one is measured.
    """
    deploy_missing(run)
    return endpoint_table(run)


def deploy_missing(run: Run) -> None:
    """Do what `deploy_models` does, without being a step: with `2_deploy_model: no` endpoints are taken as they are."""
    missing = {level.experiment.name for level in missing_levels(run)}
    later = waiting(run.config, missing)
    for name, reason in later.items():
        run.workspace.log_event("deployment", experiment=name, line=reason)
    wanted = [experiment for experiment in run.config.experiments if experiment.name in missing - later.keys()]
    interrupted = threading.Event()
    pool = ThreadPoolExecutor(max(len(wanted), 1))
    try:
        for _ in pool.map(functools.partial(_deploy_or_record_failure, run, interrupted), wanted):
            pass
    except BaseException:
        interrupted.set()  # a deployment that waits for minutes stays as it is recorded, for the cleanup
        raise
    finally:
        pool.shutdown()


def deploy_in_turn(run: Run, experiment: Experiment) -> Endpoint | None:
    """Deploy an experiment that had to wait for others; its endpoint, which may record a failure."""
    _deploy_or_record_failure(run, threading.Event(), experiment)
    return endpoints(run.workspace).get(experiment.name)


def steps_left(run: Run) -> list[str]:
    """The steps that an unfinished run goes on with: the first one that is not done, and those that follow from it.

    Setup and prompts are done once. An endpoint that no longer answers is deployed again where levels are missing.
    """
    states = run.workspace.read_run()["steps"]
    done = {name for name, state in states.items() if state["status"] == "done"} & {"0_setup", "1_generate_data"}
    missing = missing_levels(run)
    serving = {name for name, endpoint in endpoints(run.workspace).items() if _serves(endpoint)}
    if {level.experiment.name for level in missing} <= serving:
        done.add("2_deploy_model")
    if not missing:
        done.add("3_run_inference")
    return [step for step in run.config.run_steps if step not in done]


def endpoint_table(run: Run) -> pd.DataFrame:
    """One row per endpoint: its addresses, how long it took to deploy (s), or why it is not in service."""
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
    platforms = {experiment.name: experiment.platform for experiment in run.config.experiments}
    rows += [
        {"experiment_name": name, "platform": platforms[name], "status": reason}
        for name, reason in later.items()
        if name not in known or known[name].status == "deleted"
    ]
    return pd.DataFrame(rows, columns=_COLUMNS)


def _deploy_or_record_failure(run: Run, interrupted: threading.Event, experiment: Experiment) -> None:
    try:
        _deploy(run, experiment, interrupted)
    except Exception as error:  # noqa: BLE001 - whatever breaks down in one deployment must not cost the others
        endpoint = known_endpoints(run.workspace).get(experiment.name) or Endpoint(
            experiment.name, experiment.platform, urls=(), owned=False, status="failed"
        )
        if endpoint.owned and endpoint.deleted_at is None:
            with contextlib.suppress(Exception):  # the cleanup step tries again, and reports where it cannot
                endpoint = platform(endpoint.platform).delete(endpoint)
        record(run.workspace, replace(endpoint, status="failed", error=explained(error)))
        run.workspace.log_event("deployment failed", experiment=experiment.name, error=explained(error))


def _deploy(run: Run, experiment: Experiment, interrupted: threading.Event) -> None:
    """Deploy an experiment, unless its endpoint serves already; what is in its way is deleted first."""
    service, experiment = service_of(run.config, experiment, run.loaded.folders)
    known = endpoints(run.workspace).get(experiment.name)
    if known is not None and _serves(known):
        return
    if known is not None and known.owned and known.deleted_at is None:
        known = platform(known.platform).delete(known)  # what a killed run left half deployed
        record(run.workspace, known)
        known = endpoints(run.workspace).get(experiment.name)  # with the moment by the clock of the boot
    for other in in_the_way(run.config, experiment, list(endpoints(run.workspace).values())):
        line = f"{other.experiment_name} is deleted: {experiment.name} needs its port or devices"
        run.workspace.log_event("deployment", experiment=experiment.name, line=line)
        record(run.workspace, platform(other.platform).delete(other))
    deployed = service.deploy(with_files(run, experiment), deployment_context(run, experiment, interrupted))
    record(run.workspace, replace(deployed, served_before=_seconds_served(known)))


def _serves(endpoint: Endpoint) -> bool:
    if endpoint.status != "in_service":
        return False
    try:
        return platform(endpoint.platform).why_dead(endpoint) == ""
    except Exception:  # noqa: BLE001 - what cannot be asked is deployed again, which says why where it fails
        return False


def _seconds_served(earlier: Endpoint | None) -> float:
    """How long the endpoints that the run deployed earlier for the same experiment were in service."""
    if earlier is None or not earlier.owned:
        return 0.0
    return earlier.served_before + (earlier.seconds_in_service or 0.0)


def _difference(later: float | None, earlier: float | None) -> float | None:
    return None if later is None or earlier is None else later - earlier
