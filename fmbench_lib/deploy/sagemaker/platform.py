"""Platform `sagemaker`: a real-time endpoint, created and deleted by the run, or one that exists already."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, cast

from fmbench_lib.aws.addresses import endpoint_invocation_url
from fmbench_lib.aws.calls import caller, hidden, secrets_in
from fmbench_lib.config import Experiment
from fmbench_lib.config.platforms import SAGEMAKER
from fmbench_lib.deploy import run_marks
from fmbench_lib.deploy.aws_settings import bucket_of, given, region_of
from fmbench_lib.deploy.existing_address import is_web_address, plan_of_existing, use_existing
from fmbench_lib.deploy.making import Making, check_answers
from fmbench_lib.deploy.neuron import compile as neuron_compile
from fmbench_lib.deploy.neuron import settings as neuron
from fmbench_lib.deploy.platform import CloudWatchName, DeployContext, Endpoint
from fmbench_lib.deploy.sagemaker import jumpstart, logs, resources
from fmbench_lib.deploy.sagemaker.model_container import Container, MakingSageMaker, container_of, needs_bucket
from fmbench_lib.deploy.sagemaker.recipe import Recipe, recipe_of
from fmbench_lib.deploy.sagemaker.resources import SageMakerResource
from fmbench_lib.deploy.waiting import wait_until_in_service
from fmbench_lib.errors import DeployError, EndpointError


class SageMakerPlatform:
    """Creates, watches and deletes SageMaker endpoints."""

    def plan(self, experiment: Experiment) -> str:
        """What would be created, or which endpoint is used."""
        if not experiment.deploy:
            return plan_of_existing(_existing_name(experiment))
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

        Each of its resources is recorded before it is created. Raises DeployError, having deleted all of them; where
        the run is interrupted they stay as recorded, for the cleanup to delete.
        """
        if not experiment.deploy:
            return _use_existing(experiment, context)
        recipe = recipe_of(experiment)
        context.say(f"AWS account {caller(recipe.region)['Account']}, region {recipe.region}")
        making = _begun(experiment, recipe, context)
        with making.or_give_up(self.delete):
            container = container_of(experiment, recipe, making)
            _make(experiment, recipe, container, making)
            described = _described(making.endpoint, experiment, context)
        return making.in_service(**described)

    def why_dead(self, endpoint: Endpoint) -> str:
        """The endpoint's state and its reason where it is not in service; empty where it is."""
        if endpoint.deleted_at is not None:
            return "it was deleted"
        known = _resource_of(endpoint)
        try:
            facts = resources.describe("endpoint", known["name"], known["region"])
        except DeployError as error:
            return str(error)
        if facts is None:
            return f"endpoint {known['name']} no longer exists"
        state = facts["EndpointStatus"]
        return "" if state == "InService" else f"endpoint {known['name']} is {state}: {_reason(facts)}"

    def delete(self, endpoint: Endpoint) -> Endpoint:
        """Delete everything that the run created for the endpoint, the endpoint first, and check that it is gone.

        One resource that cannot be deleted does not keep the others: raises DeployError at the end, with all errors.
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
        raise DeployError("platform sagemaker needs ep_name, an endpoint that exists, or deploy: yes to create one")
    return name


def _use_existing(experiment: Experiment, context: DeployContext) -> Endpoint:
    """An endpoint that was there before the run: described, probed once, and never deleted."""
    name = _existing_name(experiment)
    if is_web_address(name):
        return use_existing(experiment, context)
    region = region_of(experiment)
    endpoint = Endpoint(
        experiment_name=experiment.name,
        platform=SAGEMAKER,
        urls=(endpoint_invocation_url(name, region),),
        owned=False,
        resources=(SageMakerResource(kind="endpoint", name=name, region=region),),
        created_at=time.time(),
        model=experiment.model_id,
    )
    making = Making(endpoint, context)
    with making.or_give_up():
        _check_in_service(name, region)
        check_answers(context, endpoint.urls[0], endpoint.model, partial(_why_silent, endpoint, ()))
        described = _described(endpoint, experiment, context)
    return making.in_service(**described)


def _check_in_service(name: str, region: str) -> None:
    facts = resources.describe("endpoint", name, region)
    if facts is None:
        raise DeployError(f"endpoint {name} (ep_name) does not exist in {region}; correct the name or the region")
    if facts["EndpointStatus"] != "InService":
        reason = f": {_reason(facts)}" if facts.get("FailureReason") else ""
        raise DeployError(f"endpoint {name} is {facts['EndpointStatus']}, not in service{reason}")


def _begun(experiment: Experiment, recipe: Recipe, context: DeployContext) -> MakingSageMaker:
    """The endpoint, recorded before anything of it is created."""
    name = run_marks.fresh_name(context.run_id, given(experiment.ep_name) or experiment.name)
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
    return MakingSageMaker(endpoint, context)


def _resource_of(endpoint: Endpoint) -> SageMakerResource:
    """The endpoint itself, among the resources that it is created from."""
    return cast(SageMakerResource, endpoint.resources[-1])


def _make(experiment: Experiment, recipe: Recipe, container: Container, making: MakingSageMaker) -> None:
    """Create model, configuration and endpoint, wait until it is in service, and probe it."""
    context, hide = making.context, secrets_in(container["Environment"])
    tags = [{"Key": key, "Value": value} for key, value in run_marks.tags(context.run_id, experiment.name).items()]
    context.say(f"creating endpoint {making.name} on {recipe.instance_count} × {recipe.instance_type}")
    resources.create(making.name, recipe, container, experiment.production_variant_name, tags)
    endpoint = making.endpoint
    wait_until_in_service(
        resources.subject_of(_resource_of(endpoint), hide),
        experiment.sagemaker.startup_timeout,
        "sagemaker.startup_timeout",
        context,
        partial(_log_end, endpoint, hide),
    )
    check_answers(context, endpoint.urls[0], endpoint.model, partial(_why_silent, endpoint, hide))


def _log_end(endpoint: Endpoint, hide: Sequence[str]) -> str:
    known = _resource_of(endpoint)
    return f"; {logs.tail(known['name'], known['region'], hide)}"


def _why_silent(endpoint: Endpoint, hide: Sequence[str], error: EndpointError) -> str:
    name, message = _resource_of(endpoint)["name"], hidden(str(error), hide)
    return f"endpoint {name} is in service but does not answer: {message}{_log_end(endpoint, hide)}"


def _reason(facts: Mapping[str, Any]) -> str:
    return facts.get("FailureReason") or "no reason given"


def _described(endpoint: Endpoint, experiment: Experiment, context: DeployContext) -> dict[str, Any]:
    """What SageMaker really runs, as fields of the endpoint; differences from the config are reported."""
    known = _resource_of(endpoint)
    variant, arn = _variant(known, experiment)
    real: SageMakerResource = {
        **known,
        "arn": arn,
        "variant": variant.get("VariantName"),
        "instance_type": variant.get("InstanceType"),
        "instance_count": variant.get("InitialInstanceCount"),
    }
    runs = (real["instance_type"], real["instance_count"])
    configured = (experiment.instance_type, experiment.instance_count or 1)
    if runs[0] and runs != configured:
        context.say(
            f"endpoint {known['name']} is {runs[1]} × {runs[0]}, the config says {configured[1]} × {configured[0]}"
        )
    dimensions = {
        "EndpointName": known["name"],
        "VariantName": variant.get("VariantName") or experiment.production_variant_name,
    }
    return {
        "resources": (*endpoint.resources[:-1], real),
        "cloudwatch": CloudWatchName(known["region"], dimensions),
    }


def _variant(known: SageMakerResource, experiment: Experiment) -> tuple[Mapping[str, Any], str | None]:
    """The endpoint's variant that the experiment means, as SageMaker describes it, and the endpoint's ARN."""
    name, region = known["name"], known["region"]
    facts = resources.describe("endpoint", name, region) or {}
    config = resources.describe("endpoint_config", facts.get("EndpointConfigName", ""), region) or {}
    variants: dict[str, Any] = {variant["VariantName"]: variant for variant in config.get("ProductionVariants", [])}
    wanted = experiment.production_variant_name
    if wanted not in variants and "production_variant_name" in experiment.model_fields_set and variants:
        raise DeployError(f"endpoint {name} has no variant {wanted}; it has {', '.join(variants)}")
    return variants.get(wanted) or next(iter(variants.values()), {}), facts.get("EndpointArn")
