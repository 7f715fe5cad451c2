"""Bedrock's description of a model, checked before any load: whether it is in service and what it supports."""

from __future__ import annotations

from typing import Any

from fmbench_lib.aws.calls import is_gone, translated
from fmbench_lib.aws.session import client
from fmbench_lib.config import Experiment
from fmbench_lib.deploy.platform import DeployContext
from fmbench_lib.errors import DeployError, ForbiddenError

_KINDS = (
    ("provisioned-model/", "get_provisioned_model_throughput", "provisionedModelId", "provisioned throughput"),
    ("application-inference-profile/", "get_inference_profile", "inferenceProfileIdentifier", "inference profile"),
    ("inference-profile/", "get_inference_profile", "inferenceProfileIdentifier", "inference profile"),
    ("imported-model/", "get_imported_model", "modelIdentifier", "imported model"),
    ("custom-model/", "get_custom_model", "modelIdentifier", "custom model"),
)
"""Part of an ARN, the call that describes it, its parameter, and what it is."""
_PROFILE_PREFIXES = ("us", "eu", "apac", "us-gov", "ca", "jp", "au", "global")


def check_model(model: str, region: str, experiment: Experiment, context: DeployContext) -> None:
    """Raise DeployError for a model that does not exist in the region or does not support what the config wants.

    A caller who may not describe models goes on to the real request, which decides.
    """
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
    """Bedrock's description of a model, profile or throughput; raises DeployError where the region has none."""
    from botocore.exceptions import ClientError

    call, parameter, what = _call_of(model)
    with translated(f"looking up {what} {model} in {region}"):
        try:
            facts: dict[str, Any] = getattr(client("bedrock", region), call)(**{parameter: model})
        except ClientError as error:
            if is_gone(error) or error.response["Error"].get("Code") == "ValidationException":
                raise DeployError(
                    f"Bedrock has no {what} {model} in {region}: correct ep_name or model_id, or the region"
                ) from None
            raise
    return facts


def _call_of(model: str) -> tuple[str, str, str]:
    """The call that describes a model, its parameter, and what messages call the model."""
    for part, *described in _KINDS:
        if part in model:
            call, parameter, what = described
            return call, parameter, what
    if model.split(".")[0] in _PROFILE_PREFIXES:
        return "get_inference_profile", "inferenceProfileIdentifier", "inference profile"
    return "get_foundation_model", "modelIdentifier", "model"


def _profile_prefix(region: str) -> str:
    """How the ids of a region's inference profiles begin."""
    if region.startswith("us-gov-"):
        return "us-gov"
    return {"us": "us", "eu": "eu", "ca": "ca"}.get(region.split("-")[0], "apac")
