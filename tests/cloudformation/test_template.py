"""The CloudFormation template: clean, safe by default, and allowing what the code calls: nothing less, nothing more."""

from __future__ import annotations

import base64
import subprocess
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
import yaml
from cfnlint.api import lint_file

import fmbench_lib
from fmbench_lib.storage.default_buckets import bucket_name
from tests.cloudformation.operations import actions, calls, unseen_clients

PACKAGE = Path(fmbench_lib.__file__).parent
TEMPLATE = PACKAGE.parent / "cloudformation" / "fmbench.yml"
OF_ENDPOINTS = {
    "cloudwatch:PutMetricData",
    "ecr:BatchCheckLayerAvailability",
    "ecr:BatchGetImage",
    "ecr:GetAuthorizationToken",
    "ecr:GetDownloadUrlForLayer",
    "logs:CreateLogGroup",
    "logs:CreateLogStream",
    "logs:DescribeLogStreams",
    "logs:PutLogEvents",
    "s3:GetObject",
    "s3:ListBucket",
}
"""What SageMaker's guide lists for the role of a real-time endpoint: no call of ours shows it."""


class _Loader(yaml.SafeLoader):
    """YAML with CloudFormation's functions, as `{"!Sub": …}`."""


def _function(loader: _Loader, tag: str, node: yaml.Node) -> Any:
    if isinstance(node, yaml.ScalarNode):
        return {f"!{tag}": loader.construct_scalar(node)}
    if isinstance(node, yaml.SequenceNode):
        return {f"!{tag}": loader.construct_sequence(node, deep=True)}
    raise TypeError(tag)


_Loader.add_multi_constructor("!", _function)


@pytest.fixture(scope="module")
def resources() -> dict[str, Any]:
    found: dict[str, Any] = yaml.load(TEMPLATE.read_text(), _Loader)["Resources"]
    return found


def statements(resources: dict[str, Any], policy: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = resources[policy]["Properties"]["PolicyDocument"]["Statement"]
    return found


def allowed(resources: dict[str, Any], policy: str) -> dict[str, str]:
    """Each action that a policy allows, and the statement that does."""
    return {action: one["Sid"] for one in statements(resources, policy) for action in one["Action"]}


def test_the_linter_has_nothing_to_say() -> None:
    assert [str(found) for found in lint_file(TEMPLATE)] == []


def test_the_policy_allows_what_the_code_calls_and_nothing_else(resources: dict[str, Any]) -> None:
    needed = defaultdict(set)
    for call in calls(PACKAGE):
        for action in actions(call):
            needed[action].add(f"{call.operation} at {call.where}")
    have = allowed(resources, "CallerPolicy")
    missing = [
        f"add `- {action}` to a statement of CallerPolicy in cloudformation/fmbench.yml: needed for "
        f"{', '.join(sorted(needed[action]))}"
        for action in sorted(needed.keys() - have.keys())
    ]
    unused = [
        f"take `- {action}` out of statement {have[action]} of CallerPolicy: nothing calls it"
        for action in sorted(have.keys() - needed.keys())
    ]
    assert not missing + unused, "\n".join(["", *missing, *unused])


def test_every_client_says_of_which_service_it_is() -> None:
    """Else its calls cannot be seen. `aws.addresses.runtime_url` only reads its address."""
    assert [where for where in unseen_clients(PACKAGE) if not where.startswith("fmbench_lib/aws/addresses.py:")] == []


def test_one_module_calls_s3() -> None:
    """JumpStart's SDK, which the code imports, calls S3 itself."""
    modules = {call.where.rpartition(":")[0] for call in calls(PACKAGE) if call.operation.startswith("s3:")}
    assert modules == {"fmbench_lib/storage/bucket.py", "fmbench_lib/deploy/sagemaker/jumpstart.py"}


def test_endpoints_get_what_sagemaker_wants_of_their_role(resources: dict[str, Any]) -> None:
    assert set(allowed(resources, "EndpointPolicy")) == OF_ENDPOINTS


@pytest.mark.parametrize("policy", ["CallerPolicy", "EndpointPolicy"])
def test_a_policy_is_narrow_small_and_of_every_partition(resources: dict[str, Any], policy: str) -> None:
    anywhere = set()
    for one in statements(resources, policy):
        places = one["Resource"] if isinstance(one["Resource"], list) else [one["Resource"]]
        if "*" in places:
            anywhere |= set(one["Action"])
        for place in filter(lambda text: text.startswith("arn:"), _texts(places)):
            assert place.startswith("arn:${AWS::Partition}:")
    without_resources = {"sts:GetCallerIdentity", "pricing:GetProducts", "cloudwatch:GetMetricData"}
    images_of_anybody = {action for action in OF_ENDPOINTS if action.startswith("ecr:")}
    assert anywhere <= without_resources | images_of_anybody | {"cloudwatch:PutMetricData"}
    assert not any("*" in action for action in allowed(resources, policy))
    assert len("".join(str(statements(resources, policy)).split())) < 6144  # what IAM takes of a managed policy


def _texts(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [text for part in value.values() for text in _texts(part)]
    if isinstance(value, list):
        return [text for part in value for text in _texts(part)]
    return [str(value)]


@pytest.mark.parametrize("kind", ["read", "write"])
def test_a_bucket_is_private_encrypted_kept_and_called_as_runs_look_for_it(
    resources: dict[str, Any], kind: str
) -> None:
    bucket = resources[f"{kind.capitalize()}Bucket"]
    settings = bucket["Properties"]
    assert (bucket["DeletionPolicy"], bucket["UpdateReplacePolicy"]) == ("Retain", "Retain")
    assert set(settings["PublicAccessBlockConfiguration"].values()) == {True}
    assert settings["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    name = settings["BucketName"]["!Sub"].replace("${AWS::Region}", "eu-west-1").replace("${AWS::AccountId}", "1" * 12)
    assert name == bucket_name(kind, "eu-west-1", "1" * 12)
    assert len(bucket_name(kind, "ap-southeast-1", "1" * 12)) <= 63


def test_the_role_may_be_taken_by_sagemaker_and_ec2_alone(resources: dict[str, Any]) -> None:
    (trust,) = resources["Role"]["Properties"]["AssumeRolePolicyDocument"]["Statement"]
    assert trust["Principal"] == {"Service": ["sagemaker.amazonaws.com", "ec2.amazonaws.com"]}
    for one in statements(resources, "CallerPolicy"):
        if "iam:PassRole" in one["Action"]:
            assert one["Condition"] == {"StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}}


def test_the_notebook_instance_is_optional_and_its_script_is_a_script(resources: dict[str, Any]) -> None:
    for name, resource in resources.items():
        assert ("Notebook" in name) == (resource.get("Condition") == "WithNotebookInstance")
    (hook,) = resources["NotebookLifecycle"]["Properties"]["OnStart"]
    script = hook["Content"]["Fn::Base64"]["!Sub"].replace("${FmbenchPackage}", "fmbench-lib[sagemaker]")
    assert len(base64.b64encode(script.encode())) < 16384
    inner = script.partition("<<'END'\n")[2].partition("\nEND\n")[0]
    for text in (script, inner):
        done = subprocess.run(["bash", "-n"], input=text, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")


# -- that the calls are found ---------------------------------------------------------------------------------------

SAMPLE = '''
"""list_buckets in a docstring is no call."""
import re
from boto3.s3.transfer import S3Transfer
from fmbench_lib import aws
from fmbench_lib.aws.session import client
from fmbench_lib.aws.session import client as aws_client

KINDS = {"model": "a model"}

def use(region, kind, pattern, pods):
    client("sts", region).get_caller_identity()
    logs, group = aws.client("logs", region), "g"
    logs.get_log_events(logGroupName=group)
    getattr(client("sagemaker", region), f"describe_{kind}")()
    pages = client("ecr", region).get_paginator("describe_images").paginate()
    S3Transfer(client("s3", region)).upload_file("a", "b", "c")
    client("sagemaker", region).get_waiter("endpoint_deleted").wait()
    client("eks", region).describe_cluster(name="c")
    aws_client("cloudwatch", region).get_metric_data()
    re.search("x", "y"), pattern.search("z"), pods.create_namespaced_pod()

def helper(s3):
    s3.list_parts()
'''


def test_every_way_of_calling_is_seen(tmp_path: Path) -> None:
    package = tmp_path / "fmbench_lib"
    (package / "deploy").mkdir(parents=True)
    (package / "emulator").mkdir()
    (package / "predictors").mkdir()
    (package / "deploy" / "sample.py").write_text(SAMPLE)
    (package / "deploy" / "other.py").write_text("def further(client):\n    client.abort_multipart_upload()\n")
    (package / "emulator" / "aws.py").write_text("client('s3').delete_bucket()\n")
    (package / "predictors" / "on_aws.py").write_text("url = base + '/invocations' + f'/{x}' + 'converse-stream'\n")
    found = {call.operation for call in calls(package)}
    assert found == {
        "sts:GetCallerIdentity",
        "logs:GetLogEvents",
        "sagemaker:DescribeModel",
        "sagemaker:DescribeEndpoint",
        "ecr:DescribeImages",
        "eks:DescribeCluster",
        "cloudwatch:GetMetricData",
        "s3:PutObject",
        "s3:CreateMultipartUpload",
        "s3:AbortMultipartUpload",
        "s3:ListParts",
        "sagemaker:InvokeEndpoint",
        "bedrock:ConverseStream",
    }
    assert {place.where for place in calls(package) if place.operation == "eks:DescribeCluster"} == {
        "fmbench_lib/deploy/sample.py:19"
    }
