"""What a platform is given to deploy an experiment of a run."""

from __future__ import annotations

import functools
import threading

from fmbench_lib.config import Experiment
from fmbench_lib.deploy import DeployContext
from fmbench_lib.deploy.endpoints_file import record
from fmbench_lib.errors import EndpointError
from fmbench_lib.load.probe import probe
from fmbench_lib.predictors.registry import predictor_for
from fmbench_lib.predictors.user_script import UserScriptPredictor
from fmbench_lib.runs.run import Run
from fmbench_lib.steps.endpoints.experiment_scripts import probe_script, script_of
from fmbench_lib.steps.run_inputs.inputs import ca_bundle, hf_token_of

_LONGEST_REASON = 600
_LEAST_PROBE_S = 60.0  # a server answers its first request slowly


def deployment_context(run: Run, experiment: Experiment, interrupted: threading.Event) -> DeployContext:
    """What a platform is given to deploy an experiment of a run; `interrupted` ends its waiting."""
    return DeployContext(
        run_id=run.workspace.run_id,
        log_folder=run.workspace.logs,
        folders=run.loaded.folders,
        record=functools.partial(record, run.workspace),
        say=lambda line: run.workspace.log_event("deployment", experiment=experiment.name, line=line),
        probe=functools.partial(_probe, run, experiment),
        pause=functools.partial(_pause, interrupted),
        hf_token=hf_token_of(run) if experiment.deploy else None,
        containers=run.workspace.containers(experiment.name),
    )


def _probe(run: Run, experiment: Experiment, url: str, model: str | None) -> None:
    predictor = predictor_for(experiment, url, model or experiment.model_id, run.loaded.folder)
    script = script_of(run, experiment, url)
    timeout = max(_LEAST_PROBE_S, experiment.inference_spec.timeout or run.config.load.timeout)
    try:
        if script is not None and isinstance(predictor, UserScriptPredictor):
            probe_script(script, predictor, timeout)
        else:
            probe(predictor, ca_bundle(run), timeout)
    except EndpointError as error:
        raise type(error)(run.redactor(str(error))[:_LONGEST_REASON]) from None


def _pause(interrupted: threading.Event, seconds: float) -> None:
    if interrupted.wait(seconds):
        raise KeyboardInterrupt
