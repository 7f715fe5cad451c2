"""Platform `bedrock`: a model that is served already. Access to it is checked before any load; nothing is deployed,
unless provisioned throughput is to be bought, which is deleted after the run.
"""

from __future__ import annotations

import time
from dataclasses import replace
from functools import partial
from typing import cast

from fmbench_lib.aws.addresses import model_url
from fmbench_lib.aws.calls import caller, hidden
from fmbench_lib.config import Experiment
from fmbench_lib.config.platforms import BEDROCK
from fmbench_lib.deploy.aws_settings import given, region_of
from fmbench_lib.deploy.bedrock import provisioned
from fmbench_lib.deploy.bedrock.model_check import check_model
from fmbench_lib.deploy.bedrock.provisioned import Throughput
from fmbench_lib.deploy.existing_address import is_web_address, use_existing
from fmbench_lib.deploy.making import Making, begin, check_answers
from fmbench_lib.deploy.platform import CloudWatchName, DeployContext, Endpoint
from fmbench_lib.deploy.waiting import wait_until_in_service
from fmbench_lib.errors import DeployError, EndpointError


class BedrockPlatform:
    """Checks models of Bedrock; buys and deletes provisioned throughput."""

    def plan(self, experiment: Experiment) -> str:
        """Which model is called, and what is bought for it."""
        model, region = _model(experiment), region_of(experiment)
        units = _units(experiment)
        if units is None:
            return f"a model that exists: {model} in {region}"
        return (
            f"buys {units} model unit{'s' if units != 1 else ''} of {model} in {region} by the hour, "
            "and deletes the provisioned throughput after the run"
        )

    def deploy(self, experiment: Experiment, context: DeployContext) -> Endpoint:
        """The model's address, having answered a real request. Raises DeployError with the reason why it has not."""
        model = _model(experiment)
        if is_web_address(model):
            return use_existing(experiment, context)
        region, units = region_of(experiment), _units(experiment)
        if experiment.api_key_env is None:  # a Bedrock key opens the runtime, not the calls that describe models
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
            cloudwatch=_cloudwatch(model, region),
        )
        making = Making(endpoint, context)
        with making.or_give_up():
            if experiment.api_key_env is None:
                check_model(model, region, experiment, context)
            check_answers(context, endpoint.urls[0], model, partial(_why_silent, model, region))
        return making.in_service()

    def _bought(self, experiment: Experiment, model: str, region: str, units: int, context: DeployContext) -> Endpoint:
        """Throughput bought, in service and having answered; deleted at once where that fails."""
        resource = provisioned.planned(context.run_id, region, units)
        endpoint = Endpoint(
            experiment_name=experiment.name,
            platform=BEDROCK,
            owned=True,
            resources=(resource,),
            created_at=time.time(),
            model=model,
            cloudwatch=_cloudwatch(model, region),
        )
        making = begin(endpoint, context)
        with making.or_give_up(self.delete):
            context.say(f"buying {units} × provisioned throughput of {model}: {resource['name']}")
            arn = provisioned.buy(resource, model, experiment.name)
            bought: Throughput = {**resource, "arn": arn}
            making.note(urls=(model_url(arn, region),), resources=(bought,))
            patience = experiment.bedrock.startup_timeout
            wait_until_in_service(provisioned.subject_of(bought), patience, "bedrock.startup_timeout", context)
            check_answers(context, making.endpoint.urls[0], model, partial(_why_silent, model, region))
        return making.in_service()

    def why_dead(self, endpoint: Endpoint) -> str:
        """The state of bought throughput that is not in service; empty otherwise: a model on demand always is."""
        if endpoint.deleted_at is not None:
            return "it was deleted"
        if not endpoint.owned:
            return ""
        (resource,) = _throughputs(endpoint)
        try:
            facts = provisioned.describe(resource)
        except DeployError as error:
            return str(error)
        title = f"provisioned throughput {resource['name']}"
        if facts is None:
            return f"{title} no longer exists"
        return "" if facts["status"] == "InService" else f"{title} is {facts['status']}"

    def delete(self, endpoint: Endpoint) -> Endpoint:
        """Delete the throughput that the run bought and check that it is gone; nothing where it bought none."""
        if not endpoint.owned or endpoint.deleted_at is not None:
            return endpoint
        for resource in _throughputs(endpoint):
            provisioned.remove(resource)
        return replace(endpoint, status="deleted", deleted_at=time.time())


PLATFORM = BedrockPlatform()


def _throughputs(endpoint: Endpoint) -> list[Throughput]:
    return [cast(Throughput, resource) for resource in endpoint.resources]


def _cloudwatch(model: str, region: str) -> CloudWatchName:
    return CloudWatchName(region, {"ModelId": model})


def _model(experiment: Experiment) -> str:
    """The model that is called: `ep_name` where it is given (a profile, an ARN, an address), else the model's id."""
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


def _why_silent(model: str, region: str, error: EndpointError) -> str:
    """Why a request failed; a request shows what no description does: whether the account may call the model."""
    message = hidden(str(error))
    if "AccessDenied" in message or "access to the model" in message:
        return (
            f"no access to {model} in {region}: {message}; request it on Bedrock's Model access page, "
            "and let the caller's role invoke it"
        )
    return message
