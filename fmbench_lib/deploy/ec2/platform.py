"""Platform `ec2`: serving containers on this machine, by the Docker API."""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, NotRequired, TypedDict, cast

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
from fmbench_lib.deploy.existing_address import plan_of_existing, use_existing
from fmbench_lib.deploy.making import Making
from fmbench_lib.deploy.neuron import compile as neuron_compile
from fmbench_lib.deploy.neuron import settings as neuron
from fmbench_lib.deploy.platform import Copy, DeployContext, Endpoint
from fmbench_lib.errors import DeployError
from fmbench_lib.host.atomic_files import write_text
from fmbench_lib.host.ports import wanted_port
from fmbench_lib.workspace import COMPOSE_FILE, path_part

DEFAULT_LOADING_TIMEOUT_S = 2400.0


class ImageFacts(TypedDict):
    """What is recorded of the image of a container; `pulled`: this run has pulled it."""

    image_id: str
    image_digests: list[str]
    pulled: bool


class ContainerResource(TypedDict):
    """What is recorded of a container: enough to find it, to request its health and to remove it."""

    kind: str
    role: Literal["copy", "balancer"]
    name: str
    engine: str
    mark: str
    image: str
    port: int
    url: str
    health_path: str | None
    log_file: str
    image_id: NotRequired[str]
    image_digests: NotRequired[list[str]]
    pulled: NotRequired[bool]


class Ec2Platform:
    """Starts, watches and removes serving containers."""

    def plan(self, experiment: Experiment) -> str:
        """Each container, or which address is used."""
        if not experiment.deploy:
            if not experiment.ep_name:
                raise DeployError("platform ec2 needs deploy: yes, or ep_name, the address of a server that runs")
            return plan_of_existing(experiment.ep_name)
        lines = describe_all(_planned(experiment).containers)
        return f"{lines}\n{neuron_compile.planned(experiment)}" if neuron.is_compiled(experiment) else lines

    def needs(self, experiment: Experiment) -> frozenset[str]:
        """The parts of this machine that the experiment needs for itself: ports that its config names, accelerators."""
        if not experiment.deploy:
            return frozenset()
        serving = _planned(experiment)
        first = wanted_port(experiment.ep_name)
        count = 1 if serving.balancer else len(serving.copies)
        ports = {f"port {port}" for port in range(first, first + count)} if first else set()
        devices = [copy.devices for copy in serving.copies]
        return frozenset(ports | {f"{used.kind} device {index}" for used in devices for index in used.indices})

    def deploy(self, experiment: Experiment, context: DeployContext) -> Endpoint:
        """The experiment's endpoint, every copy having answered a real request.

        The containers are recorded by name before an image is pulled. Raises DeployError, having removed them all;
        where the run is interrupted they stay as recorded, for the cleanup to delete.
        """
        if not experiment.deploy:
            return use_existing(experiment, context)
        making = _begun(_with_compiled(experiment, context), context)
        with making.or_give_up(self.delete):
            making.make(_patience(experiment))
        return making.in_service()

    def why_dead(self, endpoint: Endpoint) -> str:
        """What became of the containers that do not serve, with the ends of their logs; empty where all do."""
        if endpoint.deleted_at is not None:
            return "it was deleted"
        keep_logs(endpoint.resources)
        try:
            return "; ".join(filter(None, map(why_down, endpoint.resources)))
        except DeployError as error:
            return str(error)

    def delete(self, endpoint: Endpoint) -> Endpoint:
        """Stop the containers, keep the ends of their logs, remove them and check that they are gone.

        One that cannot be removed does not keep the others: raises DeployError at the end.
        """
        if not endpoint.owned or endpoint.deleted_at is not None:
            return endpoint
        failures = list(filter(None, map(_removal_failure, reversed(endpoint.resources))))
        if failures:
            raise DeployError("; ".join(dict.fromkeys(failures)))
        return replace(endpoint, status="deleted", deleted_at=time.time())


PLATFORM = Ec2Platform()


def _with_compiled(experiment: Experiment, context: DeployContext) -> Experiment:
    """The experiment with its model compiled for Neuron, where the config wants that; what is under way is recorded."""
    if not neuron.is_compiled(experiment):
        return experiment
    begun = Endpoint(experiment.name, EC2, owned=True, created_at=time.time(), model=experiment.model_id)
    return neuron_compile.with_compiled(
        experiment,
        region_of(experiment),
        context,
        lambda current: context.record(replace(begun, resources=tuple(current))),
    )


def _removal_failure(resource: Mapping[str, Any]) -> str:
    """Remove one container, or what compiling its model left; why that failed, empty where it is gone."""
    try:
        if neuron_compile.removed(resource):
            return ""
        if engine.kill(resource["engine"], resource["name"], resource["mark"]):
            keep_logs([resource])
        engine.remove(resource["engine"], resource["name"], resource["mark"])
    except DeployError as error:
        return str(error)
    return ""


def _planned(experiment: Experiment) -> Serving:
    folder = Path("containers") / experiment.name
    return planned_serving(experiment, planned_host(experiment), folder, (Path.cwd(),))


def _patience(experiment: Experiment) -> float:
    """How long a model may take to load, in seconds."""
    on_ec2 = experiment.ec2.model_loading_timeout if experiment.ec2 else None
    return float(on_ec2 or experiment.inference_spec.model_loading_timeout or DEFAULT_LOADING_TIMEOUT_S)


@dataclass(slots=True)
class _MakingContainers(Making):
    """An endpoint being deployed, and what it is deployed from."""

    experiment: Experiment
    serving: Serving
    folder: Path
    address: str
    labels: Mapping[str, str]
    images: dict[str, Image]

    @property
    def containers(self) -> tuple[ContainerResource, ...]:
        return tuple(cast(ContainerResource, resource) for resource in self.endpoint.resources)

    def make(self, patience: float) -> None:
        """Pull the images, create and start the containers, and wait until they answer."""
        for container in self.serving.containers:
            check_parts(container)
            write_parts(container)
        self._write_compose_file()
        for name in dict.fromkeys(container.image for container in self.serving.containers):
            self.images[name] = ensure_image(self.address, name, self.context.say, self.context.pause)
        self._write_compose_file()
        self.note(resources=tuple({**known, **self._image_facts(known["image"])} for known in self.containers))
        for container in self.serving.copies:
            self._start(container)
        copies = self.containers[: len(self.serving.copies)]
        after_start = {container.name: container.after_start for container in self.serving.copies}
        wait_until_ready(copies, self.endpoint.model, patience, self.context, after_start)
        if self.serving.balancer is not None:
            self._start(self.serving.balancer)
            wait_until_ready(self.containers[len(copies) :], self.endpoint.model, patience, self.context, {})
        keep_logs(self.containers)

    def _image_facts(self, name: str) -> ImageFacts:
        image = self.images[name]
        return {"image_id": image.id, "image_digests": list(image.digests), "pulled": image.pulled}

    def _start(self, container: Container) -> None:
        secrets = self._secrets(container)
        labels = {**self.labels, engine.SECRETS_LABEL: ",".join(secrets)}
        image_id = engine.create(self.address, container, secrets, labels).image_id
        self.note(
            resources=tuple(
                {**known, "image_id": image_id} if known["name"] == container.name else known
                for known in self.containers
            )
        )
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


def _begun(experiment: Experiment, context: DeployContext) -> _MakingContainers:
    """The endpoint, its ports claimed and its containers' names recorded before anything is created."""
    address = engine.engine_address()
    with engine.connected(address) as client:
        client.ping()
    host = find_host(experiment)
    folder = (context.containers or context.log_folder.parent / "containers" / path_part(experiment.name)).resolve()
    serving = claimed_serving(
        experiment, host, run_id=context.run_id, folder=folder, folders=context.folders, cores=_cores()
    )
    labels = {engine.RUN_LABEL: context.run_id, engine.MARK_LABEL: uuid.uuid4().hex}
    resources = tuple(
        _resource(container, serving, address, labels, context.log_folder) for container in serving.containers
    )
    endpoint = Endpoint(
        experiment_name=experiment.name,
        platform=EC2,
        urls=serving.urls,
        remote_urls=serving.remote_urls,
        owned=True,
        resources=resources,
        created_at=time.time(),
        log_files=tuple(resource["log_file"] for resource in resources),
        model=experiment.model_id,
        copies=tuple(
            _copy(container, resource) for container, resource in zip(serving.copies, resources, strict=False)
        ),
    )
    context.record(endpoint)
    return _MakingContainers(endpoint, context, experiment, serving, folder, address, labels, {})


def _resource(
    container: Container, serving: Serving, address: str, labels: Mapping[str, str], logs: Path
) -> ContainerResource:
    return ContainerResource(
        kind="container",
        role="balancer" if container is serving.balancer else "copy",
        name=container.name,
        engine=address,
        mark=labels[engine.MARK_LABEL],
        image=container.image,
        port=container.host_port,
        url=url_of(container),
        health_path=container.health_path,
        log_file=str((logs / f"{path_part(container.name)}.log").resolve()),
    )


def _copy(container: Container, resource: ContainerResource) -> Copy:
    return Copy(
        url=resource["url"],
        container=container.name,
        metrics_url=metrics_url_of(container),
        log=resource["log_file"],
        devices=tuple(f"{container.devices.kind} {index}" for index in container.devices.indices),
    )
