"""Platform `user_script`: endpoints that a user script deploys, or that only such a script can talk to.

The script's `deploy(experiment_config, role_arn)` runs in a process of its own and returns the endpoint's name. Its
`delete(endpoint_name)`, where it has one, deletes the endpoint.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NotRequired, TypedDict, cast

from fmbench_lib.config import Experiment
from fmbench_lib.config.platforms import ENDPOINT, USER_SCRIPT, platform_of_scripts, protocol_facts
from fmbench_lib.config.secret_forms import without_secrets
from fmbench_lib.deploy.making import Making, begin, check_answers
from fmbench_lib.deploy.platform import DeployContext, Endpoint, platform_of_existing
from fmbench_lib.deploy.user_script.deploy_program import CALL_VARIABLE, Outcome
from fmbench_lib.errors import DeployError
from fmbench_lib.host import process
from fmbench_lib.host.atomic_files import read_json
from fmbench_lib.host.process import ProcessMark
from fmbench_lib.user_scripts.experiment_keys import experiment_config, known_keys
from fmbench_lib.user_scripts.script_files import holds
from fmbench_lib.workspace import path_part

_POLL_S = 0.05
_LONGEST_ERROR = 1000
_DEPLOY_S = 3600.0
_DELETE_S = 900.0


class ScriptRun(TypedDict):
    """What is recorded of a deployment script's process; `result` is the file that its result is written to.

    `endpoint_name` is what the script has returned, for when the file is gone.
    """

    pid: int
    started: float
    booted: float
    script: str
    result: str
    endpoint_name: NotRequired[str]


class UserScriptPlatform:
    """Runs deployment scripts, and takes what an inference script talks to as it is."""

    def plan(self, experiment: Experiment) -> str:
        """Which script would be run, or which endpoint is used."""
        if _deploys(experiment):
            return f"runs deploy() of {experiment.deployment_script}"
        name = _given_name(experiment) or "without a name"
        return f"an endpoint that exists, by {experiment.inference_script or experiment.protocol}: {name}"

    def deploy(self, experiment: Experiment, context: DeployContext) -> Endpoint:
        """The endpoint, having answered a real request. A `deployment_script` is the path of a file here.

        Raises DeployError with the script's error, or where the endpoint does not answer.
        """
        if not _deploys(experiment):
            endpoint = Endpoint(experiment.name, USER_SCRIPT, created_at=time.time(), model=experiment.model_id)
            making = Making(endpoint, context)
            return making.in_service(urls=_answering(_given_name(experiment), experiment, context))
        making = _started(experiment, context)
        with making.or_give_up():  # the steps call the script's delete
            name = _endpoint_name(making.endpoint, experiment.inference_spec.model_loading_timeout or _DEPLOY_S)
            context.say(f"{experiment.deployment_script} has deployed {name}")
            resource = {**_run_of(making.endpoint), "endpoint_name": name}
            making.in_service(urls=_answering(name, experiment, context), resources=(resource,))
        return making.endpoint

    def why_dead(self, endpoint: Endpoint) -> str:
        """That it was deleted; empty otherwise: more only its script could tell."""
        return "" if endpoint.deleted_at is None else "it was deleted"

    def delete(self, endpoint: Endpoint) -> Endpoint:
        """End a script that still deploys, and call the script's `delete`. Raises DeployError where it has none."""
        if endpoint.deleted_at is not None or not endpoint.owned:
            return endpoint
        run = _run_of(endpoint)
        process.stop(_mark(run))
        result = Path(run["result"])
        name = run.get("endpoint_name")
        if name is None and not result.exists():
            raise DeployError(f"{run['script']} was ended while it deployed: check what it had created by then")
        name = name or read_json(result).get("endpoint_name")
        if name is not None:
            _delete_by_script(run["script"], name, result)
        return replace(endpoint, status="deleted", deleted_at=time.time())


PLATFORM = UserScriptPlatform()


def _deploys(experiment: Experiment) -> bool:
    return experiment.deploy and experiment.deployment_script is not None


def _given_name(experiment: Experiment) -> str:
    return experiment.ep_name or experiment.model_id or ""


def _started(experiment: Experiment, context: DeployContext) -> Making:
    """Start the script in its process, recorded before it does anything."""
    script = str(experiment.deployment_script)
    log_file = (context.log_folder / f"{path_part(experiment.name)}-deploy.log").resolve()
    result = log_file.with_suffix(".json")
    result.unlink(missing_ok=True)
    call = {
        "function": "deploy",
        "script": script,
        "experiment": experiment_config(experiment),
        "known": known_keys(),
        "role_arn": experiment.sagemaker_execution_role,
    }
    mark = _start(call, result, log_file)
    run = ScriptRun(pid=mark.pid, started=mark.started, booted=mark.booted, script=script, result=str(result))
    endpoint = Endpoint(
        experiment_name=experiment.name,
        platform=USER_SCRIPT,
        owned=True,
        resources=(run,),
        created_at=time.time(),
        log_files=(str(log_file),),
        model=experiment.model_id,
    )
    try:
        making = begin(endpoint, context)
    except BaseException:
        process.stop(mark)
        raise
    process.release(mark)
    return making


def _start(call: Mapping[str, Any], result: Path, log_file: Path) -> ProcessMark:
    paths = os.pathsep.join(str(Path(path).absolute()) for path in sys.path if path)
    environment = {**os.environ, "PYTHONPATH": paths, "PYTHONUNBUFFERED": "1", CALL_VARIABLE: json.dumps(call)}
    command = [sys.executable, "-P", "-m", "fmbench_lib.deploy.user_script.deploy_program", str(result)]
    return process.start_held(command, log_file=log_file, env=environment)


def _run_of(endpoint: Endpoint) -> ScriptRun:
    (run,) = endpoint.resources
    return cast(ScriptRun, run)


def _endpoint_name(endpoint: Endpoint, patience: float) -> str:
    """The name that the script returns, once it has."""
    run = _run_of(endpoint)
    call = f"deploy() of {run['script']}"
    outcome = _outcome(_mark(run), call, Path(run["result"]), Path(endpoint.log_files[0]), patience)
    return str(outcome["endpoint_name"])


def _outcome(mark: ProcessMark, call: str, result: Path, log_file: Path, patience: float) -> Outcome:
    """What the script's process has written, once it has ended; raises DeployError with its error.

    A call that takes longer than `patience` (s) is ended, with all that it has started.
    """
    script = call.partition(" of ")[2]
    deadline = time.monotonic() + patience
    while process.running(mark):
        if time.monotonic() > deadline:
            process.stop(mark)
            raise DeployError(
                f"{call} did not return within {patience:g} s and was ended; its log ends: {process.tail(log_file)}"
            )
        time.sleep(_POLL_S)
    if log_file.exists():
        text = log_file.read_text(encoding="utf-8", errors="replace")
        log_file.write_text(without_secrets(text), encoding="utf-8")
    if not result.exists():
        raise DeployError(f"{script} {process.ending(mark)}; its log ends: {process.tail(log_file)}")
    outcome = cast(Outcome, read_json(result))
    if "error" in outcome:
        raise DeployError(f"{script}: {without_secrets(outcome['error'])[:_LONGEST_ERROR]}; its log is {log_file}")
    return outcome


def _answering(name: str, experiment: Experiment, context: DeployContext) -> tuple[str, ...]:
    """The addresses of an endpoint that answers: its name, or what the platform of the inference script knows it by."""
    if protocol_facts(experiment.protocol).by_script:
        check_answers(context, name, experiment.model_id)
        return (name,)
    existing = experiment.model_copy(update={"ep_name": name, "deploy": False})
    service = platform_of_existing(platform_of_scripts(None, experiment.inference_script) or ENDPOINT)
    return service.deploy(existing, replace(context, record=lambda _: None)).urls


def _delete_by_script(script: str, name: str, deployed: Path) -> None:
    if not holds(Path(script), "delete"):
        raise DeployError(f"{script} has no function delete(endpoint_name): delete {name} yourself")
    if not deployed.parent.is_dir():  # the run's directory is gone, and is not to be made again
        deployed = Path(tempfile.mkdtemp(prefix="fmbench-")) / deployed.name
    result, log_file = deployed.with_suffix(".deleted.json"), deployed.with_suffix(".deleted.log")
    result.unlink(missing_ok=True)
    mark = _start({"function": "delete", "script": script, "endpoint_name": name}, result, log_file)
    process.release(mark)
    _outcome(mark, f"delete() of {script}", result, log_file, _DELETE_S)


def _mark(run: ScriptRun) -> ProcessMark:
    return ProcessMark(int(run["pid"]), float(run["started"]), float(run["booted"]))
