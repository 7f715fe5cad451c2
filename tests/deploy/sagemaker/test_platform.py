"""SageMaker endpoints: created, waited for, described, deleted, and what can go wrong."""

from __future__ import annotations

import io
import json
import tarfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fmbench_lib.deploy import Endpoint, platform, s3_objects
from fmbench_lib.deploy.neuron import compile as neuron_compile
from fmbench_lib.deploy.run_marks import RUN_TAG, fresh_name
from fmbench_lib.deploy.sagemaker.artifacts import packed
from fmbench_lib.errors import DeployError
from tests.deploy.aws_stand_in import Refusal, StandIn
from tests.deploy.on_aws import HF_TOKEN, IMAGE, ROLE, artifacts, asking, refuses

SAGEMAKER = platform("sagemaker")


# -- in service -------------------------------------------------------------------------------------------------------


def test_an_endpoint_is_created_tagged_probed_and_described(aws: StandIn, tmp_path: Path) -> None:
    context, notes = asking(tmp_path)
    experiment = artifacts(instance_count=2, env={"OPTION_DTYPE": "fp16", "NUMBER": 4, "FLAG": True, "NOTHING": None})
    endpoint = SAGEMAKER.deploy(experiment, context)
    (model,), (config,), (made,) = (
        aws.asked("CreateModel"),
        aws.asked("CreateEndpointConfig"),
        aws.asked("CreateEndpoint"),
    )
    assert model["PrimaryContainer"] == {
        "Image": IMAGE,
        "Environment": {"OPTION_DTYPE": "fp16", "NUMBER": "4", "FLAG": "true"},
        "ModelDataSource": {
            "S3DataSource": {"S3Uri": "s3://models/llama/", "S3DataType": "S3Prefix", "CompressionType": "None"}
        },
    }
    assert model["ExecutionRoleArn"] == ROLE
    (variant,) = config["ProductionVariants"]
    assert (variant["InstanceType"], variant["InitialInstanceCount"]) == ("ml.g5.xlarge", 2)
    assert variant["VariantName"] == "AllTraffic"
    for given in (model, config, made):
        assert {"Key": RUN_TAG, "Value": "run"} in given["Tags"]
        assert {"Key": "fmbench:experiment", "Value": "llama on g5"} in given["Tags"]
    name = made["EndpointName"]
    assert endpoint.status == "in_service"
    assert endpoint.urls == (f"{aws.url}/endpoints/{name}/invocations",)
    assert notes.asked == list(endpoint.urls)
    described = endpoint.resources[-1]
    assert (described["instance_type"], described["instance_count"], described["variant"]) == (
        "ml.g5.xlarge",
        2,
        "AllTraffic",
    )
    assert SAGEMAKER.why_dead(endpoint) == ""
    assert Endpoint.from_dict(json.loads(json.dumps(endpoint.to_dict()))) == endpoint


def test_all_resources_are_recorded_before_any_is_created(aws: StandIn, tmp_path: Path) -> None:
    context, notes = asking(tmp_path)
    standing_at_record: list[dict[str, list[str]]] = []

    def record(endpoint: Endpoint) -> None:
        standing_at_record.append(aws.names())
        notes.recorded.append(endpoint)

    SAGEMAKER.deploy(artifacts(), replace(context, record=record))
    first = notes.recorded[0]
    assert standing_at_record[0] == {}
    assert (first.status, first.owned) == ("creating", True)
    assert [one["kind"] for one in first.resources] == ["model", "endpoint_config", "endpoint"]
    (name,) = {one["name"] for one in first.resources}
    assert aws.names() == {"Model": [name], "EndpointConfig": [name], "Endpoint": [name]}


def test_deleting_waits_until_all_resources_are_gone_and_can_be_repeated(aws: StandIn, tmp_path: Path) -> None:
    context, _ = asking(tmp_path)
    endpoint = SAGEMAKER.deploy(artifacts(), context)
    aws.until_deletable, aws.looks_until_gone = 2, 3
    aws.standing("Endpoint", "somebody-elses", [{"Key": RUN_TAG, "Value": "another run"}])
    gone = SAGEMAKER.delete(endpoint)
    assert (gone.status, gone.deleted_at is not None) == ("deleted", True)
    assert aws.names() == {"Endpoint": ["somebody-elses"]}
    assert [name for name, _ in aws.calls if name.startswith("Delete")] == [
        *["DeleteEndpoint"] * 3,  # refused twice while it could not be, then taken
        "DeleteEndpointConfig",
        "DeleteModel",
    ]
    before = len(aws.calls)
    assert SAGEMAKER.delete(gone) == gone
    assert len(aws.calls) == before
    assert SAGEMAKER.delete(endpoint).status == "deleted"  # as another process would, from what was recorded first
    assert SAGEMAKER.why_dead(gone)


def test_a_resource_without_the_tag_of_the_run_is_left(aws: StandIn) -> None:
    aws.standing("Endpoint", "theirs", [{"Key": RUN_TAG, "Value": "another run"}])
    recorded = Endpoint(
        "e",
        "sagemaker",
        owned=True,
        resources=({"kind": "endpoint", "name": "theirs", "region": "us-east-1", "run_id": "run"},),
    )
    SAGEMAKER.delete(recorded)
    assert aws.names() == {"Endpoint": ["theirs"]}
    assert not aws.asked("DeleteEndpoint")


def test_a_caller_who_may_not_read_tags_can_still_delete(aws: StandIn, tmp_path: Path) -> None:
    context, _ = asking(tmp_path)
    endpoint = SAGEMAKER.deploy(artifacts(), context)
    aws.refusals["ListTags"] = [Refusal("AccessDeniedException", "not authorized to perform: sagemaker:ListTags")]
    SAGEMAKER.delete(endpoint)
    assert aws.names() == {}


def test_an_endpoint_that_is_not_deleted_in_time_is_named(
    aws: StandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from fmbench_lib.deploy.sagemaker import resources

    context, _ = asking(tmp_path)
    endpoint = SAGEMAKER.deploy(artifacts(), context)
    aws.looks_until_gone = 10**9
    with pytest.raises(DeployError, match=r"endpoint fmbench-.* in us-east-1 is still Deleting after 0.05 s"):
        resources.remove(endpoint.resources[-1], patience=0.05)


def test_one_resource_that_cannot_be_deleted_does_not_keep_the_others(
    aws: StandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    removed: list[str] = []
    monkeypatch.setattr(neuron_compile, "remove_object", lambda one: removed.append(one["name"]))
    endpoint = SAGEMAKER.deploy(artifacts(), asking(tmp_path)[0])
    archive = s3_objects.s3_object("runs", "model.tar.gz", "us-east-1", "run")
    endpoint = replace(endpoint, resources=(archive, *endpoint.resources))
    for operation in ("DeleteEndpointConfig", "DeleteModel"):
        aws.refusals[operation] = [Refusal("AccessDeniedException", f"not authorized to perform: {operation}")]
    with pytest.raises(
        DeployError, match=r"endpoint configuration fmbench-.*; deleting model fmbench-.*Model"
    ) as failed:
        SAGEMAKER.delete(endpoint)
    assert "\n" not in str(failed.value)
    assert (sorted(aws.names()), removed) == (["EndpointConfig", "Model"], ["model.tar.gz"])
    aws.refusals = {}
    SAGEMAKER.delete(endpoint)
    assert aws.names() == {}


def test_an_endpoint_that_still_exists_keeps_its_configuration(aws: StandIn, tmp_path: Path) -> None:
    endpoint = SAGEMAKER.deploy(artifacts(), asking(tmp_path)[0])
    aws.refusals["DeleteEndpoint"] = [Refusal("AccessDeniedException", "not authorized to perform: DeleteEndpoint")]
    with pytest.raises(DeployError, match="deleting endpoint fmbench-"):
        SAGEMAKER.delete(endpoint)
    assert sorted(aws.names()) == ["Endpoint", "EndpointConfig"]
    aws.refusals = {}
    SAGEMAKER.delete(endpoint)
    assert aws.names() == {}


# -- what goes wrong ---------------------------------------------------------------------------------------------------

QUOTA = (
    "The account-level service limit 'ml.g5.xlarge for endpoint usage' is 0 Instances, with current utilization of 0 "
    "Instances and a request delta of 1 Instances. Please use AWS Service Quotas to request an increase for this quota."
)
CAPACITY = "Unable to provision requested ML compute capacity. Please retry using a different ML instance type."
NO_IMAGE = "Requested image 763104351884.dkr.ecr.us-east-1.amazonaws.com/djl-inference:0.29 not found."
NO_ROLE = "Could not assume role arn:aws:iam::123456789012:role/sagemaker. Please ensure that the role exists."
EXPIRED = "The security token included in the request is expired"

FAILING: list[tuple[str, dict[str, Any], list[str]]] = [
    (
        "no quota",
        {"refusals": {"CreateEndpoint": [Refusal("ResourceLimitExceeded", QUOTA)]}},
        ["1 × ml.g5.xlarge in us-east-1", "quota does not allow it", "is 0 Instances", "Service Quotas"],
    ),
    (
        "no capacity",
        {"states": ["Creating", "Failed"], "failure_reason": CAPACITY},
        ["AWS has no free instance of this type", "another instance type or region"],
    ),
    (
        "no image",
        {"refusals": {"CreateModel": [Refusal("ValidationException", NO_IMAGE)]}},
        ["container image does not exist", "djl-inference:0.29 not found", "correct image_uri"],
    ),
    (
        "role not to be assumed",
        {"refusals": {"CreateModel": [Refusal("ValidationException", NO_ROLE)]}},
        ["may not assume the role", "correct sagemaker_execution_role"],
    ),
    (
        "no model data",
        {"refusals": {"CreateModel": [Refusal("ValidationException", "Could not find model data at s3://models/x.")]}},
        ["model's files do not exist", "s3://models/x", "correct model_data"],
    ),
    (
        "failed",
        {
            "states": ["Creating", "Creating", "Failed"],
            "failure_reason": "The primary container for variant AllTraffic did not pass the ping health check.",
            "log_lines": ["loading weights", "torch.cuda.OutOfMemoryError: CUDA out of memory", f"token {HF_TOKEN}"],
        },
        ["Failed", "did not pass the ping health check", "its log ends", "CUDA out of memory"],
    ),
    (
        "too slow",
        {"states": ["Creating"], "until_deletable": 2},
        ["was not in service within 0.05 s", "it is Creating", "sagemaker.startup_timeout"],
    ),
    (
        "not allowed",
        {"refusals": {"CreateModel": [Refusal("AccessDeniedException", "not authorized: sagemaker:CreateModel")]}},
        ["creating the SageMaker model", "not allowed", "sagemaker:CreateModel"],
    ),
]


@pytest.mark.parametrize(("what", "facts", "said"), FAILING, ids=[one[0] for one in FAILING])
def test_each_failure_is_one_line_and_leaves_nothing(
    what: str, facts: dict[str, Any], said: list[str], aws: StandIn, tmp_path: Path
) -> None:
    aws.standing("Endpoint", "there-before", [])
    for name, value in facts.items():
        setattr(aws, name, value)
    context, notes = asking(tmp_path)
    with pytest.raises(DeployError) as failed:
        SAGEMAKER.deploy(artifacts(sagemaker={"startup_timeout": 0.05 if what == "too slow" else 10}), context)
    line = str(failed.value)
    for part in said:
        assert part in line
    assert "\n" not in line
    assert HF_TOKEN not in line
    assert aws.names() == {"Endpoint": ["there-before"]}
    last = notes.recorded[-1]
    assert (last.status, last.error) == ("failed", line)
    assert last.deleted_at is not None


def test_an_endpoint_that_does_not_answer_is_deleted(aws: StandIn, tmp_path: Path) -> None:
    context, _ = asking(tmp_path, refuses)
    with pytest.raises(DeployError, match=r"is in service but does not answer: .*CUDA out of memory.*its log is empty"):
        SAGEMAKER.deploy(artifacts(), context)
    assert aws.names() == {}


def test_credentials_that_expire_while_waiting_leave_the_record_for_the_cleanup(aws: StandIn, tmp_path: Path) -> None:
    context, notes = asking(tmp_path)
    aws.refusals["DescribeEndpoint"] = [None, Refusal("ExpiredTokenException", EXPIRED)]
    aws.states = ["Creating"]
    with pytest.raises(DeployError, match=r"credentials are invalid or have expired.*could not be deleted"):
        SAGEMAKER.deploy(artifacts(), context)
    recorded = notes.recorded[-1]
    assert (recorded.status, recorded.deleted_at) == ("failed", None)
    assert recorded.owned
    assert len(aws.names()["Endpoint"]) == 1
    del aws.refusals["DescribeEndpoint"]
    SAGEMAKER.delete(recorded)
    assert aws.names() == {}


def test_invalid_credentials_are_found_before_anything_is_recorded(aws: StandIn, tmp_path: Path) -> None:
    aws.refusals["GetCallerIdentity"] = [Refusal("ExpiredToken", EXPIRED, 403)]
    context, notes = asking(tmp_path)
    with pytest.raises(DeployError, match="getting the caller's AWS identity: the AWS credentials are invalid"):
        SAGEMAKER.deploy(artifacts(), context)
    assert notes.recorded == []


def test_no_credentials_at_all(aws: StandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    context, notes = asking(tmp_path)
    with pytest.raises(DeployError, match="no AWS credentials found: set AWS_PROFILE"):
        SAGEMAKER.deploy(artifacts(), context)
    assert notes.recorded == []


def test_an_interruption_leaves_it_recorded_as_it_is(aws: StandIn, tmp_path: Path) -> None:
    def interrupted(_seconds: float) -> None:
        raise KeyboardInterrupt

    aws.states = ["Creating"]
    context, notes = asking(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        SAGEMAKER.deploy(artifacts(), replace(context, pause=interrupted))
    recorded = notes.recorded[-1]
    assert (recorded.status, recorded.owned, recorded.deleted_at) == ("creating", True, None)
    SAGEMAKER.delete(recorded)
    assert aws.names() == {}


def test_what_aws_quotes_back_holds_no_secret(aws: StandIn, tmp_path: Path) -> None:
    quoted = f"Value '{{HF_TOKEN={HF_TOKEN}, OTHER=plain-secret-value}}' failed to satisfy constraint"
    aws.refusals["CreateModel"] = [Refusal("ValidationException", quoted)]
    context, notes = asking(tmp_path)
    experiment = artifacts(model_data=None, env={"MY_API_KEY": "plain-secret-value"})
    with pytest.raises(DeployError, match="failed to satisfy constraint") as failed:
        SAGEMAKER.deploy(experiment, replace(context, hf_token=HF_TOKEN))
    everything = str(failed.value) + json.dumps([one.to_dict() for one in notes.recorded]) + repr(notes.said)
    assert HF_TOKEN not in everything
    assert "plain-secret-value" not in everything
    assert aws.asked("CreateModel")[0]["PrimaryContainer"]["Environment"]["HF_TOKEN"] == HF_TOKEN


# -- endpoints that exist ----------------------------------------------------------------------------------------------


def test_an_existing_endpoint_is_used_as_it_is_and_never_deleted(aws: StandIn, tmp_path: Path) -> None:
    aws.standing("Endpoint", "mine", [], EndpointConfigName="mine-config")
    aws.standing(
        "EndpointConfig",
        "mine-config",
        [],
        ProductionVariants=[{"VariantName": "blue", "InstanceType": "ml.g5.2xlarge", "InitialInstanceCount": 3}],
    )
    context, notes = asking(tmp_path)
    endpoint = SAGEMAKER.deploy(artifacts(deploy=False, ep_name="mine", instance_count=1), context)
    assert (endpoint.owned, endpoint.status) == (False, "in_service")
    assert endpoint.urls == (f"{aws.url}/endpoints/mine/invocations",)
    assert endpoint.resources[-1]["variant"] == "blue"
    assert "endpoint mine is 3 × ml.g5.2xlarge, the config says 1 × ml.g5.xlarge" in notes.said
    assert SAGEMAKER.delete(endpoint) == endpoint
    assert not [name for name, _ in aws.calls if name.startswith(("Delete", "Create"))]


@pytest.mark.parametrize(
    ("state", "said"),
    [
        (None, "endpoint mine .ep_name. does not exist in us-east-1"),
        ("Updating", "endpoint mine is Updating, not in service"),
        ("OutOfService", "endpoint mine is OutOfService"),
    ],
)
def test_an_existing_endpoint_that_cannot_be_used(state: str | None, said: str, aws: StandIn, tmp_path: Path) -> None:
    if state is not None:
        aws.standing("Endpoint", "mine", [])
        aws.things["Endpoint"]["mine"]["left"] = [state]
    context, notes = asking(tmp_path)
    with pytest.raises(DeployError, match=said):
        SAGEMAKER.deploy(artifacts(deploy=False, ep_name="mine"), context)
    assert notes.recorded[-1].error is not None
    assert not notes.recorded[-1].owned


def test_an_unknown_variant_is_an_error(aws: StandIn, tmp_path: Path) -> None:
    aws.standing("Endpoint", "mine", [], EndpointConfigName="c")
    aws.standing("EndpointConfig", "c", [], ProductionVariants=[{"VariantName": "blue"}])
    context, _ = asking(tmp_path)
    with pytest.raises(DeployError, match="endpoint mine has no variant green; it has blue"):
        SAGEMAKER.deploy(artifacts(deploy=False, ep_name="mine", production_variant_name="green"), context)


def test_an_endpoint_deleted_by_someone_else_is_dead(aws: StandIn, tmp_path: Path) -> None:
    context, _ = asking(tmp_path)
    endpoint = SAGEMAKER.deploy(artifacts(), context)
    aws.things["Endpoint"].clear()
    assert "no longer exists" in SAGEMAKER.why_dead(endpoint)


# -- names and files ---------------------------------------------------------------------------------------------------


def test_names_are_valid_short_enough_and_unique() -> None:
    stem = "meta llama/3.1_8b (instruct), a very long name of an experiment that goes on and on"
    names = {fresh_name("20260930-191203Z-2", stem) for _ in range(50)}
    assert len(names) == 50
    for name in names:
        assert len(name) <= 63
        assert name.startswith("fmbench-meta-llama-3-1-8b")
        assert "-20260930-191203Z-2-" in name
        assert name.replace("-", "").isalnum()
        assert "--" not in name


def test_serving_properties_are_packed_alone_and_reproducibly() -> None:
    archive = packed("engine=MPI\n")
    with tarfile.open(fileobj=io.BytesIO(archive)) as opened:
        (entry,) = opened.getmembers()
        content = opened.extractfile(entry)
        assert content is not None
        assert (entry.name, content.read()) == ("serving.properties", b"engine=MPI\n")
