"""Platform `sagemaker`: a real-time endpoint, made and deleted by the run, or one that exists already."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

from fmbench_lib.aws.addresses import endpoint_invocation_url
from fmbench_lib.aws.calls import caller, explained, hidden, secrets_in
from fmbench_lib.config import Experiment
from fmbench_lib.config.platforms import SAGEMAKER
from fmbench_lib.deploy.aws_settings import bucket_of, given, region_of
from fmbench_lib.deploy.existing import platform as existing
from fmbench_lib.deploy.neuron import compile as neuron_compile
from fmbench_lib.deploy.neuron import settings as neuron
from fmbench_lib.deploy.platform import DeployContext, Endpoint
from fmbench_lib.deploy.sagemaker import jumpstart, logs, resources
from fmbench_lib.deploy.sagemaker.model_container import Container, Making, container_of, needs_bucket
from fmbench_lib.deploy.sagemaker.recipe import Recipe, recipe_of
from fmbench_lib.deploy.waiting import looks
from fmbench_lib.errors import DeployError, EndpointError

_ON_THE_WAY = ("Creating", "Updating", "SystemUpdating", "RollingBack")


class SageMakerPlatform:
    """Makes, watches and deletes SageMaker endpoints."""

    def plan(self, experiment: Experiment) -> str:
        """What would be made, or which endpoint is used."""
        if not experiment.deploy:
            return f"an endpoint that exists: {_existing_name(experiment)}"
        recipe = recipe_of(experiment)
        if recipe.kind == "jumpstart":
            jumpstart.check_available(experiment.model_id)
        if needs_bucket(experiment, recipe):
            bucket_of(experiment)
        compiling = ""
        if recipe.kind != "jumpstart" and neuron.is_compiled(experiment):
            compiling = f"; {neuron_compile.planned(experiment)}"
        return (
            f"deploys {experiment.model_id or experiment.name} on {recipe.instance_count} × {recipe.instance_type} "
            f"in {recipe.region} ({_WORDS[recipe.kind]}){compiling}"
        )

    def deploy(self, experiment: Experiment, context: DeployContext) -> Endpoint:
        """The experiment's endpoint, in service and having answered a real request.

        Everything that it is made of is recorded before it is made. Raises DeployError, having deleted all of it;
        where the run is interrupted it stands as recorded, for the cleanup to take down.
        """
        if not experiment.deploy:
            return _take_existing(experiment, context)
        recipe = recipe_of(experiment)
        context.say(f"AWS account {caller(recipe.region)['Account']}, region {recipe.region}")
        making = _begun(experiment, recipe, context)
        try:
            container = container_of(experiment, recipe, making)
            _make(experiment, recipe, container, making)
            endpoint = _described(making.endpoint, experiment, context)
        except (DeployError, EndpointError) as error:
            raise DeployError(_given_up(self, making, str(error))) from None
        making.note(status="in_service", in_service_at=time.time(), resources=endpoint.resources)
        return making.endpoint

    def alive(self, endpoint: Endpoint) -> bool:
        """Whether SageMaker says that the endpoint is in service."""
        return endpoint.deleted_at is None and self.why_dead(endpoint) == ""

    def why_dead(self, endpoint: Endpoint) -> str:
        """The endpoint's state and its reason where it is not in service; empty where it is."""
        if endpoint.deleted_at is not None:
            return "it was taken down"
        name, region = _name_of(endpoint), str(endpoint.resources[-1]["region"])
        try:
            facts = resources.describe("endpoint", name, region)
        except DeployError as error:
            return str(error)
        if facts is None:
            return f"endpoint {name} does not exist any more"
        if facts["EndpointStatus"] == "InService":
            return ""
        return f"endpoint {name} is {facts['EndpointStatus']}: {facts.get('FailureReason') or 'no reason given'}"

    def delete(self, endpoint: Endpoint) -> Endpoint:
        """Delete everything that the run made for the endpoint, the endpoint first, and see that it is gone.

        What cannot be deleted keeps nothing else: raises DeployError at the end, with all that was refused.
        """
        if not endpoint.owned or endpoint.deleted_at is not None:
            return endpoint
        resources.remove_all(list(reversed(endpoint.resources)))
        return replace(endpoint, status="deleted", deleted_at=time.time())


PLATFORM = SageMakerPlatform()

_WORDS = {
    "jumpstart": "from JumpStart's catalogue",
    "djl": "DJL, serving.properties",
    "artifacts": "an image and files in S3",
    "hub": "an image that fetches the model from Hugging Face",
}


def _existing_name(experiment: Experiment) -> str:
    name = given(experiment.ep_name)
    if name is None:
        raise DeployError("platform sagemaker needs ep_name, an endpoint that exists, or deploy: yes to make one")
    return name


def _take_existing(experiment: Experiment, context: DeployContext) -> Endpoint:
    """An endpoint that was there before the run: looked at, asked once, and never deleted."""
    name = _existing_name(experiment)
    if name.startswith(("http://", "https://")):
        return existing.PLATFORM.deploy(experiment, context)
    region = region_of(experiment)
    endpoint = Endpoint(
        experiment_name=experiment.name,
        platform=SAGEMAKER,
        urls=(endpoint_invocation_url(name, region),),
        owned=False,
        resources=({"kind": "endpoint", "name": name, "region": region},),
        created_at=time.time(),
        model=experiment.model_id,
    )
    try:
        facts = resources.describe("endpoint", name, region)
        if facts is None:
            raise DeployError(f"endpoint {name} (ep_name) does not exist in {region}; correct the name or the region")
        if facts["EndpointStatus"] != "InService":
            reason = f": {facts['FailureReason']}" if facts.get("FailureReason") else ""
            raise DeployError(f"endpoint {name} is {facts['EndpointStatus']}, not in service{reason}")
        _ask(endpoint, region, [], context)
        endpoint = _described(replace(endpoint, status="in_service", in_service_at=time.time()), experiment, context)
    except (DeployError, EndpointError) as error:
        context.record(replace(endpoint, status="failed", error=str(error)))
        raise DeployError(str(error)) from None
    context.record(endpoint)
    return endpoint


def _begun(experiment: Experiment, recipe: Recipe, context: DeployContext) -> Making:
    """The endpoint, written down before anything of it is made."""
    name = resources.fresh_name(given(experiment.ep_name) or experiment.name, context.run_id)
    endpoint = Endpoint(
        experiment_name=experiment.name,
        platform=SAGEMAKER,
        urls=(endpoint_invocation_url(name, recipe.region),),
        owned=True,
        resources=tuple(resources.planned(name, recipe.region, context.run_id)),
        created_at=time.time(),
        model=experiment.model_id,
    )
    context.record(endpoint)
    return Making(endpoint, context)


def _name_of(endpoint: Endpoint) -> str:
    return str(endpoint.resources[-1]["name"])


def _make(experiment: Experiment, recipe: Recipe, container: Container, making: Making) -> None:
    """Create model, configuration and endpoint, wait until it is in service, and ask it."""
    context, hide = making.context, secrets_in(container["Environment"])
    marks = resources.tags(context.run_id, experiment.name)
    context.say(f"creating endpoint {making.name} on {recipe.instance_count} × {recipe.instance_type}")
    resources.create(making.name, recipe, container, experiment.production_variant_name, marks)
    _wait_until_in_service(making.name, recipe, experiment.sagemaker.startup_timeout, hide, context)
    _ask(making.endpoint, recipe.region, hide, context)


def _wait_until_in_service(name: str, recipe: Recipe, patience: float, hide: list[str], context: DeployContext) -> None:
    state = ""
    for _ in looks(patience, context.pause):
        facts = resources.describe("endpoint", name, recipe.region)
        if facts is None:
            raise DeployError(f"endpoint {name} was deleted by somebody while it was being made")
        if facts["EndpointStatus"] != state:
            state = facts["EndpointStatus"]
            context.say(f"endpoint {name} is {state}")
        if state == "InService":
            return
        if state not in _ON_THE_WAY:
            reason = facts.get("FailureReason") or "no reason given"
            raise DeployError(explained(f"endpoint {name} {state}", "", reason, hide) + _log(name, recipe.region, hide))
    raise DeployError(
        f"endpoint {name} was not in service within {patience:g} s, it is {state} (sagemaker.startup_timeout)"
        + _log(name, recipe.region, hide)
    )


def _log(name: str, region: str, hide: list[str]) -> str:
    return f"; {logs.tail(name, region, hide)}"


def _ask(endpoint: Endpoint, region: str, hide: list[str], context: DeployContext) -> None:
    """A real request: being in service is a promise."""
    try:
        context.probe(endpoint.urls[0], endpoint.model)
    except EndpointError as error:
        name = _name_of(endpoint)
        said = hidden(str(error), hide)
        raise DeployError(
            f"endpoint {name} is in service but does not answer: {said}{_log(name, region, hide)}"
        ) from None


def _described(endpoint: Endpoint, experiment: Experiment, context: DeployContext) -> Endpoint:
    """The endpoint with what SageMaker says that it really is; differences from the config are said."""
    last = endpoint.resources[-1]
    facts = resources.describe("endpoint", last["name"], last["region"]) or {}
    config = resources.describe("endpoint_config", facts.get("EndpointConfigName", ""), last["region"]) or {}
    variants = {one["VariantName"]: one for one in config.get("ProductionVariants", [])}
    wanted = experiment.production_variant_name
    if wanted not in variants and "production_variant_name" in experiment.model_fields_set and variants:
        raise DeployError(f"endpoint {last['name']} has no variant {wanted}; it has {', '.join(variants)}")
    variant: dict[str, Any] = variants.get(wanted) or next(iter(variants.values()), {})
    found = {
        "arn": facts.get("EndpointArn"),
        "variant": variant.get("VariantName"),
        "instance_type": variant.get("InstanceType"),
        "instance_count": variant.get("InitialInstanceCount"),
    }
    real = (found["instance_type"], found["instance_count"])
    said = (experiment.instance_type, experiment.instance_count or 1)
    if real[0] and real != said:
        context.say(f"endpoint {last['name']} is {real[1]} × {real[0]}, the config says {said[1]} × {said[0]}")
    return replace(endpoint, resources=(*endpoint.resources[:-1], {**last, **found}))


def _given_up(platform: SageMakerPlatform, making: Making, error: str) -> str:
    """Take down what was made so far and record why; the error, and what stands where it could not be taken down."""
    endpoint = making.endpoint
    try:
        endpoint = platform.delete(endpoint)
    except DeployError as failure:
        error = f"{error}; what was made of it still stands: {failure}"
    making.note(status="failed", error=error, deleted_at=endpoint.deleted_at)
    return error
