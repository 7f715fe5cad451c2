"""Provisioned throughput of Bedrock: bought by the hour, tagged with the run, deleted after it.

Only throughput without commitment is bought: with one it would have to be paid to the end of its term.
"""

from __future__ import annotations

from typing import Any, NotRequired, TypedDict

from fmbench_lib.aws.answers import part_of
from fmbench_lib.aws.calls import translated, unless_gone
from fmbench_lib.aws.session import client
from fmbench_lib.deploy import run_marks
from fmbench_lib.deploy.waiting import State, Subject, delete_until_gone

KIND = "provisioned_throughput"
DELETING_PATIENCE_S = 1800.0


class Throughput(TypedDict):
    """What is recorded of bought throughput; its `arn` once it is known."""

    kind: str
    name: str
    region: str
    run_id: str
    units: int
    arn: NotRequired[str]


def planned(run_id: str, region: str, units: int) -> Throughput:
    """The record of throughput that is about to be bought, under a name that nothing else has."""
    return Throughput(kind=KIND, name=run_marks.fresh_name(run_id), region=region, run_id=run_id, units=units)


def buy(resource: Throughput, model: str, experiment_name: str) -> str:
    """Buy throughput under the name that has been recorded; its ARN. Raises DeployError for what AWS refuses.

    The name is the request's token too: a request that is sent twice buys once.
    """
    units, region = resource["units"], resource["region"]
    tags = run_marks.tags(resource["run_id"], experiment_name)
    with translated(f"buying {units} model unit{'s' if units != 1 else ''} of {model} in {region}"):
        answer = client("bedrock", region).create_provisioned_model_throughput(
            clientRequestToken=resource["name"],
            modelUnits=units,
            provisionedModelName=resource["name"],
            modelId=model,
            tags=[{"key": key, "value": value} for key, value in tags.items()],
        )
        return str(part_of(answer, "provisionedModelArn"))


def describe(resource: Throughput) -> dict[str, Any] | None:
    """Bedrock's description of the throughput; None where there is none of that name. Raises DeployError."""
    name, region = resource["name"], resource["region"]
    with translated(f"looking at provisioned throughput {name}"):
        facts: dict[str, Any] | None = unless_gone(
            lambda: client("bedrock", region).get_provisioned_model_throughput(provisionedModelId=name)
        )
        for key in ("status", "provisionedModelArn") if facts is not None else ():
            part_of(facts or {}, key)
    return facts


def subject_of(resource: Throughput) -> Subject:
    """Throughput as something that is waited for."""
    title = f"provisioned throughput {resource['name']}"

    def state() -> State | None:
        facts = describe(resource)
        if facts is None:
            return None
        failed = facts["status"] == "Failed"
        failure = f"{title} failed: {facts.get('failureMessage', 'no reason given')}" if failed else ""
        return State(facts["status"], failure, facts["provisionedModelArn"])

    return Subject(title, resource["region"], state, lambda: _delete(resource))


def remove(resource: Throughput, patience: float = DELETING_PATIENCE_S) -> None:
    """Delete the throughput and check that it is gone; does nothing where it is gone, or is not the run's.

    Raises DeployError where it exists after `patience` seconds, or AWS does not let it be deleted.
    """

    def is_ours(state: State) -> bool:
        return run_marks.carries_run(lambda: _tags(resource, state.arn), resource["run_id"])

    delete_until_gone(subject_of(resource), is_ours, patience)


def _delete(resource: Throughput) -> None:
    from botocore.exceptions import ClientError

    name, region = resource["name"], resource["region"]
    with translated(f"deleting provisioned throughput {name}"):
        try:
            unless_gone(lambda: client("bedrock", region).delete_provisioned_model_throughput(provisionedModelId=name))
        except ClientError as error:
            # Throughput that is still being created can only be deleted afterwards.
            if error.response["Error"].get("Code") != "ConflictException":
                raise


def _tags(resource: Throughput, arn: str) -> dict[str, str]:
    with translated(f"reading the tags of {resource['name']}"):
        tags = part_of(client("bedrock", resource["region"]).list_tags_for_resource(resourceARN=arn), "tags")
    return {tag["key"]: tag["value"] for tag in tags}
