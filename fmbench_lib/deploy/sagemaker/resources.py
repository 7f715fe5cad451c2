"""The three resources of a SageMaker endpoint: model, endpoint configuration, endpoint.

Each is recorded by name before it is created. A name has a random part, and each resource carries the run's id as a
tag, so that only what this run created is deleted, and nothing that happens to have the same name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NotRequired, TypedDict, cast

from fmbench_lib.aws.answers import part_of
from fmbench_lib.aws.calls import explained, secrets_in, translated, unless_gone
from fmbench_lib.aws.session import client
from fmbench_lib.deploy import run_marks
from fmbench_lib.deploy.neuron import compile as neuron_compile
from fmbench_lib.deploy.sagemaker.recipe import Recipe
from fmbench_lib.deploy.waiting import State, Subject, delete_until_gone
from fmbench_lib.errors import DeployError

Kind = Literal["model", "endpoint_config", "endpoint"]

DELETING_PATIENCE_S = 1800.0
_TITLES: Mapping[Kind, str] = {
    "model": "model",
    "endpoint_config": "endpoint configuration",
    "endpoint": "endpoint",
}
"""The kinds of resources, in the order in which they are created, and what messages call them."""
_NAME_PARAMETERS = {"model": "ModelName", "endpoint_config": "EndpointConfigName", "endpoint": "EndpointName"}
_ON_THE_WAY = ("InService", "Creating", "Updating", "SystemUpdating", "RollingBack")


class SageMakerResource(TypedDict):
    """What is recorded of a model, endpoint configuration or endpoint.

    An endpoint that exists already has no `run_id`. The other keys say what SageMaker really runs, once it is known.
    """

    kind: Kind
    name: str
    region: str
    run_id: NotRequired[str]
    arn: NotRequired[str | None]
    variant: NotRequired[str | None]
    instance_type: NotRequired[str | None]
    instance_count: NotRequired[int | None]


def planned(name: str, region: str, run_id: str) -> list[SageMakerResource]:
    """The records of the three resources, in the order in which they are created."""
    return [SageMakerResource(kind=kind, name=name, region=region, run_id=run_id) for kind in _TITLES]


def create(
    name: str, recipe: Recipe, container: Mapping[str, Any], variant: str, tags: Sequence[Mapping[str, str]]
) -> None:
    """Create all three; the endpoint then comes into service by itself. Raises DeployError for what AWS refuses."""
    sagemaker = client("sagemaker", recipe.region)
    hide = secrets_in(container["Environment"])
    what = f"{recipe.instance_count} × {recipe.instance_type} in {recipe.region}"
    with translated("creating the SageMaker model", hide=hide):
        sagemaker.create_model(
            ModelName=name, PrimaryContainer=dict(container), ExecutionRoleArn=recipe.role, Tags=tags
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
    with translated(f"creating the endpoint configuration for {what}", hide=hide):
        sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[production], Tags=tags)
    with translated(f"creating an endpoint of {what}", hide=hide):
        sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=name, Tags=tags)


def describe(kind: Kind, name: str, region: str) -> dict[str, Any] | None:
    """SageMaker's description of a resource; None where there is none of that name. Raises DeployError."""
    with translated(f"looking at {_TITLES[kind]} {name}"):
        operation = getattr(client("sagemaker", region), f"describe_{kind}")
        facts: dict[str, Any] | None = unless_gone(lambda: operation(**{_NAME_PARAMETERS[kind]: name}))
    return facts


def subject_of(resource: SageMakerResource, hide: Sequence[str] = ()) -> Subject:
    """A resource as something that is waited for; `hide` are secrets that its failure may quote."""
    kind, name, region = resource["kind"], resource["name"], resource["region"]

    def state() -> State | None:
        facts = describe(kind, name, region)
        return None if facts is None else _state(f"{_TITLES[kind]} {name}", facts, hide)

    return Subject(f"{_TITLES[kind]} {name}", region, state, lambda: _delete(kind, name, region))


def _state(title: str, facts: Mapping[str, Any], hide: Sequence[str]) -> State:
    """The state of a resource; a model or configuration that exists has none of its own."""
    arn = next((facts[key] for key in ("EndpointArn", "EndpointConfigArn", "ModelArn") if key in facts), None)
    if arn is None:
        raise DeployError(f"looking at {title}: the answer is not in AWS's form; check the proxy and AWS_ENDPOINT_URL")
    status = facts.get("EndpointStatus", "there")
    failure = ""
    if "EndpointStatus" in facts and status not in _ON_THE_WAY:
        failure = explained(f"{title} {status}", "", facts.get("FailureReason") or "no reason given", hide)
    return State(status, failure, arn)


def remove_all(resources: Sequence[Mapping[str, Any]]) -> None:
    """Delete these, one after the other; raises DeployError at the end for all that could not be.

    The configuration of an endpoint that could not be deleted is kept: AWS needs it as long as the endpoint exists.
    """
    errors: dict[str, list[str]] = {}
    for resource in resources:
        if resource["kind"] == "endpoint_config" and "endpoint" in errors:
            continue
        try:
            remove(resource)
        except DeployError as error:
            errors.setdefault(resource["kind"], []).append(str(error))
    if errors:
        raise DeployError("; ".join(message for messages in errors.values() for message in messages))


def remove(resource: Mapping[str, Any], patience: float = DELETING_PATIENCE_S) -> None:
    """Delete what a run created and check that it is gone; does nothing where it is gone, or is not the run's.

    An endpoint that is still being created cannot be deleted yet: that is waited for. Raises DeployError where it
    exists after `patience` seconds, or where AWS does not let it be deleted.
    """
    if neuron_compile.removed(resource):
        return
    known = cast(SageMakerResource, resource)

    def is_ours(state: State) -> bool:
        return run_marks.carries_run(lambda: _tags(state.arn, known["region"]), known["run_id"])

    delete_until_gone(subject_of(known), is_ours, patience)


def _delete(kind: Kind, name: str, region: str) -> None:
    from botocore.exceptions import ClientError

    with translated(f"deleting {_TITLES[kind]} {name}"):
        operation = getattr(client("sagemaker", region), f"delete_{kind}")
        try:
            unless_gone(lambda: operation(**{_NAME_PARAMETERS[kind]: name}))
        except ClientError as error:
            if "in-progress" not in error.response["Error"].get("Message", "").lower():
                raise


def _tags(arn: str, region: str) -> dict[str, str]:
    with translated(f"reading the tags of {arn}"):
        tags = part_of(client("sagemaker", region).list_tags(ResourceArn=arn), "Tags")
    return {tag["Key"]: tag["Value"] for tag in tags}
