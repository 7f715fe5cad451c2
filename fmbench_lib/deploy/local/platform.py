"""Platform `local`: llama.cpp's own server on this machine, one process per copy."""

from __future__ import annotations

import http.client
import json
import os
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import quote

import fmbench_lib
from fmbench_lib.config import Experiment
from fmbench_lib.config.platforms import LOCAL
from fmbench_lib.deploy.platform import DeployContext, Endpoint
from fmbench_lib.errors import DeployError, EndpointError
from fmbench_lib.host import process
from fmbench_lib.host.ports import HOST, claim_ports, wanted_port
from fmbench_lib.host.process import ProcessMark
from fmbench_lib.models.cache import ModelFileError
from fmbench_lib.models.embedded import model_file
from fmbench_lib.models.gguf import gguf_metadata

# Enough for the longest of the usual payload files, at a memory that any machine has.
DEFAULT_CONTEXT_TOKENS = 4096
_HEALTH_TIMEOUT_S = 10.0
_POLL_S = 0.05


@dataclass(frozen=True, slots=True)
class _Copy:
    """One server process: who it is, where it listens, where it logs."""

    mark: ProcessMark
    port: int
    log_file: Path

    def to_resource(self) -> dict[str, Any]:
        return {
            "kind": "process",
            "pid": self.mark.pid,
            "group": self.mark.pid,
            "started": self.mark.started,
            "booted": self.mark.booted,
            "port": self.port,
            "log_file": str(self.log_file),
        }


class LocalPlatform:
    """Starts, watches and ends llama.cpp servers."""

    def plan(self, experiment: Experiment) -> str:
        """How many servers of which model."""
        copies = _copy_count(experiment)
        servers = f"{copies} server{'s' if copies != 1 else ''}"
        return f"deploys {experiment.model_id} on this machine ({servers})"

    def needs(self, experiment: Experiment) -> frozenset[str]:
        """The ports that the config names; any free ones are nobody's."""
        first = experiment.local.port or wanted_port(experiment.ep_name)
        if first is None or not experiment.deploy:
            return frozenset()
        return frozenset(f"port {port}" for port in range(first, first + _copy_count(experiment)))

    def deploy(self, experiment: Experiment, context: DeployContext) -> Endpoint:
        """A server for every copy, each having answered a real request.

        The endpoint is recorded before any of them begins to load. Raises DeployError, having ended them all.
        """
        commands = _commands(experiment, context)
        endpoint = _start(experiment, context, commands)
        patience = experiment.local.startup_timeout
        try:
            deadline = time.monotonic() + patience
            for copy, url in zip(_copies_of(endpoint), endpoint.urls, strict=True):
                _wait_until_healthy(copy, deadline, patience)
                _ask(copy, url, endpoint.model, context)
        except DeployError as error:
            context.record(replace(self.delete(endpoint), status="failed", error=str(error)))
            raise
        endpoint = replace(endpoint, status="in_service", in_service_at=time.time())
        context.record(endpoint)
        return endpoint

    def alive(self, endpoint: Endpoint) -> bool:
        """Whether every copy's very process runs and says that it is well."""
        return endpoint.deleted_at is None and self.why_dead(endpoint) == ""

    def why_dead(self, endpoint: Endpoint) -> str:
        """What became of the copies that are not alive, with the last lines of their logs; empty where all are."""
        if endpoint.deleted_at is not None:
            return "it was taken down"
        return "; ".join(trouble for copy in _copies_of(endpoint) if (trouble := _trouble(copy)) is not None)

    def delete(self, endpoint: Endpoint) -> Endpoint:
        """End every copy with its process group, from whichever process this is called."""
        for copy in _copies_of(endpoint):
            process.stop(copy.mark)
        if endpoint.deleted_at is not None:
            return endpoint
        return replace(endpoint, status="deleted", deleted_at=time.time())


PLATFORM = LocalPlatform()


def _commands(experiment: Experiment, context: DeployContext) -> dict[int, list[str]]:
    """The command line of each copy's server, by its port."""
    if not experiment.deploy:
        raise DeployError("platform local starts its server; for one that runs already write platform: endpoint")
    if find_spec("xllamacpp") is None:
        raise DeployError("platform local needs llama.cpp's server: pip install 'fmbench-lib[local]'")
    if not experiment.model_id:
        raise DeployError("platform local needs a model_id")
    try:
        model = model_file(experiment.model_id, context.folders)
        context_tokens = experiment.local.context_tokens or _context_tokens(model)
    except ModelFileError as error:
        raise DeployError(str(error)) from error
    settings, copies = experiment.local, _copy_count(experiment)
    shared = {
        "model": model,
        "alias": experiment.model_id,
        "context-tokens": context_tokens,
        "parallel": settings.parallel,
        "threads": settings.threads or max(1, _cores() // copies),
        "cache-prompt": "yes" if settings.cache_prompt else "no",
        "options": json.dumps(settings.options),
    }
    server = [sys.executable, "-m", "fmbench_lib.deploy.local.llama_server"]
    server += [f"--{name}={value}" for name, value in shared.items()]
    ports = claim_ports(settings.port or wanted_port(experiment.ep_name), copies)
    return {port: [*server, f"--port={port}"] for port in ports}


def _copy_count(experiment: Experiment) -> int:
    """How many servers: `auto` and `max` are one, since a machine's cores are one device."""
    copies = experiment.inference_spec.model_copies
    return copies if isinstance(copies, int) else 1


def _cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _context_tokens(model: Path) -> int:
    """The context that the model was trained for, but no more than the usual need."""
    facts = gguf_metadata(model)
    trained = facts.get(f"{facts.get('general.architecture')}.context_length", DEFAULT_CONTEXT_TOKENS)
    return min(int(trained), DEFAULT_CONTEXT_TOKENS)


def _start(experiment: Experiment, context: DeployContext, commands: Mapping[int, list[str]]) -> Endpoint:
    """Start all copies, note them down, and only then let them begin."""
    copies: list[_Copy] = []
    try:
        for port, command in commands.items():
            log_file = (context.log_folder / f"{quote(experiment.name, safe=' ')}-{port}.log").resolve()
            copies.append(_Copy(process.start_held(command, log_file=log_file, env=_environment()), port, log_file))
        endpoint = Endpoint(
            experiment_name=experiment.name,
            platform=LOCAL,
            urls=tuple(f"http://{HOST}:{port}/v1/chat/completions" for port in commands),
            owned=True,
            resources=tuple(copy.to_resource() for copy in copies),
            created_at=time.time(),
            log_files=tuple(str(copy.log_file) for copy in copies),
            model=experiment.model_id,
        )
        context.record(endpoint)
    except BaseException:
        for copy in copies:
            process.stop(copy.mark)
        raise
    for copy in copies:
        process.release(copy.mark)
        context.say(f"llama.cpp's server, process {copy.mark.pid}, loads {experiment.model_id} on port {copy.port}")
    return endpoint


def _environment() -> dict[str, str]:
    """Ours, with this very package importable whatever folder we were started in."""
    package = str(Path(fmbench_lib.__file__).resolve().parent.parent)
    known = [package, *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(known), "PYTHONUNBUFFERED": "1"}


def _copies_of(endpoint: Endpoint) -> list[_Copy]:
    return [
        _Copy(
            ProcessMark(int(known["pid"]), float(known["started"]), float(known["booted"])),
            int(known["port"]),
            Path(known["log_file"]),
        )
        for known in endpoint.resources
    ]


def _wait_until_healthy(copy: _Copy, deadline: float, patience: float) -> None:
    while _health(copy.port) != "":
        if not process.running(copy.mark):
            raise DeployError(_obituary(copy))
        if time.monotonic() > deadline:
            said = process.tail(copy.log_file)
            raise DeployError(f"the server on port {copy.port} was not ready within {patience:g} s: {said}")
        time.sleep(_POLL_S)


def _ask(copy: _Copy, url: str, model: str | None, context: DeployContext) -> None:
    """A real request; health alone is a promise."""
    try:
        context.probe(url, model)
    except EndpointError as error:
        if not process.running(copy.mark):
            raise DeployError(_obituary(copy)) from error
        raise DeployError(f"the server on port {copy.port} is up but does not answer a request: {error}") from error


def _trouble(copy: _Copy) -> str | None:
    """What is wrong with a copy, or None."""
    if not process.running(copy.mark):
        return _obituary(copy)
    health = _health(copy.port)
    return f"the server on port {copy.port} is not well: {health}" if health else None


def _obituary(copy: _Copy) -> str:
    ending = process.ending(copy.mark)
    said = process.tail(copy.log_file)
    return f"the server on port {copy.port} (process {copy.mark.pid}) {ending}; its log ends: {said}"


def _health(port: int) -> str:
    """What the server's health page says against it; empty where it is well."""
    connection = http.client.HTTPConnection(HOST, port, timeout=_HEALTH_TIMEOUT_S)
    try:
        connection.request("GET", "/health")
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        return f"/health: {error or type(error).__name__}"
    finally:
        connection.close()
    return "" if status == 200 else f"/health: HTTP {status}"
