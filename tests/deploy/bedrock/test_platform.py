"""Bedrock: access checked before any load, throughput bought and deleted."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fmbench_lib.config import Experiment
from fmbench_lib.deploy import Endpoint, platform
from fmbench_lib.errors import DeployError, EndpointError
from tests.deploy.aws_stand_in import Refusal, StandIn
from tests.deploy.on_aws import asking, refuses

BEDROCK = platform("bedrock")
CLAUDE = "anthropic.claude-3-haiku-20240307-v1:0"
ON_DEMAND = {"inferenceTypesSupported": ["ON_DEMAND"], "responseStreamingSupported": True}


def experiment(**changes: Any) -> Experiment:
    facts: dict[str, Any] = {
        "name": "claude",
        "platform": "bedrock",
        "protocol": "bedrock",
        "deploy": False,
        "model_id": CLAUDE,
        "inference_spec": {"stream": True},
    }
    return Experiment(**{**facts, **changes})


def no_access(url: str, model: str | None) -> None:
    raise EndpointError("https://bedrock: You don't have access to the model with the specified model ID. (http_4xx)")


def test_a_model_is_looked_up_probed_once_and_never_owned(aws: StandIn, tmp_path: Path) -> None:
    aws.foundation_models[CLAUDE] = ON_DEMAND
    context, notes = asking(tmp_path)
    endpoint = BEDROCK.deploy(experiment(), context)
    assert endpoint.urls == (f"{aws.url}/model/anthropic.claude-3-haiku-20240307-v1%3A0",)
    assert (endpoint.owned, endpoint.status) == (False, "in_service")
    assert notes.asked == list(endpoint.urls)
    assert [name for name, _ in aws.calls] == ["GetCallerIdentity", "GetFoundationModel"]
    assert BEDROCK.why_dead(endpoint) == ""
    assert BEDROCK.delete(endpoint) == endpoint
    assert Endpoint.from_dict(endpoint.to_dict()) == endpoint


def test_a_profile_is_looked_up_as_a_profile_and_takes_precedence_over_the_model_id(
    aws: StandIn, tmp_path: Path
) -> None:
    aws.profiles[f"us.{CLAUDE}"] = {"status": "ACTIVE"}
    context, _ = asking(tmp_path)
    endpoint = BEDROCK.deploy(experiment(ep_name=f"us.{CLAUDE}"), context)
    assert endpoint.model == f"us.{CLAUDE}"
    assert aws.asked("GetInferenceProfile") == [{"id": f"us.{CLAUDE}"}]


def test_the_partition_of_an_arn_is_kept_in_its_address(aws: StandIn, tmp_path: Path) -> None:
    arn = "arn:aws-us-gov:bedrock:us-gov-west-1:123456789012:inference-profile/us-gov.anthropic.claude"
    aws.profiles[arn] = {"status": "ACTIVE"}
    context, _ = asking(tmp_path)
    endpoint = BEDROCK.deploy(experiment(ep_name=arn, region="us-gov-west-1"), context)
    assert endpoint.urls[0].endswith(
        "/model/arn%3Aaws-us-gov%3Abedrock%3Aus-gov-west-1%3A123456789012%3Ainference-profile%2Fus-gov.anthropic.claude"
    )


@pytest.mark.parametrize(
    ("models", "changes", "said"),
    [
        ({}, {}, f"Bedrock has no model {CLAUDE} in us-east-1: correct ep_name or model_id, or the region"),
        (
            {CLAUDE: {"inferenceTypesSupported": ["INFERENCE_PROFILE"]}},
            {},
            f"not served on demand in us-east-1 (INFERENCE_PROFILE): write an inference profile such as us.{CLAUDE}",
        ),
        (
            {CLAUDE: {"inferenceTypesSupported": ["ON_DEMAND"], "responseStreamingSupported": False}},
            {},
            f"{CLAUDE} does not stream: write inference_spec.stream: no",
        ),
        ({}, {"ep_name": "us.meta.llama9"}, "Bedrock has no inference profile us.meta.llama9 in us-east-1"),
    ],
    ids=["unknown model", "profile only", "no streaming", "unknown profile"],
)
def test_obstacles_are_reported_before_any_request(
    models: dict[str, Any], changes: dict[str, Any], said: str, aws: StandIn, tmp_path: Path
) -> None:
    aws.foundation_models.update(models)
    context, notes = asking(tmp_path, refuses)
    with pytest.raises(DeployError) as failed:
        BEDROCK.deploy(experiment(**changes), context)
    assert said in str(failed.value)
    assert notes.asked == []
    assert (notes.recorded[-1].status, notes.recorded[-1].owned) == ("failed", False)


def test_missing_access_to_a_model_is_reported_with_the_remedy(aws: StandIn, tmp_path: Path) -> None:
    aws.foundation_models[CLAUDE] = ON_DEMAND
    context, _ = asking(tmp_path, no_access)
    with pytest.raises(DeployError, match=rf"no access to {CLAUDE} in us-east-1: .*Model access page"):
        BEDROCK.deploy(experiment(), context)


def test_where_models_may_not_be_described_the_request_decides(aws: StandIn, tmp_path: Path) -> None:
    aws.refusals["GetFoundationModel"] = [Refusal("AccessDeniedException", "not authorized", 403)]
    context, notes = asking(tmp_path)
    assert BEDROCK.deploy(experiment(), context).status == "in_service"
    assert any("could not be looked up" in line for line in notes.said)


def test_expired_credentials_are_found_before_any_request(aws: StandIn, tmp_path: Path) -> None:
    aws.refusals["GetCallerIdentity"] = [Refusal("ExpiredToken", "The security token is expired", 403)]
    context, notes = asking(tmp_path)
    with pytest.raises(DeployError, match="credentials are invalid or have expired"):
        BEDROCK.deploy(experiment(), context)
    assert (notes.recorded, notes.asked) == ([], [])


# -- provisioned throughput --------------------------------------------------------------------------------------------


def bought(**changes: Any) -> Experiment:
    return experiment(deploy=True, bedrock={"model_units": 2, **changes})


def test_throughput_is_recorded_bought_probed_and_deleted(aws: StandIn, tmp_path: Path) -> None:
    context, notes = asking(tmp_path)
    standing: list[dict[str, list[str]]] = []

    def record(endpoint: Endpoint) -> None:
        standing.append(aws.names())
        notes.recorded.append(endpoint)

    endpoint = BEDROCK.deploy(bought(), replace(context, record=record))
    assert standing[0] == {}
    first = notes.recorded[0]
    assert (first.owned, first.status, first.resources[0]["kind"]) == (True, "creating", "provisioned_throughput")
    (made,) = aws.asked("CreateProvisionedModelThroughput")
    assert (made["modelUnits"], made["modelId"]) == (2, CLAUDE)
    assert "commitmentDuration" not in made
    assert {"key": "fmbench:run-id", "value": "run"} in made["tags"]
    assert endpoint.urls[0].endswith(f"provisioned-model%2F{first.resources[0]['name']}")
    assert BEDROCK.why_dead(endpoint) == ""
    aws.until_deletable = 1
    assert BEDROCK.delete(first).status == "deleted"  # from what was recorded before it was bought
    assert aws.names() == {}
    assert "no longer exists" in BEDROCK.why_dead(endpoint)


@pytest.mark.parametrize(
    ("facts", "probe", "said"),
    [
        (
            {"refusals": {"CreateProvisionedModelThroughput": [Refusal("ServiceQuotaExceededException", "0 units.")]}},
            None,
            "buying 2 model units of .* in us-east-1: the account's quota does not allow it",
        ),
        ({"states": ["Creating", "Failed"], "failure_reason": "out of stock"}, None, "failed: out of stock"),
        ({"states": ["Creating"], "until_deletable": 1}, None, r"not in service within 0.05 s, it is Creating"),
        ({}, refuses, "CUDA out of memory"),
    ],
    ids=["no quota", "failed", "too slow", "no answer"],
)
def test_throughput_that_does_not_serve_is_deleted(
    facts: dict[str, Any], probe: Any, said: str, aws: StandIn, tmp_path: Path
) -> None:
    for name, value in facts.items():
        setattr(aws, name, value)
    context, notes = asking(tmp_path, probe) if probe else asking(tmp_path)
    patience = 0.05 if facts.get("states") == ["Creating"] else 10
    with pytest.raises(DeployError, match=said):
        BEDROCK.deploy(bought(startup_timeout=patience), context)
    assert aws.names() == {}
    assert notes.recorded[-1].deleted_at is not None


def test_throughput_of_another_run_is_left(aws: StandIn) -> None:
    aws.things["Throughput"]["theirs"] = {"tags": [{"key": "fmbench:run-id", "value": "other"}], "left": ["InService"]}
    resource = {"kind": "provisioned_throughput", "name": "theirs", "region": "us-east-1", "run_id": "run"}
    BEDROCK.delete(Endpoint("e", "bedrock", owned=True, resources=(resource,)))
    assert aws.names() == {"Throughput": ["theirs"]}


def test_units_without_deploy_are_an_error(aws: StandIn) -> None:
    with pytest.raises(DeployError, match="bought only with deploy: yes"):
        BEDROCK.plan(experiment(bedrock={"model_units": 1}))
    assert "buys 2 model units" in BEDROCK.plan(bought())
