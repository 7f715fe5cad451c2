"""Platform `bedrock`: a model that answers already. Access to it is checked before any load; nothing is deployed,
unless provisioned throughput is to be bought, which is given back after the run.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

from fmbench_lib.aws.addresses import model_url
from fmbench_lib.aws.calls import caller, client, hidden, is_gone, saying
from fmbench_lib.config import Experiment
from fmbench_lib.config.platforms import BEDROCK
from fmbench_lib.deploy.aws_settings import given, region_of
from fmbench_lib.deploy.bedrock import throughput
from fmbench_lib.deploy.existing import platform as existing
from fmbench_lib.deploy.platform import DeployContext, Endpoint
from fmbench_lib.errors import DeployError, EndpointError, ForbiddenError

_KINDS = (
    ("provisioned-model/", "get_provisioned_model_throughput", "provisionedModelId", "provisioned throughput"),
    ("application-inference-profile/", "get_inference_profile", "inferenceProfileIdentifier", "inference profile"),
    ("inference-profile/", "get_inference_profile", "inferenceProfileIdentifier", "inference profile"),
    ("imported-model/", "get_imported_model", "modelIdentifier", "imported model"),
    ("custom-model/", "get_custom_model", "modelIdentifier", "custom model"),
)
"""Part of an ARN, the call that describes it, its parameter, and what it is."""


class BedrockPlatform:
    """Checks models of Bedrock; buys and gives back provisioned throughput."""

    def plan(self, experiment: Experiment) -> str:
        """Which model is called, and what is bought for it."""
        model, region = _model(experiment), region_of(experiment)
        units = _units(experiment)
        if units is None:
            return f"a model that exists: {model} in {region}"
        return (
            f"buys {units} model unit{'s' if units != 1 else ''} of {model} in {region} by the hour, "
            "and gives it back after the run"
        )

    def deploy(self, experiment: Experiment, context: DeployContext) -> Endpoint:
        """The model's address, having answered a real request. Raises DeployError with what stands in its way."""
        model = _model(experiment)
        if model.startswith(("http://", "https://")):
            return existing.PLATFORM.deploy(experiment, context)
        region, units = region_of(experiment), _units(experiment)
        if experiment.api_key_env is None:  # a Bedrock key opens the runtime, not what describes models
            context.say(f"AWS account {caller(region)['Account']}, region {region}")
        if units is not None:
            return self._bought(experiment, model, region, units, context)
        endpoint = Endpoint(
            experiment_name=experiment.name,
            platform=BEDROCK,
            urls=(model_url(model, region),),
            owned=False,
            resources=({"kind": "model", "name": model, "region": region},),
            created_at=time.time(),
            model=model,
        )
        try:
            if experiment.api_key_env is None:
                _check(model, region, experiment, context)
            _ask(endpoint, region, context)
        except (DeployError, EndpointError) as error:
            context.record(replace(endpoint, status="failed", error=str(error)))
            raise DeployError(str(error)) from None
        endpoint = replace(endpoint, status="in_service", in_service_at=time.time())
        context.record(endpoint)
        return endpoint

    def _bought(self, experiment: Experiment, model: str, region: str, units: int, context: DeployContext) -> Endpoint:
        """Throughput bought, in service and having answered; given back at once where it does not come so far."""
        name = throughput.fresh_name(context.run_id)
        resource = {"kind": throughput.KIND, "name": name, "region": region, "run_id": context.run_id, "units": units}
        endpoint = Endpoint(
            experiment_name=experiment.name,
            platform=BEDROCK,
            owned=True,
            resources=(resource,),
            created_at=time.time(),
            model=model,
        )
        context.record(endpoint)
        try:
            context.say(f"buying {units} × provisioned throughput of {model}: {name}")
            arn = throughput.buy(resource, model, units, experiment.name)
            endpoint = replace(endpoint, urls=(model_url(arn, region),), resources=({**resource, "arn": arn},))
            context.record(endpoint)
            throughput.wait(endpoint.resources[0], experiment.bedrock.startup_timeout, context)
            _ask(endpoint, region, context)
        except (DeployError, EndpointError) as error:
            said = str(error)
            try:
                endpoint = self.delete(endpoint)
            except DeployError as failure:
                said = f"{said}; what was bought still stands: {failure}"
            context.record(replace(endpoint, status="failed", error=said))
            raise DeployError(said) from None
        endpoint = replace(endpoint, status="in_service", in_service_at=time.time())
        context.record(endpoint)
        return endpoint

    def alive(self, endpoint: Endpoint) -> bool:
        """Whether the model can be called: on demand it always can; throughput must be in service."""
        return endpoint.deleted_at is None and self.why_dead(endpoint) == ""

    def why_dead(self, endpoint: Endpoint) -> str:
        """The state of bought throughput that is not in service; empty otherwise."""
        if endpoint.deleted_at is not None:
            return "it was given back"
        if not endpoint.owned:
            return ""
        name = endpoint.resources[0]["name"]
        try:
            facts = throughput.describe(endpoint.resources[0])
        except DeployError as error:
            return str(error)
        if facts is None:
            return f"provisioned throughput {name} does not exist any more"
        return "" if facts["status"] == "InService" else f"provisioned throughput {name} is {facts['status']}"

    def delete(self, endpoint: Endpoint) -> Endpoint:
        """Give back what the run bought, seen to be gone; nothing where it bought nothing."""
        if not endpoint.owned or endpoint.deleted_at is not None:
            return endpoint
        for resource in endpoint.resources:
            throughput.give_back(resource)
        return replace(endpoint, status="deleted", deleted_at=time.time())


PLATFORM = BedrockPlatform()


def _model(experiment: Experiment) -> str:
    """What is called: `ep_name` where it is given (a profile, an ARN, an address), else the model's id."""
    model = given(experiment.ep_name) or given(experiment.model_id)
    if model is None:
        raise DeployError("platform bedrock needs model_id, or ep_name: a model, inference profile or ARN")
    return model


def _units(experiment: Experiment) -> int | None:
    """How many model units are to be bought; None where nothing is."""
    units = experiment.bedrock.model_units
    if units is not None and not experiment.deploy:
        raise DeployError("bedrock.model_units is bought only with deploy: yes; leave it out, or write deploy: yes")
    return units if experiment.deploy else None


def _check(model: str, region: str, experiment: Experiment, context: DeployContext) -> None:
    """Ask Bedrock about the model; a caller who may not ask goes on to the real request, which decides."""
    try:
        facts = _describe(model, region)
    except ForbiddenError as error:
        context.say(f"{model} could not be looked up: {error}")
        return
    status = facts.get("status")
    if status not in (None, "InService", "ACTIVE", "Active"):
        raise DeployError(f"{model} is {status} in {region}, not in service")
    details = facts.get("modelDetails")
    if details is None:
        return
    kinds = details.get("inferenceTypesSupported", [])
    if kinds and "ON_DEMAND" not in kinds:
        raise DeployError(
            f"{model} is not served on demand in {region} ({', '.join(kinds)}): write an inference profile such as "
            f"{_profile_prefix(region)}.{model}, or the ARN of provisioned throughput, as ep_name"
        )
    if experiment.inference_spec.stream and details.get("responseStreamingSupported") is False:
        raise DeployError(f"{model} does not stream: write inference_spec.stream: no")
    if details.get("modelLifecycle", {}).get("status") == "LEGACY":
        context.say(f"{model} is a legacy model in {region}: it will be withdrawn")


def _describe(model: str, region: str) -> dict[str, Any]:
    """What Bedrock says of a model, profile or throughput; raises DeployError where it has none in the region."""
    from botocore.exceptions import ClientError

    call, parameter, what = "get_foundation_model", "modelIdentifier", "model"
    for part, *other in _KINDS:
        if part in model:
            call, parameter, what = other
            break
    else:
        if model.split(".")[0] in _PROFILE_PREFIXES:
            call, parameter, what = "get_inference_profile", "inferenceProfileIdentifier", "inference profile"
    with saying(f"looking up {what} {model} in {region}"):
        try:
            found: dict[str, Any] = getattr(client("bedrock", region), call)(**{parameter: model})
        except ClientError as error:
            if is_gone(error) or error.response["Error"].get("Code") == "ValidationException":
                raise DeployError(
                    f"Bedrock has no {what} {model} in {region}: correct ep_name or model_id, or the region"
                ) from None
            raise
    return found


_PROFILE_PREFIXES = ("us", "eu", "apac", "us-gov", "ca", "jp", "au", "global")


def _profile_prefix(region: str) -> str:
    """What the ids of a region's inference profiles begin with."""
    if region.startswith("us-gov-"):
        return "us-gov"
    return {"us": "us", "eu": "eu", "ca": "ca"}.get(region.split("-")[0], "apac")


def _ask(endpoint: Endpoint, region: str, context: DeployContext) -> None:
    """A real request of a few tokens, which shows what no description does: whether the account may call the model."""
    try:
        context.probe(endpoint.urls[0], endpoint.model)
    except EndpointError as error:
        said = hidden(str(error))
        if "AccessDenied" in said or "access to the model" in said:
            said = (
                f"no access to {endpoint.model} in {region}: {said}; ask for it on Bedrock's Model access page, "
                "and let the caller's role invoke it"
            )
        raise DeployError(said) from None
