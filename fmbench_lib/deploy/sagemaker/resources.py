"""The three things that a SageMaker endpoint is made of: model, endpoint configuration, endpoint.

Each is written down by name before it is made. A name holds a random part, and each thing carries the run's id as a
tag, so that what is deleted is what this run made and nothing that happens to be called the same.
"""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Mapping, Sequence
from typing import Any

from fmbench_lib.aws.calls import client, is_gone, saying, secrets_in
from fmbench_lib.deploy.neuron import compile as neuron_compile
from fmbench_lib.deploy.sagemaker.recipe import Recipe
from fmbench_lib.deploy.waiting import looks
from fmbench_lib.errors import DeployError, ForbiddenError

Resource = dict[str, Any]

RUN_TAG = "fmbench:run-id"
EXPERIMENT_TAG = "fmbench:experiment"
DELETING_PATIENCE_S = 1800.0
_LONGEST_NAME = 63
_CALLS = {"model": "model", "endpoint_config": "endpoint configuration", "endpoint": "endpoint"}
"""Kinds of resources, and what a person calls them."""


def fresh_name(stem: str, run_id: str) -> str:
    """A name that nothing else has, as SageMaker allows it: what it is for, the run's id, a random part."""
    ending = f"-{re.sub('[^A-Za-z0-9]+', '-', run_id).strip('-')}-{secrets.token_hex(4)}"
    words = re.sub("[^A-Za-z0-9]+", "-", stem).strip("-")[: _LONGEST_NAME - len(ending) - len("fmbench-")]
    return "-".join(filter(None, ("fmbench", words.strip("-")))) + ending


def planned(name: str, region: str, run_id: str) -> list[Resource]:
    """How the three are written down, in the order in which they are made."""
    return [{"kind": kind, "name": name, "region": region, "run_id": run_id} for kind in _CALLS]


def tags(run_id: str, experiment_name: str) -> list[dict[str, str]]:
    """What everything that a run makes is tagged with."""
    allowed = re.sub(r"[^\w\s.:/=+\-@]", "_", experiment_name)[:256]
    return [{"Key": RUN_TAG, "Value": run_id}, {"Key": EXPERIMENT_TAG, "Value": allowed}]


def create(
    name: str, recipe: Recipe, container: Mapping[str, Any], variant: str, marks: Sequence[Mapping[str, str]]
) -> None:
    """Make all three; the endpoint then comes into service by itself. Raises DeployError for what AWS refuses."""
    sagemaker = client("sagemaker", recipe.region)
    hide = secrets_in(container["Environment"])
    what = f"{recipe.instance_count} × {recipe.instance_type} in {recipe.region}"
    with saying("creating the SageMaker model", hide):
        sagemaker.create_model(
            ModelName=name, PrimaryContainer=dict(container), ExecutionRoleArn=recipe.role, Tags=marks
        )
    production = {
        "VariantName": variant,
        "ModelName": name,
        "InstanceType": recipe.instance_type,
        "InitialInstanceCount": recipe.instance_count,
        "InitialVariantWeight": 1.0,
        "ContainerStartupHealthCheckTimeoutInSeconds": recipe.health_check_s,
        "ModelDataDownloadTimeoutInSeconds": recipe.health_check_s,
    }
    with saying(f"creating the endpoint configuration for {what}", hide):
        sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[production], Tags=marks)
    with saying(f"creating an endpoint of {what}", hide):
        sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=name, Tags=marks)


def describe(kind: str, name: str, region: str) -> dict[str, Any] | None:
    """What SageMaker says of a model, endpoint configuration or endpoint; None where there is none of that name."""
    from botocore.exceptions import ClientError

    parameter = {"model": "ModelName", "endpoint_config": "EndpointConfigName", "endpoint": "EndpointName"}[kind]
    with saying(f"looking at {_CALLS[kind]} {name}"):
        try:
            found: dict[str, Any] = getattr(client("sagemaker", region), f"describe_{kind}")(**{parameter: name})
        except ClientError as error:
            if is_gone(error):
                return None
            raise
    return found


def remove_all(made: Sequence[Resource]) -> None:
    """Delete these, one after the other; raises DeployError at the end for all that could not be.

    The configuration of an endpoint that could not be deleted is kept: AWS wants it as long as the endpoint stands.
    """
    errors: dict[str, list[str]] = {}
    for resource in made:
        if resource["kind"] == "endpoint_config" and "endpoint" in errors:
            continue
        try:
            remove(resource)
        except DeployError as error:
            errors.setdefault(resource["kind"], []).append(str(error))
    if errors:
        raise DeployError("; ".join(said for found in errors.values() for said in found))


def remove(resource: Resource, patience: float = DELETING_PATIENCE_S) -> None:
    """Delete what a run made and see that it is gone; does nothing where it is gone, or is not the run's.

    An endpoint that is still being made cannot be deleted yet: that is waited for. Raises DeployError where it stands
    after `patience` seconds, or where AWS does not let it be deleted.
    """
    if neuron_compile.removed(resource):
        return
    kind, name, region = resource["kind"], resource["name"], resource["region"]
    state, known = "there", False
    for more in looks(patience, time.sleep):
        facts = describe(kind, name, region)
        if facts is None or not (known or _made_by_run(facts, resource)):
            return
        known = True
        state = facts.get("EndpointStatus", state)
        if more and state != "Deleting":
            _delete(kind, name, region)
    raise DeployError(f"{_CALLS[kind]} {name} in {region} is still {state} after {patience:g} s of deleting it")


def _delete(kind: str, name: str, region: str) -> None:
    from botocore.exceptions import ClientError

    parameter = {"model": "ModelName", "endpoint_config": "EndpointConfigName", "endpoint": "EndpointName"}[kind]
    with saying(f"deleting {_CALLS[kind]} {name}"):
        try:
            getattr(client("sagemaker", region), f"delete_{kind}")(**{parameter: name})
        except ClientError as error:
            in_progress = "in-progress" in error.response["Error"].get("Message", "").lower()
            if not is_gone(error) and not in_progress:
                raise


def _made_by_run(facts: Mapping[str, Any], resource: Resource) -> bool:
    """Whether what has this name carries the run's tag. A caller who may not read tags has the name's random part."""
    arn = next(facts[key] for key in ("EndpointArn", "EndpointConfigArn", "ModelArn") if key in facts)
    try:
        with saying(f"reading the tags of {arn}"):
            found = client("sagemaker", resource["region"]).list_tags(ResourceArn=arn)["Tags"]
    except ForbiddenError:
        return True
    return any((tag["Key"], tag["Value"]) == (RUN_TAG, resource["run_id"]) for tag in found)
