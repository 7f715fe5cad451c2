"""Platform `local`: llama.cpp's own server on this machine, one process per copy."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TypedDict, cast

import fmbench_lib
from fmbench_lib.config import Experiment
from fmbench_lib.config.platforms import LOCAL
from fmbench_lib.deploy.local.llama_server import OPTIONS_VARIABLE
from fmbench_lib.deploy.making import Making, check_answers
from fmbench_lib.deploy.platform import Copy, DeployContext, Endpoint
from fmbench_lib.errors import DeployError, EndpointError
from fmbench_lib.host import process
from fmbench_lib.host.ports import HOST, claim_ports, wanted_port
from fmbench_lib.host.process import ProcessMark
from fmbench_lib.models.cache import ModelFileError
from fmbench_lib.models.embedded import check_local_model, model_file
from fmbench_lib.models.gguf import gguf_metadata
from fmbench_lib.workspace import path_part

# Enough for the longest of the usual payload files, in the memory that any machine has.
DEFAULT_CONTEXT_TOKENS = 4096
_HEALTH_TIMEOUT_S = 10.0
_POLL_S = 0.05


class ServerProcess(TypedDict):
    """What is recorded of one server: which process it is, where it listens, where it logs."""

    kind: str
    pid: int
    group: int
    started: float
    booted: float
    port: int
    log_file: str


class LocalPlatform:
    """Starts, watches and ends llama.cpp servers."""

    def plan(self, experiment: Experiment) -> str:
        """How many servers of which model."""
        copies = _copy_count(experiment)
        servers = f"{copies} server{'s' if copies != 1 else ''}"
        return f"deploys {experiment.model_id} on this machine ({servers})"

    def check_files(self, experiment: Experiment, folders: Sequence[Path]) -> None:
        """Raises DeployError where the server is not installed, or its model is missing or corrupt."""
        if experiment.deploy:
            _check_installed(experiment)
            with _as_deploy_error():
                check_local_model(str(experiment.model_id), folders)

    def needs(self, experiment: Experiment) -> frozenset[str]:
        """The ports that the config names; where it names none, free ones are chosen."""
        first = experiment.local.port or wanted_port(experiment.ep_name)
        if first is None or not experiment.deploy:
            return frozenset()
        return frozenset(f"port {port}" for port in range(first, first + _copy_count(experiment)))

    def deploy(self, experiment: Experiment, context: DeployContext) -> Endpoint:
        """A server for every copy, each having answered a real request.

        The endpoint is recorded before any of them begins to load. Raises DeployError, having ended them all.
        """
        making = _start(experiment, context, _commands(experiment, context))
        endpoint, patience = making.endpoint, experiment.local.startup_timeout
        with making.or_give_up(self.delete):
            deadline = time.monotonic() + patience
            for server, url in zip(_servers(endpoint), endpoint.urls, strict=True):
                _wait_until_healthy(server, deadline, patience)
                check_answers(context, url, endpoint.model, partial(_why_silent, server))
        return making.in_service()

    def why_dead(self, endpoint: Endpoint) -> str:
        """What became of the copies that do not serve, with the last lines of their logs; empty where all do."""
        if endpoint.deleted_at is not None:
            return "it was deleted"
        return "; ".join(filter(None, map(_trouble, _servers(endpoint))))

    def delete(self, endpoint: Endpoint) -> Endpoint:
        """End every copy with its process group, from whichever process this is called."""
        for server in _servers(endpoint):
            process.stop(_mark(server))
        if endpoint.deleted_at is not None:
            return endpoint
        return replace(endpoint, status="deleted", deleted_at=time.time())


PLATFORM = LocalPlatform()


def _commands(experiment: Experiment, context: DeployContext) -> dict[int, list[str]]:
    """The command line of each copy's server, by its port."""
    if not experiment.deploy:
        raise DeployError("platform local starts its server itself; for one that runs already write platform: endpoint")
    _check_installed(experiment)
    with _as_deploy_error():
        model = model_file(str(experiment.model_id), context.folders)
        context_tokens = experiment.local.context_tokens or _context_tokens(model)
    settings, copies = experiment.local, _copy_count(experiment)
    shared = {
        "model": model,
        "alias": experiment.model_id,
        "context-tokens": context_tokens,
        "parallel": settings.parallel,
        "threads": settings.threads or default_threads(_cores(), copies),
        "cache-prompt": "yes" if settings.cache_prompt else "no",
    }
    server = [sys.executable, "-m", "fmbench_lib.deploy.local.llama_server"]
    server += [f"--{name}={value}" for name, value in shared.items()]
    ports = claim_ports(settings.port or wanted_port(experiment.ep_name), copies)
    return {port: [*server, f"--port={port}"] for port in ports}


def _check_installed(experiment: Experiment) -> None:
    if find_spec("xllamacpp") is None:
        raise DeployError("platform local needs llama.cpp's server: pip install 'fmbench-lib[local]'")
    if not experiment.model_id:
        raise DeployError("platform local needs a model_id")


@contextlib.contextmanager
def _as_deploy_error() -> Iterator[None]:
    try:
        yield
    except ModelFileError as error:
        raise DeployError(str(error)) from error


def _copy_count(experiment: Experiment) -> int:
    """The number of servers; `auto` and `max` mean one, since a machine's cores are one device."""
    copies = experiment.inference_spec.model_copies
    return copies if isinstance(copies, int) else 1


def default_threads(cores: int, copies: int) -> int:
    """The threads of each of `copies` servers: together they leave a core to the client that measures them."""
    return max(1, (cores - 1) // copies)


def _cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _context_tokens(model: Path) -> int:
    """The context that the model was trained for, up to `DEFAULT_CONTEXT_TOKENS`."""
    facts = gguf_metadata(model)
    trained = facts.get(f"{facts.get('general.architecture')}.context_length", DEFAULT_CONTEXT_TOKENS)
    return min(int(trained), DEFAULT_CONTEXT_TOKENS)


def _start(experiment: Experiment, context: DeployContext, commands: Mapping[int, list[str]]) -> Making:
    """Start the processes of all copies, record them, and only then let them begin."""
    servers: list[ServerProcess] = []
    try:
        for port, command in commands.items():
            servers.append(_held(experiment, context, port, command))
        endpoint = _endpoint(experiment, servers)
        context.record(endpoint)
    except BaseException:
        for server in servers:
            process.stop(_mark(server))
        raise
    for server in servers:
        process.release(_mark(server))
        model = experiment.model_id
        context.say(f"llama.cpp's server, process {server['pid']}, loads {model} on port {server['port']}")
    return Making(endpoint, context)


def _held(experiment: Experiment, context: DeployContext, port: int, command: list[str]) -> ServerProcess:
    """A process that has been started and waits to be released."""
    environment = {**_environment(), OPTIONS_VARIABLE: json.dumps(experiment.local.options)}
    log_file = (context.log_folder / f"{path_part(experiment.name)}-{port}.log").resolve()
    mark = process.start_held(command, log_file=log_file, env=environment)
    return ServerProcess(
        kind="process",
        pid=mark.pid,
        group=mark.pid,
        started=mark.started,
        booted=mark.booted,
        port=port,
        log_file=str(log_file),
    )


def _endpoint(experiment: Experiment, servers: Sequence[ServerProcess]) -> Endpoint:
    urls = tuple(f"http://{HOST}:{server['port']}/v1/chat/completions" for server in servers)
    return Endpoint(
        experiment_name=experiment.name,
        platform=LOCAL,
        urls=urls,
        owned=True,
        resources=tuple(servers),
        created_at=time.time(),
        log_files=tuple(server["log_file"] for server in servers),
        model=experiment.model_id,
        copies=tuple(
            Copy(url, log=server["log_file"], process=_mark(server)) for url, server in zip(urls, servers, strict=True)
        ),
    )


def _environment() -> dict[str, str]:
    """This process's environment, with this very package importable from any folder."""
    package = str(Path(fmbench_lib.__file__).resolve().parent.parent)
    paths = [package, *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "PYTHONUNBUFFERED": "1"}


def _servers(endpoint: Endpoint) -> list[ServerProcess]:
    return [cast(ServerProcess, resource) for resource in endpoint.resources]


def _mark(server: ServerProcess) -> ProcessMark:
    return ProcessMark(int(server["pid"]), float(server["started"]), float(server["booted"]))


def _wait_until_healthy(server: ServerProcess, deadline: float, patience: float) -> None:
    while _health(server["port"]) != "":
        if not process.running(_mark(server)):
            raise DeployError(_obituary(server))
        if time.monotonic() > deadline:
            log_end = process.tail(Path(server["log_file"]))
            raise DeployError(f"the server on port {server['port']} was not ready within {patience:g} s: {log_end}")
        time.sleep(_POLL_S)


def _why_silent(server: ServerProcess, error: EndpointError) -> str:
    """Why a server that was healthy did not answer a request."""
    if not process.running(_mark(server)):
        return _obituary(server)
    return f"the server on port {server['port']} is up but does not answer a request: {error}"


def _trouble(server: ServerProcess) -> str:
    """What is wrong with a server; empty where nothing is."""
    if not process.running(_mark(server)):
        return _obituary(server)
    health = _health(server["port"])
    return f"the server on port {server['port']} is not healthy: {health}" if health else ""


def _obituary(server: ServerProcess) -> str:
    ending = process.ending(_mark(server))
    log_end = process.tail(Path(server["log_file"]))
    return f"the server on port {server['port']} (process {server['pid']}) {ending}; its log ends: {log_end}"


def _health(port: int) -> str:
    """What the server's health page reports; empty where it is healthy."""
    connection = http.client.HTTPConnection(HOST, port, timeout=_HEALTH_TIMEOUT_S)
    try:
        connection.request("GET", "/health")
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        return f"/health: {error or type(error).__name__}"
    finally:
        connection.close()
    return "" if status == 200 else f"/health: HTTP {status}"
