"""Platform `eks`: a manifest's objects on a Kubernetes cluster, created and deleted by the run."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

from fmbench_lib.config import Experiment
from fmbench_lib.config.platforms import EKS
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
from fmbench_lib.deploy.existing_address import plan_of_existing, use_existing
from fmbench_lib.deploy.making import Making
from fmbench_lib.deploy.platform import DeployContext, Endpoint
from fmbench_lib.deploy.waiting import looks
from fmbench_lib.errors import DeployError, EndpointError, InputError
from fmbench_lib.host import process
from fmbench_lib.workspace import path_part

_RUN_UNKNOWN = "RUN"


class EksPlatform:
    """Applies manifests, watches the objects that they create, and deletes them."""

    def plan(self, experiment: Experiment) -> str:
        """What would be created where, and how it would be reached."""
        if not experiment.deploy:
            return plan_of_existing(_with_address(experiment).ep_name)
        manifest = read_manifest(experiment, _values(experiment, _RUN_UNKNOWN, None))
        access = access_of(experiment)
        return (
            f"deploys {manifest.path.name} to {access}: {described(manifest.objects)}; "
            f"reached by {route_of(experiment, manifest.objects)}"
        )

    def deploy(self, experiment: Experiment, context: DeployContext) -> Endpoint:
        """The experiment's endpoint, all of it ready and having answered a real request.

        Every object is recorded before it is created. Raises DeployError, having deleted all of them; where the run is
        interrupted they stay as recorded, for the cleanup to delete.
        """
        if not experiment.deploy:
            return use_existing(_with_address(experiment), context)
        making = _planned(experiment, context)
        with cluster_of(making.access, making.hide) as cluster:
            existing = objects.check_absent(cluster, making.manifest.objects)
            making.begin(existing)
            with making.or_give_up(self.delete):
                url = _make(experiment, making, cluster)
        return making.in_service(urls=(url,))

    def why_dead(self, endpoint: Endpoint) -> str:
        """Which objects are missing or not ready, as the cluster says; empty where none is."""
        if endpoint.deleted_at is not None:
            return "it was deleted"
        mark = listener_mark(endpoint)
        if mark is not None and not process.running(mark):
            return f"the port-forward (process {mark.pid}) {process.ending(mark)}"
        access, created = objects.recorded(endpoint.resources)
        try:
            with cluster_of(access) as cluster:
                return objects.trouble(cluster, created)
        except (DeployError, InputError) as error:
            return str(error)

    def delete(self, endpoint: Endpoint) -> Endpoint:
        """Delete every object that the run created, the last first, and check that they and their pods are gone."""
        if not endpoint.owned or endpoint.deleted_at is not None:
            return endpoint
        mark = listener_mark(endpoint)
        if mark is not None:
            process.stop(mark)
        access, created = objects.recorded(endpoint.resources)
        if created:
            with cluster_of(access) as cluster:
                with suppress(DeployError, OSError):  # deleting matters more than logs
                    objects.keep_logs(cluster, created, Path(endpoint.log_files[0]))
                objects.delete_all(cluster, created)
        return replace(endpoint, status="deleted", deleted_at=time.time())


PLATFORM = EksPlatform()


@dataclass(slots=True)
class _MakingObjects(Making):
    """An endpoint being deployed, and what it is deployed from."""

    access: Access
    manifest: Manifest
    route: Route
    deployment: str
    hide: tuple[str, ...]

    def begin(self, existing: frozenset[str]) -> None:
        """Record every object that is about to be created; `existing` are namespaces that are there and stay."""
        planned = tuple(planned for planned in self.manifest.objects if named(planned) not in existing)
        self.manifest = replace(self.manifest, objects=planned)
        resources = [objects.to_resource(planned_object, self.deployment) for planned_object in planned]
        log_file = self.context.log_folder / f"{path_part(self.endpoint.experiment_name)}-pods.log"
        self.note(resources=(self.access.to_resource(), *resources), log_files=(str(log_file.resolve()),))


def _planned(experiment: Experiment, context: DeployContext) -> _MakingObjects:
    """Everything that is known before the cluster is queried; raises DeployError."""
    access = access_of(experiment)
    run = dns_text(context.run_id)
    manifest = read_manifest(experiment, _values(experiment, run, context.hf_token))
    if manifest.tokens and context.hf_token is None:
        raise DeployError(f"{manifest.path} holds ${{{TOKEN_NAMES[0]}}}: set {TOKEN_NAMES[0]}, or name hf_token.txt")
    deployment = f"{label_text(context.run_id)[:40]}-{secrets.token_hex(4)}"
    labels = {RUN_LABEL: label_text(context.run_id), DEPLOYMENT_LABEL: deployment}
    labelled = tuple(marked(planned, labels, experiment.name) for planned in manifest.objects)
    manifest = replace(manifest, objects=labelled)
    endpoint = Endpoint(
        experiment_name=experiment.name,
        platform=EKS,
        owned=True,
        created_at=time.time(),
        model=experiment.model_id,
    )
    route = route_of(experiment, manifest.objects)
    hide = (context.hf_token,) if context.hf_token else ()
    return _MakingObjects(endpoint, context, access, manifest, route, deployment, hide)


def _values(experiment: Experiment, run: str, token: str | None) -> Mapping[str, str]:
    """The values that are always given to a manifest; a region that is not known is left open."""
    values = {"FMBENCH_RUN": run}
    with suppress(DeployError, InputError):
        values["AWS_REGION"] = region_of(experiment)
    return values if token is None else {**values, **dict.fromkeys(TOKEN_NAMES, token)}


def _with_address(experiment: Experiment) -> Experiment:
    """The experiment, which names the address of an endpoint that exists; raises DeployError where it names none."""
    if given(experiment.ep_name) is None:
        raise DeployError("platform eks needs deploy: yes and a manifest, or ep_name, the address of what runs already")
    return experiment


def _make(experiment: Experiment, making: _MakingObjects, cluster: Cluster) -> str:
    """Create the objects, wait until they are ready and have an address, and probe it; the address."""
    context, settings = making.context, experiment.eks
    assert settings is not None
    planned = making.manifest.objects
    context.say(f"creating {len(planned)} objects of {making.manifest.path.name} on {making.access}")
    for planned_object in planned:
        cluster.create(planned_object)
    checks = looks(settings.startup_timeout, context.pause)
    _, created = objects.recorded(making.endpoint.resources)
    objects.wait_until_ready(cluster, created, checks, settings.scheduling_timeout, context.say)
    url = _reached(making, cluster, checks)
    _wait_for_answer(url, making, cluster, created, checks)
    return url


def _reached(making: _MakingObjects, cluster: Cluster, checks: Iterator[bool]) -> str:
    """The endpoint's address, once it has one; raises DeployError where it gets none in time."""
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
    for more in chain([True], checks):
        url = address_of(cluster.get(route.target), route)
        if url is not None:
            context.say(f"{named(route.target)} answers at {host_of(url)}")
            return url
        if not more:
            break
    raise DeployError(
        f"{named(route.target)} got no address within eks.startup_timeout: "
        f"{objects.last_event(cluster, route.target) or 'no event says why'}; the cluster needs a load balancer or "
        "ingress controller, or write eks.expose: port_forward"
    )


def _wait_for_answer(
    url: str, making: _MakingObjects, cluster: Cluster, created: list[objects.RecordedObject], checks: Iterator[bool]
) -> None:
    """Probe until a request is answered: a new address takes a while to be known everywhere. Raises DeployError."""
    refusal = ""
    for more in chain([True], checks):  # at least once, however late
        try:
            return making.context.probe(url, making.endpoint.model)
        except EndpointError as error:
            if str(error) != refusal:
                refusal = str(error)
                making.context.say(f"not answering yet: {refusal}")
            trouble = objects.trouble(cluster, created)
            if trouble:
                raise DeployError(f"{trouble}; the endpoint answered: {refusal}") from None
            if not more:
                break
    raise DeployError(f"everything is ready, but no request is answered: {refusal}{objects.log_ends(cluster, created)}")
