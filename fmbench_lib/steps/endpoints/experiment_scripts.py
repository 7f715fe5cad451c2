"""User scripts in a run: where they are, whether they answer, and the levels that are measured through them."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

from fmbench_lib.config import Experiment
from fmbench_lib.config.schema.load_section import LoadSection, load_settings
from fmbench_lib.config.schema.stop_rule import StopRule
from fmbench_lib.errors import EndpointError, WorkerError
from fmbench_lib.load.recording.recorder import Recorder, SentPrompt
from fmbench_lib.load.sending.engine import run_level
from fmbench_lib.load.sending.level import Level
from fmbench_lib.load.sending.script_call import CREATION_TIMEOUT, UserScript
from fmbench_lib.predictors.user_script import NOWHERE, UserScriptPredictor
from fmbench_lib.runs.run import Run
from fmbench_lib.steps.run_inputs.inputs import script_fetcher
from fmbench_lib.user_scripts.experiment_keys import experiment_config, inference_spec
from fmbench_lib.user_scripts.script_files import deployment_file, inference_file
from fmbench_lib.workspace import LevelKey

_PROMPT = "Say hello."
_INVOCATIONS = re.compile(r"https?://[^/]+/endpoints/([^/]+)/invocations")


def with_files(run: Run, experiment: Experiment) -> Experiment:
    """The experiment with its deployment script as a path, if it has one. Raises InputError if it is missing."""
    path = deployment_file(run.config, experiment, run.loaded.folders, script_fetcher(run))
    return experiment if path is None else experiment.model_copy(update={"deployment_script": str(path)})


def script_of(run: Run, experiment: Experiment, url: str) -> UserScript | None:
    """The script that sends an experiment's requests to an endpoint; None where fmbench sends them itself."""
    path = inference_file(run.config, experiment, run.loaded.folders, script_fetcher(run))
    if path is None:
        return None
    invocations = _INVOCATIONS.fullmatch(url)  # scripts know a SageMaker endpoint by its name
    endpoint = invocations[1] if invocations else url
    patience = max(CREATION_TIMEOUT, experiment.inference_spec.model_loading_timeout or 0)
    return UserScript(str(path), endpoint, inference_spec(experiment), experiment_config(experiment), patience)


def probe_script(script: UserScript, predictor: UserScriptPredictor, timeout: float) -> None:
    """Send one prompt through the script as a level does. Raises EndpointError with the script's message, also where it
    has not answered after `timeout` (s)."""
    load = load_settings(LoadSection(timeout=timeout, workers=1))
    level = Level((NOWHERE,), (), (0,), "probe", load, StopRule(requests=1), concurrency=1, script=script)
    key = LevelKey(script.endpoint, "", "probe")
    recorder = Recorder(predictor, [SentPrompt("probe", None)], (script.endpoint,), key, None)
    with tempfile.TemporaryDirectory() as folder:
        try:
            (record,) = recorder.rows(run_level(level, [predictor.encode(_PROMPT)], Path(folder)))
        except WorkerError as error:
            raise EndpointError(str(error)) from error
    if record["error"] is not None:
        raise EndpointError(f"{script.path}: {record['error_message']} ({record['error']})")
