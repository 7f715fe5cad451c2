"""Waiting for serving containers: ready is who has answered a real request; one that ends is seen at once."""

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
"""How long a server that says it is well may refuse a real request."""

Resource = Mapping[str, Any]
"""What is recorded of a container, as `ec2.py` writes it."""


def wait_until_ready(
    resources: Sequence[Resource],
    model: str | None,
    patience: float,
    context: DeployContext,
    after_start: Mapping[str, Sequence[StartRequest]],
) -> None:
    """Return when every container has answered a request; raise DeployError when one ends or time is up.

    `after_start` is what a container, by its name, is asked once it is well and before that request.
    """
    started = time.monotonic()
    logged, pause = started, _FIRST_PAUSE_S
    waiting = {str(one["name"]): one for one in resources}
    healthy: dict[str, float] = {}
    prepare = partial(_prepare, after_start=after_start, context=context, started=started, patience=patience)
    while True:
        for one in resources:
            _check_running(one)
        trouble = {}
        for name, one in list(waiting.items()):
            trouble[name] = _trouble(one, model, context, healthy, prepare)
            if trouble[name] == "":
                context.say(f"container {name} answers, {time.monotonic() - started:.0f} s after its start")
                del waiting[name]
        if not waiting:
            return
        name = next(iter(waiting))
        if time.monotonic() - started > patience:
            raise DeployError(
                f"container {name} was not ready within {patience:g} s (model_loading_timeout): {trouble[name]}; "
                f"{log_end(waiting[name])}"
            )
        if time.monotonic() - logged > _LOGS_EVERY_S:
            logged = time.monotonic()
            keep_logs(resources)
            context.say(f"waiting for {', '.join(waiting)}: {trouble[name]}; {log_end(waiting[name])}")
        context.pause(pause)
        pause = min(pause * 1.3, _LONGEST_PAUSE_S)


def why_down(one: Resource) -> str:
    """One line: what is wrong with a container that ought to serve; empty where nothing is."""
    found = engine.state(one["engine"], one["name"])
    if found is None:
        return f"container {one['name']} does not exist any more"
    if not found.running:
        return f"container {one['name']} {found.ending()}; {log_end(one)}"
    said = _health(one)
    return f"container {one['name']} is not well: {said}" if said else ""


def _check_running(one: Resource) -> None:
    found = engine.state(one["engine"], one["name"])
    if found is None:
        raise DeployError(f"container {one['name']} was removed by somebody while it was being started")
    if not found.running:
        raise DeployError(f"container {one['name']} {found.ending()}; {log_end(one)}")


def _trouble(
    one: Resource,
    model: str | None,
    context: DeployContext,
    healthy: dict[str, float],
    prepare: Callable[[Resource], None],
) -> str:
    """Why a container is not ready yet; empty where it has answered a request."""
    said = _health(one)
    if said:
        return said
    name = str(one["name"])
    if name not in healthy:
        prepare(one)
    since = healthy.setdefault(name, time.monotonic())
    try:
        context.probe(str(one["url"]), model)
    except EndpointError as error:
        _check_running(one)
        if one["health_path"] and time.monotonic() - since > _ANSWER_GRACE_S:
            raise DeployError(
                f"container {one['name']} is up but does not answer a request: {error}; {log_end(one)}"
            ) from error
        return str(error)
    return ""


def _health(one: Resource) -> str:
    """What the server's health page says against it; empty where it is well, or where there is no such page."""
    path = one["health_path"]
    if not path:
        return ""
    connection = http.client.HTTPConnection(HOST, int(one["port"]), timeout=_HEALTH_TIMEOUT_S)
    try:
        connection.request("GET", path)
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        return f"{path}: {error or type(error).__name__}"
    finally:
        connection.close()
    return "" if status == 200 else f"{path}: HTTP {status}"


def _prepare(
    one: Resource,
    after_start: Mapping[str, Sequence[StartRequest]],
    context: DeployContext,
    started: float,
    patience: float,
) -> None:
    """Send what prepares a container. Raises DeployError where that fails or time is up."""
    for request in after_start.get(str(one["name"]), ()):
        what = f"container {one['name']}, which {request.meaning}"

        def look(line: str, what: str = what) -> None:
            context.pause(0)
            if time.monotonic() - started > patience:
                raise DeployError(
                    f"{what}, was not ready within {patience:g} s (model_loading_timeout): {line}; {log_end(one)}"
                )

        context.say(f"container {one['name']} {request.meaning}")
        try:
            refusal = send(int(one["port"]), request, look)
        except (OSError, http.client.HTTPException) as error:
            raise DeployError(f"{what}, does not answer: {error or type(error).__name__}; {log_end(one)}") from error
        if refusal is not None:
            raise DeployError(f"{what}: {refusal}")


def keep_logs(resources: Sequence[Resource]) -> None:
    """Keep what the containers have said so far; one whose log cannot be had does not keep the others from it."""
    for one in resources:
        with contextlib.suppress(DeployError):  # the engine is asked about it again before anything depends on it
            engine.save_log(one["engine"], one["name"], Path(one["log_file"]))


def log_end(one: Resource) -> str:
    """The last lines of a container's log, as part of a sentence."""
    keep_logs([one])
    return f"its log ends: {process.tail(Path(one['log_file']))}"
