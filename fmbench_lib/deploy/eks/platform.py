"""Platform `eks`: a manifest's objects on a Kubernetes cluster, made and deleted by the run."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any
from urllib.parse import quote

from fmbench_lib.config import Experiment
from fmbench_lib.config.platforms import EKS
from fmbench_lib.deploy import waiting as aws_waiting
from fmbench_lib.deploy.aws_settings import given, region_of
from fmbench_lib.deploy.eks import objects
from fmbench_lib.deploy.eks.access import Access, access_of
from fmbench_lib.deploy.eks.api import Cluster, cluster_of
from fmbench_lib.deploy.eks.forward import listener_mark, start_listener
from fmbench_lib.deploy.eks.manifest import (
    DEPLOYMENT_LABEL,
    RUN_LABEL,
    TOKEN_NAMES,
    Manifest,
    described,
    dns_text,
    label_text,
    marked,
    named,
    read_manifest,
)
from fmbench_lib.deploy.eks.route import Route, address_of, host_of, route_of
from fmbench_lib.deploy.existing import platform as existing
from fmbench_lib.deploy.platform import DeployContext, Endpoint
from fmbench_lib.errors import DeployError, EndpointError, InputError
from fmbench_lib.host import process

_RUN_UNKNOWN = "RUN"


class EksPlatform:
    """Applies manifests, watches what they make, and deletes it."""

    def plan(self, experiment: Experiment) -> str:
        """What would be made where, and how it would be reached."""
        if not experiment.deploy:
            return existing.PLATFORM.plan(_taken_as_it_is(experiment))
        manifest = read_manifest(experiment, _values(experiment, _RUN_UNKNOWN, None))
        access = access_of(experiment)
        return (
            f"deploys {manifest.path.name} to {access}: {described(manifest.objects)}; "
            f"reached by {route_of(experiment, manifest.objects)}"
        )

    def deploy(self, experiment: Experiment, context: DeployContext) -> Endpoint:
        """The experiment's endpoint, all of it ready and having answered a real request.

        Everything is recorded before it is made. Raises DeployError, having deleted all of it; where the run is
        interrupted it stands as recorded, for the cleanup to take down.
        """
        if not experiment.deploy:
            return existing.PLATFORM.deploy(_taken_as_it_is(experiment), context)
        making = _planned(experiment, context)
        with cluster_of(making.access, making.hide) as cluster:
            kept = objects.check_absent(cluster, making.manifest.objects)
            making.begin(kept)
            try:
                endpoint = _make(experiment, making, cluster)
            except (DeployError, EndpointError) as error:
                raise DeployError(making.given_up(self, str(error))) from None
        making.note(urls=endpoint.urls, status="in_service", in_service_at=time.time())
        return making.endpoint

    def alive(self, endpoint: Endpoint) -> bool:
        """Whether everything that was made is ready, as the cluster says."""
        return endpoint.deleted_at is None and self.why_dead(endpoint) == ""

    def why_dead(self, endpoint: Endpoint) -> str:
        """What is missing or not ready; empty where nothing is."""
        if endpoint.deleted_at is not None:
            return "it was taken down"
        mark = listener_mark(endpoint)
        if mark is not None and not process.running(mark):
            return f"the port-forward (process {mark.pid}) {process.ending(mark)}"
        access, made = objects.recorded(endpoint.resources)
        try:
            with cluster_of(access) as cluster:
                return objects.trouble(cluster, made)
        except (DeployError, InputError) as error:
            return str(error)

    def delete(self, endpoint: Endpoint) -> Endpoint:
        """Delete everything that the run made, the last first, and see that it and its pods are gone."""
        if not endpoint.owned or endpoint.deleted_at is not None:
            return endpoint
        mark = listener_mark(endpoint)
        if mark is not None:
            process.stop(mark)
        access, made = objects.recorded(endpoint.resources)
        if made:
            with cluster_of(access) as cluster:
                with suppress(DeployError, OSError):  # that it is deleted matters more
                    objects.keep_logs(cluster, made, Path(endpoint.log_files[0]))
                objects.delete_all(cluster, made)
        return replace(endpoint, status="deleted", deleted_at=time.time())


PLATFORM = EksPlatform()


@dataclass(slots=True)
class _Making:
    """An endpoint being made: what is known of it so far is always what has been written down."""

    endpoint: Endpoint
    context: DeployContext
    access: Access
    manifest: Manifest
    route: Route
    deployment: str
    hide: tuple[str, ...]

    def note(self, **changes: Any) -> None:
        self.endpoint = replace(self.endpoint, **changes)
        self.context.record(self.endpoint)

    def begin(self, kept: frozenset[str]) -> None:
        """Write down everything that is about to be made; `kept` are namespaces that are there and stay."""
        made = [one for one in self.manifest.objects if named(one) not in kept]
        self.manifest = replace(self.manifest, objects=tuple(made))
        planned = [objects.to_resource(one, self.deployment) for one in made]
        log_file = self.context.log_folder / f"{quote(self.endpoint.experiment_name, safe=' ')}-pods.log"
        self.note(resources=(self.access.to_resource(), *planned), log_files=(str(log_file.resolve()),))

    def given_up(self, platform: EksPlatform, error: str) -> str:
        """Take down what was made so far and record why; the error, and what stands where that did not go."""
        endpoint = self.endpoint
        try:
            endpoint = platform.delete(endpoint)
        except DeployError as failure:
            error = f"{error}; what was made of it still stands: {failure}"
        self.note(status="failed", error=error, deleted_at=endpoint.deleted_at)
        return error


def _planned(experiment: Experiment, context: DeployContext) -> _Making:
    """Everything that can be known before the cluster is asked; raises DeployError."""
    access = access_of(experiment)
    run = dns_text(context.run_id)
    manifest = read_manifest(experiment, _values(experiment, run, context.hf_token))
    if manifest.tokens and context.hf_token is None:
        raise DeployError(f"{manifest.path} holds ${{{TOKEN_NAMES[0]}}}: set {TOKEN_NAMES[0]}, or name hf_token.txt")
    deployment = f"{label_text(context.run_id)[:40]}-{secrets.token_hex(4)}"
    labels = {RUN_LABEL: label_text(context.run_id), DEPLOYMENT_LABEL: deployment}
    marked_so = tuple(marked(one, labels, experiment.name) for one in manifest.objects)
    manifest = replace(manifest, objects=marked_so)
    endpoint = Endpoint(
        experiment_name=experiment.name,
        platform=EKS,
        owned=True,
        created_at=time.time(),
        model=experiment.model_id,
    )
    route = route_of(experiment, manifest.objects)
    hide = (context.hf_token,) if context.hf_token else ()
    return _Making(endpoint, context, access, manifest, route, deployment, hide)


def _values(experiment: Experiment, run: str, token: str | None) -> Mapping[str, str]:
    """What is always given to a manifest; a region that nobody knows is left open."""
    values = {"FMBENCH_RUN": run}
    with suppress(DeployError, InputError):
        values["AWS_REGION"] = region_of(experiment)
    return values if token is None else {**values, **dict.fromkeys(TOKEN_NAMES, token)}


def _taken_as_it_is(experiment: Experiment) -> Experiment:
    if given(experiment.ep_name) is None:
        raise DeployError("platform eks needs deploy: yes and a manifest, or ep_name, the address of what runs already")
    return experiment


def _make(experiment: Experiment, making: _Making, cluster: Cluster) -> Endpoint:
    """Make the objects, wait until they are ready and have an address, and ask it."""
    context, settings = making.context, experiment.eks
    assert settings is not None
    context.say(f"making {len(making.manifest.objects)} objects of {making.manifest.path.name} on {making.access}")
    for one in making.manifest.objects:
        cluster.create(one)
    turns = aws_waiting.looks(settings.startup_timeout, context.pause)
    _, made = objects.recorded(making.endpoint.resources)
    objects.wait_until_ready(cluster, made, turns, settings.scheduling_timeout, context.say)
    url = _reached(making, cluster, turns)
    _ask(url, making, cluster, made, turns)
    return replace(making.endpoint, urls=(url,))


def _reached(making: _Making, cluster: Cluster, turns: Iterator[bool]) -> str:
    """The endpoint's address, once it has one."""
    route, context = making.route, making.context
    if route.way == "port_forward":
        listener = start_listener(making.access, route, making.endpoint.experiment_name, context.log_folder)
        listener.listen_once_recorded(
            lambda: making.note(
                resources=(*making.endpoint.resources, listener.to_resource()),
                log_files=(*making.endpoint.log_files, str(listener.log_file)),
            )
        )
        context.say(f"{host_of(listener.url)} leads to {named(route.target)} through the API server, which costs time")
        return listener.url
    for more in chain([True], turns):
        url = address_of(cluster.get(route.target), route)
        if url is not None:
            context.say(f"{named(route.target)} answers at {host_of(url)}")
            return url
        if not more:
            break
    raise DeployError(
        f"{named(route.target)} has not got an address within eks.startup_timeout: "
        f"{objects.last_event(cluster, route.target) or 'no event says why'}; the cluster needs a load balancer or "
        "ingress controller, or write eks.expose: port_forward"
    )


def _ask(
    url: str, making: _Making, cluster: Cluster, made: list[objects.RecordedObject], turns: Iterator[bool]
) -> None:
    """A real request, again and again until it is answered: a new address takes a while to be known everywhere."""
    said = ""
    for more in chain([True], turns):  # once at least, however late it is
        try:
            return making.context.probe(url, making.endpoint.model)
        except EndpointError as error:
            if str(error) != said:
                said = str(error)
                making.context.say(f"not answering yet: {said}")
            trouble = objects.trouble(cluster, made)
            if trouble:
                raise DeployError(f"{trouble}; the endpoint answered: {said}") from None
            if not more:
                break
    raise DeployError(f"everything is ready, but no request is answered: {said}{objects.log_ends(cluster, made)}")
