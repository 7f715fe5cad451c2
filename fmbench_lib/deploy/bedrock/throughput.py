"""Provisioned throughput of Bedrock: bought by the hour, tagged with the run, given back.

Only throughput without commitment is bought: with one it would have to be paid to the end of its term.
"""

from __future__ import annotations

import re
import secrets
import time
from typing import Any

from fmbench_lib.aws.calls import client, is_gone, saying
from fmbench_lib.deploy.platform import DeployContext
from fmbench_lib.deploy.waiting import looks
from fmbench_lib.errors import DeployError, ForbiddenError

Resource = dict[str, Any]

KIND = "provisioned_throughput"
RUN_TAG = "fmbench:run-id"
GIVING_BACK_PATIENCE_S = 1800.0


def fresh_name(run_id: str) -> str:
    """A name that no other throughput has."""
    return f"fmbench-{re.sub('[^A-Za-z0-9]+', '-', run_id).strip('-')}-{secrets.token_hex(4)}"


def buy(resource: Resource, model: str, units: int, experiment_name: str) -> str:
    """Buy throughput under the name that has been recorded; its ARN. Raises DeployError for what AWS refuses.

    The name is the request's token too: asked twice, AWS sells once.
    """
    allowed = re.sub(r"[^\w\s.:/=+\-@]", "_", experiment_name)[:256]
    with saying(f"buying {units} model unit{'s' if units != 1 else ''} of {model} in {resource['region']}"):
        made = client("bedrock", resource["region"]).create_provisioned_model_throughput(
            clientRequestToken=resource["name"],
            modelUnits=units,
            provisionedModelName=resource["name"],
            modelId=model,
            tags=[
                {"key": RUN_TAG, "value": resource["run_id"]},
                {"key": "fmbench:experiment", "value": allowed},
            ],
        )
    return str(made["provisionedModelArn"])


def describe(resource: Resource) -> dict[str, Any] | None:
    """What Bedrock says of the throughput; None where there is none of that name."""
    from botocore.exceptions import ClientError

    with saying(f"looking at provisioned throughput {resource['name']}"):
        try:
            found: dict[str, Any] = client("bedrock", resource["region"]).get_provisioned_model_throughput(
                provisionedModelId=resource["name"]
            )
        except ClientError as error:
            if is_gone(error):
                return None
            raise
    return found


def wait(resource: Resource, patience: float, context: DeployContext) -> None:
    """Until the throughput is in service; raises DeployError where it fails or does not come in time."""
    name, state = resource["name"], ""
    for _ in looks(patience, context.pause):
        facts = describe(resource)
        if facts is None:
            raise DeployError(f"provisioned throughput {name} was deleted by somebody while it was being made")
        if facts["status"] != state:
            state = facts["status"]
            context.say(f"provisioned throughput {name} is {state}")
        if state == "InService":
            return
        if state == "Failed":
            raise DeployError(f"provisioned throughput {name} failed: {facts.get('failureMessage', 'no reason given')}")
    raise DeployError(
        f"provisioned throughput {name} was not in service within {patience:g} s, it is {state} "
        "(bedrock.startup_timeout)"
    )


def give_back(resource: Resource, patience: float = GIVING_BACK_PATIENCE_S) -> None:
    """Delete the throughput and see that it is gone; does nothing where it is gone, or is not the run's.

    Raises DeployError where it stands after `patience` seconds, or AWS does not let it be deleted.
    """
    state, known = "there", False
    for more in looks(patience, time.sleep):
        facts = describe(resource)
        if facts is None or not (known or _bought_by_run(facts, resource)):
            return
        known = True
        state = facts["status"]
        if more:
            _delete(resource)
    raise DeployError(
        f"provisioned throughput {resource['name']} in {resource['region']} is still {state} "
        f"after {patience:g} s of giving it back"
    )


def _delete(resource: Resource) -> None:
    from botocore.exceptions import ClientError

    with saying(f"giving back provisioned throughput {resource['name']}"):
        try:
            client("bedrock", resource["region"]).delete_provisioned_model_throughput(
                provisionedModelId=resource["name"]
            )
        except ClientError as error:
            # Throughput that is still being made can only be deleted afterwards.
            if not is_gone(error) and error.response["Error"].get("Code") != "ConflictException":
                raise


def _bought_by_run(facts: dict[str, Any], resource: Resource) -> bool:
    """Whether it carries the run's tag. A caller who may not read tags has the name's random part."""
    try:
        with saying(f"reading the tags of {resource['name']}"):
            found = client("bedrock", resource["region"]).list_tags_for_resource(
                resourceARN=facts["provisionedModelArn"]
            )["tags"]
    except ForbiddenError:
        return True
    return any((tag["key"], tag["value"]) == (RUN_TAG, resource["run_id"]) for tag in found)
