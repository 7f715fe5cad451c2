"""Platform `user_script`: endpoints that a script of the user's own deploys, or that only such a script can talk to.

The script's `deploy(experiment_config, role_arn)` runs in a process of its own and returns the endpoint's name. Its
`delete(endpoint_name)`, where it has one, takes it down again.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

from fmbench_lib.atomic_files import read_json
from fmbench_lib.config import Experiment
from fmbench_lib.config.platforms import ENDPOINT, USER_SCRIPT, platform_of_scripts, protocol_facts
from fmbench_lib.config.redaction import without_secrets
from fmbench_lib.deploy.platform import DeployContext, Endpoint, platform_of_existing
from fmbench_lib.deploy.user_script.deploy_program import CALL_VARIABLE
from fmbench_lib.errors import DeployError, EndpointError
from fmbench_lib.host import process
from fmbench_lib.host.process import ProcessMark
from fmbench_lib.user_scripts.experiment_keys import experiment_config, known_keys
from fmbench_lib.user_scripts.script_files import holds

_POLL_S = 0.05


class UserScriptPlatform:
    """Runs deployment scripts, and takes what an inference script talks to as it is."""

    def plan(self, experiment: Experiment) -> str:
        """What would be run."""
        if _deploys(experiment):
            return f"runs deploy() of {experiment.deployment_script}"
        name = _given_name(experiment) or "without a name"
        return f"an endpoint that exists, by {experiment.inference_script or experiment.protocol}: {name}"

    def deploy(self, experiment: Experiment, context: DeployContext) -> Endpoint:
        """The endpoint, having answered a real request. A `deployment_script` is the path of a file here.

        Raises DeployError with what the script said, or where there is no answer.
        """
        if not _deploys(experiment):
            endpoint = Endpoint(experiment.name, USER_SCRIPT, created_at=time.time(), model=experiment.model_id)
            return _in_service(endpoint, _given_name(experiment), experiment, context)
        endpoint = _started(experiment, context)
        try:
            name = _endpoint_name(endpoint)
            context.say(f"{experiment.deployment_script} has deployed {name}")
            return _in_service(endpoint, name, experiment, context)
        except DeployError as error:
            context.record(replace(endpoint, status="failed", error=str(error)))
            raise

    def alive(self, endpoint: Endpoint) -> bool:
        """Whether it has not been taken down; more only its script could tell."""
        return self.why_dead(endpoint) == ""

    def why_dead(self, endpoint: Endpoint) -> str:
        return "" if endpoint.deleted_at is None else "it was taken down"

    def delete(self, endpoint: Endpoint) -> Endpoint:
        """End a script that still deploys, and call the script's own `delete`. Raises DeployError where it has none."""
        if endpoint.deleted_at is not None or not endpoint.owned:
            return endpoint
        (run,) = endpoint.resources
        process.stop(_mark(run))
        result = Path(run["result"])
        if not result.exists():
            raise DeployError(f"{run['script']} was ended while it deployed: look yourself what it had made by then")
        name = read_json(result).get("endpoint_name")
        if name is not None:
            _take_down(run["script"], name, result)
        return replace(endpoint, status="deleted", deleted_at=time.time())


PLATFORM = UserScriptPlatform()


def _deploys(experiment: Experiment) -> bool:
    return experiment.deploy and experiment.deployment_script is not None


def _given_name(experiment: Experiment) -> str:
    return experiment.ep_name or experiment.model_id or ""


def _started(experiment: Experiment, context: DeployContext) -> Endpoint:
    """Start the script in its process, noted down before it does anything."""
    log_file = (context.log_folder / f"{quote(experiment.name, safe=' ')}-deploy.log").resolve()
    result = log_file.with_suffix(".json")
    result.unlink(missing_ok=True)
    call = {
        "function": "deploy",
        "script": experiment.deployment_script,
        "experiment": experiment_config(experiment),
        "known": known_keys(),
        "role_arn": experiment.sagemaker_execution_role,
    }
    mark = _start(call, result, log_file)
    run = {**asdict(mark), "script": experiment.deployment_script, "result": str(result)}
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
        context.record(endpoint)
    except BaseException:
        process.stop(mark)
        raise
    process.release(mark)
    return endpoint


def _start(call: Mapping[str, Any], result: Path, log_file: Path) -> ProcessMark:
    paths = os.pathsep.join(str(Path(path).absolute()) for path in sys.path if path)
    environment = {**os.environ, "PYTHONPATH": paths, "PYTHONUNBUFFERED": "1", CALL_VARIABLE: json.dumps(call)}
    command = [sys.executable, "-P", "-m", "fmbench_lib.deploy.user_script.deploy_program", str(result)]
    return process.start_held(command, log_file=log_file, env=environment)


def _endpoint_name(endpoint: Endpoint) -> str:
    """What the script returns, once it has."""
    (run,) = endpoint.resources
    name: str = _outcome(_mark(run), run["script"], Path(run["result"]), Path(endpoint.log_files[0]))["endpoint_name"]
    return name


def _outcome(mark: ProcessMark, script: str, result: Path, log_file: Path) -> dict[str, Any]:
    while process.running(mark):
        time.sleep(_POLL_S)
    if log_file.exists():
        log_file.write_text(without_secrets(log_file.read_text(errors="replace")))
    if not result.exists():
        raise DeployError(f"{script} {process.ending(mark)}; its log ends: {process.tail(log_file)}")
    found: dict[str, Any] = read_json(result)
    if "error" in found:
        raise DeployError(f"{script}: {without_secrets(found['error'])}; its log is {log_file}")
    return found


def _in_service(endpoint: Endpoint, name: str, experiment: Experiment, context: DeployContext) -> Endpoint:
    """The endpoint of that name where it answers: an address, or what the platform of the inference script finds."""
    if protocol_facts(experiment.protocol).by_script:
        try:
            context.probe(name, endpoint.model)
        except EndpointError as error:
            raise DeployError(str(error)) from error
        urls: tuple[str, ...] = (name,)
    else:
        existing = experiment.model_copy(update={"ep_name": name, "deploy": False})
        service = platform_of_existing(platform_of_scripts(None, experiment.inference_script) or ENDPOINT)
        urls = service.deploy(existing, replace(context, record=lambda _: None)).urls
    endpoint = replace(endpoint, urls=urls, status="in_service", in_service_at=time.time())
    context.record(endpoint)
    return endpoint


def _take_down(script: str, name: str, deployed: Path) -> None:
    if not holds(Path(script), "delete"):
        raise DeployError(f"{script} has no function delete(endpoint_name): take {name} down yourself")
    result, log_file = deployed.with_suffix(".deleted.json"), deployed.with_suffix(".deleted.log")
    result.unlink(missing_ok=True)
    mark = _start({"function": "delete", "script": script, "endpoint_name": name}, result, log_file)
    process.release(mark)
    _outcome(mark, script, result, log_file)


def _mark(run: Mapping[str, Any]) -> ProcessMark:
    return ProcessMark(int(run["pid"]), float(run["started"]), float(run["booted"]))
