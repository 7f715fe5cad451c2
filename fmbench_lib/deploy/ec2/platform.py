"""Platform `ec2`: serving containers on this machine, by the Docker API."""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

from fmbench_lib.atomic_files import write_text
from fmbench_lib.config import Experiment
from fmbench_lib.config.platforms import EC2
from fmbench_lib.deploy.aws_settings import region_of
from fmbench_lib.deploy.ec2 import docker as engine
from fmbench_lib.deploy.ec2.accelerators import find_host, planned_host
from fmbench_lib.deploy.ec2.compose import compose_file
from fmbench_lib.deploy.ec2.container import Container
from fmbench_lib.deploy.ec2.image_pull import Image, ensure_image
from fmbench_lib.deploy.ec2.readiness import keep_logs, wait_until_ready, why_down
from fmbench_lib.deploy.ec2.serving import (
    Serving,
    check_parts,
    claimed_serving,
    metrics_url_of,
    planned_serving,
    secret_values,
    url_of,
    write_parts,
)
from fmbench_lib.deploy.ec2.stacks.description import describe_all
from fmbench_lib.deploy.existing import platform as existing
from fmbench_lib.deploy.neuron import compile as neuron_compile
from fmbench_lib.deploy.neuron import settings as neuron
from fmbench_lib.deploy.platform import DeployContext, Endpoint
from fmbench_lib.errors import DeployError
from fmbench_lib.host.ports import wanted_port
from fmbench_lib.workspace import COMPOSE_FILE

DEFAULT_LOADING_TIMEOUT_S = 2400.0


class Ec2Platform:
    """Starts, watches and removes serving containers."""

    def plan(self, experiment: Experiment) -> str:
        """Each container, or which address is used."""
        if not experiment.deploy:
            if not experiment.ep_name:
                raise DeployError("platform ec2 needs deploy: yes, or ep_name, the address of a server that runs")
            return existing.PLATFORM.plan(experiment)
        said = describe_all(_planned(experiment).containers)
        return f"{said}\n{neuron_compile.planned(experiment)}" if neuron.is_compiled(experiment) else said

    def needs(self, experiment: Experiment) -> frozenset[str]:
        """What of this machine the experiment needs for itself: the ports that its config names, its accelerators."""
        if not experiment.deploy:
            return frozenset()
        serving = _planned(experiment)
        first = wanted_port(experiment.ep_name)
        count = 1 if serving.balancer else len(serving.copies)
        ports = {f"port {port}" for port in range(first, first + count)} if first else set()
        devices = [copy.devices for copy in serving.copies]
        return frozenset(ports | {f"{some.kind} device {index}" for some in devices for index in some.indices})

    def deploy(self, experiment: Experiment, context: DeployContext) -> Endpoint:
        """The experiment's endpoint, every copy having answered a real request.

        The containers are recorded by name before an image is pulled. Raises DeployError, having removed them all;
        where the run is interrupted they stand as recorded, for the cleanup to take down.
        """
        if not experiment.deploy:
            return existing.PLATFORM.deploy(experiment, context)
        making = _begun(_with_compiled(experiment, context), context)
        try:
            making.make(_patience(experiment))
        except DeployError as error:
            raise DeployError(_given_up(self, making, str(error))) from None
        making.note(status="in_service", in_service_at=time.time())
        return making.endpoint

    def alive(self, endpoint: Endpoint) -> bool:
        """Whether every container runs and says that it is well."""
        return endpoint.deleted_at is None and self.why_dead(endpoint) == ""

    def why_dead(self, endpoint: Endpoint) -> str:
        """What became of the containers that do not serve, with the ends of their logs; empty where all do."""
        if endpoint.deleted_at is not None:
            return "it was taken down"
        keep_logs(endpoint.resources)
        try:
            return "; ".join(trouble for one in endpoint.resources if (trouble := why_down(one)))
        except DeployError as error:
            return str(error)

    def delete(self, endpoint: Endpoint) -> Endpoint:
        """End the containers, keep the last of their logs, remove them and see that they are gone.

        One that cannot be removed does not keep the others from it; then a DeployError is raised.
        """
        if not endpoint.owned or endpoint.deleted_at is not None:
            return endpoint
        failures = [failure for one in reversed(endpoint.resources) if (failure := _removal_failure(one))]
        if failures:
            raise DeployError("; ".join(dict.fromkeys(failures)))
        return replace(endpoint, status="deleted", deleted_at=time.time())


PLATFORM = Ec2Platform()


def _with_compiled(experiment: Experiment, context: DeployContext) -> Experiment:
    """The experiment with its model compiled for Neuron, where it asks for that; what is under way is written down."""
    if not neuron.is_compiled(experiment):
        return experiment
    begun = Endpoint(experiment.name, EC2, owned=True, created_at=time.time(), model=experiment.model_id)
    return neuron_compile.with_compiled(
        experiment,
        region_of(experiment),
        context,
        lambda made: context.record(replace(begun, resources=tuple(made))),
    )


def _removal_failure(one: Mapping[str, Any]) -> str:
    """Remove one container, or what compiling its model left; why it could not be, empty where it is gone."""
    try:
        if neuron_compile.removed(one):
            return ""
        if engine.kill(one["engine"], one["name"], one["mark"]):
            keep_logs([one])
        engine.remove(one["engine"], one["name"], one["mark"])
    except DeployError as error:
        return str(error)
    return ""


def _planned(experiment: Experiment) -> Serving:
    folder = Path("containers") / experiment.name
    return planned_serving(experiment, planned_host(experiment), folder, (Path.cwd(),))


def _patience(experiment: Experiment) -> float:
    """How long a model may take to load, in seconds."""
    ours = experiment.ec2.model_loading_timeout if experiment.ec2 else None
    return float(ours or experiment.inference_spec.model_loading_timeout or DEFAULT_LOADING_TIMEOUT_S)


@dataclass(slots=True)
class _Making:
    """An endpoint that is being made: what is recorded of it, and what it is made from."""

    endpoint: Endpoint
    experiment: Experiment
    serving: Serving
    context: DeployContext
    folder: Path
    address: str
    labels: Mapping[str, str]
    images: dict[str, Image]

    @property
    def resources(self) -> tuple[dict[str, Any], ...]:
        return self.endpoint.resources

    def note(self, **changes: Any) -> None:
        self.endpoint = replace(self.endpoint, **changes)
        self.context.record(self.endpoint)

    def make(self, patience: float) -> None:
        """Pull, create and start, and wait for answers."""
        for container in self.serving.containers:
            check_parts(container)
            write_parts(container)
        self._write_compose_file()
        for name in dict.fromkeys(container.image for container in self.serving.containers):
            self.images[name] = ensure_image(self.address, name, self.context.say, self.context.pause)
        self._write_compose_file()
        self.note(resources=tuple({**one, **self._image_facts(one["image"])} for one in self.resources))
        for container in self.serving.copies:
            self._start(container)
        copies = self.resources[: len(self.serving.copies)]
        asked = {container.name: container.after_start for container in self.serving.copies}
        wait_until_ready(copies, self.endpoint.model, patience, self.context, asked)
        if self.serving.balancer is not None:
            self._start(self.serving.balancer)
            wait_until_ready(self.resources[len(copies) :], self.endpoint.model, patience, self.context, {})
        keep_logs(self.resources)

    def _image_facts(self, name: str) -> dict[str, Any]:
        image = self.images[name]
        return {"image_id": image.id, "image_digests": list(image.digests), "pulled": image.pulled}

    def _start(self, container: Container) -> None:
        secrets = self._secrets(container)
        marked = {**self.labels, engine.SECRETS_LABEL: ",".join(secrets)}
        made = engine.create(self.address, container, secrets, marked)
        ran = ({**one, "image_id": made.image_id} if one["name"] == container.name else one for one in self.resources)
        self.note(resources=tuple(ran))
        engine.start(self.address, container.name)
        self.context.say(f"container {container.name} runs {container.image} on port {container.host_port}")

    def _secrets(self, container: Container) -> dict[str, str]:
        return secret_values(container, self.experiment, self.context.hf_token)

    def _write_compose_file(self) -> None:
        text = compose_file(
            self.endpoint.experiment_name,
            self.context.run_id,
            self.serving.containers,
            self.labels,
            {name: image.pinned for name, image in self.images.items()},
            {container.name: tuple(self._secrets(container)) for container in self.serving.containers},
        )
        path = self.folder / COMPOSE_FILE
        try:
            write_text(path, text)
        except OSError as error:
            raise DeployError(f"{path} cannot be written: {error.strerror}") from error


def _cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _begun(experiment: Experiment, context: DeployContext) -> _Making:
    """The endpoint, its ports claimed and its containers' names written down before anything is made."""
    address = engine.engine_address()
    with engine.connected(address) as client:
        client.ping()
    host = find_host(experiment)
    folder = (
        context.containers or context.log_folder.parent / "containers" / quote(experiment.name, safe=" ")
    ).resolve()
    serving = claimed_serving(
        experiment, host, run_id=context.run_id, folder=folder, folders=context.folders, cores=_cores()
    )
    labels = {engine.RUN_LABEL: context.run_id, engine.MARK_LABEL: uuid.uuid4().hex}
    resources = tuple(_resource(one, serving, address, labels, context.log_folder) for one in serving.containers)
    endpoint = Endpoint(
        experiment_name=experiment.name,
        platform=EC2,
        urls=serving.urls,
        owned=True,
        resources=resources,
        created_at=time.time(),
        log_files=tuple(one["log_file"] for one in resources),
        model=experiment.model_id,
    )
    context.record(endpoint)
    return _Making(endpoint, experiment, serving, context, folder, address, labels, {})


def _resource(
    container: Container, serving: Serving, address: str, labels: Mapping[str, str], logs: Path
) -> dict[str, Any]:
    """What is recorded of a container: enough to find it, to ask it and to remove it."""
    balances = container is serving.balancer
    return {
        "kind": "container",
        "role": "balancer" if balances else "copy",
        "name": container.name,
        "engine": address,
        "mark": labels[engine.MARK_LABEL],
        "image": container.image,
        "port": container.host_port,
        "url": url_of(container),
        "health_path": container.health_path,
        "metrics_url": None if balances else metrics_url_of(container),  # each copy's own, also behind a balancer
        "devices": [f"{container.devices.kind} {index}" for index in container.devices.indices],
        "log_file": str((logs / f"{quote(container.name, safe=' ')}.log").resolve()),
    }


def _given_up(platform: Ec2Platform, making: _Making, error: str) -> str:
    """Remove what was made so far and record why; the error, and what stands where it could not be removed."""
    endpoint = making.endpoint
    try:
        endpoint = platform.delete(endpoint)
    except DeployError as failure:
        error = f"{error}; what was made of it still stands: {failure}"
    making.note(status="failed", error=error, deleted_at=endpoint.deleted_at)
    return error
