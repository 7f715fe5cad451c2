"""Waiting for serving containers. A container is ready once it has answered a real request; one that exits is noticed
at once."""

from __future__ import annotations

import contextlib
import http.client
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from fmbench_lib.deploy.ec2 import docker as engine
from fmbench_lib.deploy.ec2.container import StartRequest
from fmbench_lib.deploy.ec2.warm_up_request import send
from fmbench_lib.deploy.platform import DeployContext
from fmbench_lib.errors import DeployError, EndpointError
from fmbench_lib.host import process
from fmbench_lib.host.ports import HOST

_FIRST_PAUSE_S = 0.1
_LONGEST_PAUSE_S = 2.0
_HEALTH_TIMEOUT_S = 10.0
_LOGS_EVERY_S = 10.0
_ANSWER_GRACE_S = 60.0
"""How long a server whose health page answers 200 may refuse a real request."""

Resource = Mapping[str, Any]
"""A container as `endpoints.json` records it."""


def wait_until_ready(
    resources: Sequence[Resource],
    model: str | None,
    patience: float,
    context: DeployContext,
    after_start: Mapping[str, Sequence[StartRequest]],
) -> None:
    """Return when every container has answered a request; raise DeployError when one exits or `patience` seconds are
    over.

    `after_start` maps a container's name to the requests that prepare it: they are sent once it is healthy, before that
    request.
    """
    started = time.monotonic()
    logged, pause = started, _FIRST_PAUSE_S
    waiting = {str(resource["name"]): resource for resource in resources}
    healthy_since: dict[str, float] = {}
    prepare = partial(_prepare, after_start=after_start, context=context, started=started, patience=patience)
    while True:
        for resource in resources:
            _check_running(resource)
        problems = {}
        for name, resource in list(waiting.items()):
            problems[name] = _problem(resource, model, context, healthy_since, prepare)
            if problems[name] == "":
                context.say(f"container {name} answers, {time.monotonic() - started:.0f} s after its start")
                del waiting[name]
        if not waiting:
            return
        name = next(iter(waiting))
        if time.monotonic() - started > patience:
            raise DeployError(
                f"container {name} was not ready within {patience:g} s (model_loading_timeout): {problems[name]}; "
                f"{log_end(waiting[name])}"
            )
        if time.monotonic() - logged > _LOGS_EVERY_S:
            logged = time.monotonic()
            keep_logs(resources)
            context.say(f"waiting for {', '.join(waiting)}: {problems[name]}; {log_end(waiting[name])}")
        context.pause(pause)
        pause = min(pause * 1.3, _LONGEST_PAUSE_S)


def why_down(resource: Resource) -> str:
    """One line: why a container that should serve does not; empty where it does."""
    state = engine.state(resource["engine"], resource["name"])
    if state is None:
        return f"container {resource['name']} no longer exists"
    if not state.running:
        return f"container {resource['name']} {state.ending()}; {log_end(resource)}"
    problem = _health_problem(resource)
    return f"container {resource['name']} is unhealthy: {problem}" if problem else ""


def _check_running(resource: Resource) -> None:
    state = engine.state(resource["engine"], resource["name"])
    if state is None:
        raise DeployError(f"container {resource['name']} was removed while it was starting")
    if not state.running:
        raise DeployError(f"container {resource['name']} {state.ending()}; {log_end(resource)}")


def _problem(
    resource: Resource,
    model: str | None,
    context: DeployContext,
    healthy_since: dict[str, float],
    prepare: Callable[[Resource], None],
) -> str:
    """Why a container is not ready yet; empty once it has answered a request."""
    problem = _health_problem(resource)
    if problem:
        return problem
    name = str(resource["name"])
    if name not in healthy_since:
        prepare(resource)
    healthy_at = healthy_since.setdefault(name, time.monotonic())
    try:
        context.probe(str(resource["url"]), model)
    except EndpointError as error:
        _check_running(resource)
        if resource["health_path"] and time.monotonic() - healthy_at > _ANSWER_GRACE_S:
            raise DeployError(
                f"container {resource['name']} is healthy but does not answer a request: {error}; {log_end(resource)}"
            ) from error
        return str(error)
    return ""


def _health_problem(resource: Resource) -> str:
    """What the server's health page reports against it; empty where it is healthy, or has no such page."""
    path = resource["health_path"]
    if not path:
        return ""
    connection = http.client.HTTPConnection(HOST, int(resource["port"]), timeout=_HEALTH_TIMEOUT_S)
    try:
        connection.request("GET", path)
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        return f"{path}: {error or type(error).__name__}"
    finally:
        connection.close()
    return "" if status == 200 else f"{path}: HTTP {status}"


def _prepare(
    resource: Resource,
    after_start: Mapping[str, Sequence[StartRequest]],
    context: DeployContext,
    started: float,
    patience: float,
) -> None:
    """Send the requests that prepare a container. Raises DeployError where one fails or time is up."""
    for request in after_start.get(str(resource["name"]), ()):
        what = f"container {resource['name']}, which {request.meaning}"

        def check_time(line: str, what: str = what) -> None:
            context.pause(0)
            if time.monotonic() - started > patience:
                raise DeployError(
                    f"{what}, was not ready within {patience:g} s (model_loading_timeout): {line}; {log_end(resource)}"
                )

        context.say(f"container {resource['name']} {request.meaning}")
        try:
            refusal = send(int(resource["port"]), request, check_time)
        except (OSError, http.client.HTTPException) as error:
            raise DeployError(
                f"{what}, does not answer: {error or type(error).__name__}; {log_end(resource)}"
            ) from error
        if refusal is not None:
            raise DeployError(f"{what}: {refusal}")


def keep_logs(resources: Sequence[Resource]) -> None:
    """Save the containers' logs so far; one that cannot be read does not stop the others from being saved."""
    for resource in resources:
        with contextlib.suppress(DeployError):  # the engine is queried again before anything depends on it
            engine.save_log(resource["engine"], resource["name"], Path(resource["log_file"]))


def log_end(resource: Resource) -> str:
    """The last lines of a container's log, as a clause of a sentence."""
    keep_logs([resource])
    return f"its log ends: {process.tail(Path(resource['log_file']))}"
