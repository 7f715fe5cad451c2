"""Values of standard placeholders without options: nearest first, nothing invented, AWS called only when needed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from fmbench_lib.aws import placeholders
from fmbench_lib.aws.placeholders import Found, StandardValues
from fmbench_lib.storage.default_buckets import default_bucket
from tests.aws_identity import ACCOUNT, Identity, identity

ALL = ["region: {region}", "role: {role_arn}", "bucket: {write_bucket}", "from: {read_bucket}"]
WRITE, READ = (f"sagemaker-fmbench-{kind}-us-west-2-{ACCOUNT}" for kind in ("write", "read"))


def standard_values(
    texts: list[str],
    given: dict[str, str] | None = None,
    find_bucket: placeholders.FindBucket | None = default_bucket,
) -> StandardValues:
    return placeholders.standard_values(texts, given, find_bucket=find_bucket)


@pytest.fixture
def metadata(aws_environment: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """SageMaker's file about the machine, which does not exist yet."""
    path = tmp_path / "resource-metadata.json"
    monkeypatch.setattr(placeholders, "METADATA_FILE", path)
    return path


@pytest.fixture
def caller(metadata: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Identity]:
    """A caller with credentials and a region, under a role."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-west-2")
    with identity() as known:
        monkeypatch.setenv("AWS_ENDPOINT_URL", known.url)
        known.buckets |= {WRITE, READ}
        yield known


def test_under_a_role_everything_is_known(caller: Identity) -> None:
    caller.role_path = "/service-role/"
    known = standard_values(ALL)
    assert known.values == {
        "region": "us-west-2",
        "role_arn": f"arn:aws:iam::{ACCOUNT}:role/service-role/fmbench",
        "write_bucket": WRITE,
        "read_bucket": READ,
    }
    assert known.missing == {}
    assert str(known.notices[1]).startswith("{role_arn}: arn:aws:iam")


def test_only_placeholders_that_the_config_uses_and_nobody_gave_are_looked_up(caller: Identity) -> None:
    assert standard_values(["general: {name: mine}", "{ground_truth}"]).values == {}
    assert standard_values(["{region}"]).values == {"region": "us-west-2"}
    given = {"role_arn": "arn:aws:iam::1:role/given", "write_bucket": "mine", "read_bucket": "mine"}
    assert standard_values(ALL, given).values == {"region": "us-west-2"}
    assert caller.asked == []


def test_the_environment_takes_precedence(caller: Identity, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FMBENCH_ROLE_ARN", "arn:aws:iam::1:role/said")
    monkeypatch.setenv("FMBENCH_WRITE_BUCKET", "said")
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    found = standard_values(["{region} {role_arn} {write_bucket}"]).found
    assert found == {
        "region": Found("eu-west-1", "AWS_REGION"),
        "role_arn": Found("arn:aws:iam::1:role/said", "FMBENCH_ROLE_ARN"),
        "write_bucket": Found("said", "FMBENCH_WRITE_BUCKET"),
    }
    assert caller.asked == []


def test_a_studio_app_knows_its_region_and_role_without_a_call(metadata: Path) -> None:
    metadata.write_text(
        json.dumps(
            {
                "AppType": "JupyterLab",
                "DomainId": "d-abc",
                "SpaceName": "mine",
                "ExecutionRoleArn": f"arn:aws-cn:iam::{ACCOUNT}:role/service-role/studio",
                "ResourceArn": f"arn:aws-cn:sagemaker:cn-north-1:{ACCOUNT}:app/d-abc/mine/JupyterLab/default",
                "ResourceName": "default",
            }
        )
    )
    known = standard_values(ALL[:2])
    assert known.values == {
        "region": "cn-north-1",
        "role_arn": f"arn:aws-cn:iam::{ACCOUNT}:role/service-role/studio",
    }


def test_a_default_bucket_that_is_missing_or_of_another_account_is_not_used(caller: Identity) -> None:
    caller.buckets.clear()
    known = standard_values(["{write_bucket}"])
    assert known.values == {}
    assert WRITE in known.missing["write_bucket"]
    assert "cloudformation/fmbench.yml" in known.missing["write_bucket"]


def test_without_buckets_none_is_looked_up(caller: Identity) -> None:
    assert standard_values(["{write_bucket} {read_bucket}"], None, find_bucket=None).values == {}
    assert caller.asked == []


@pytest.mark.parametrize(
    ("path", "name"), [("", "fmbench"), ("service-role/", "AmazonSageMaker-ExecutionRole-20240101T000000")]
)
def test_a_role_whose_path_cannot_be_read_is_marked_as_a_guess(caller: Identity, path: str, name: str) -> None:
    caller.role_path, caller.arn = None, f"arn:aws:sts::{ACCOUNT}:assumed-role/{name}/SageMaker"
    (found,) = standard_values(["{role_arn}"]).found.values()
    assert found.value == f"arn:aws:iam::{ACCOUNT}:role/{path}{name}"
    assert "guess" in found.origin


@pytest.mark.parametrize(
    "arn",
    [f"arn:aws:iam::{ACCOUNT}:user/me", f"arn:aws:sts::{ACCOUNT}:assumed-role/AWSReservedSSO_Admin_0123456789ab/me"],
)
def test_users_and_sso_roles_are_not_execution_roles(caller: Identity, arn: str) -> None:
    caller.arn = arn
    known = standard_values(["{role_arn}"])
    assert known.values == {}
    assert arn in known.missing["role_arn"]


def test_without_credentials_nothing_is_called_or_invented(metadata: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_REGION", "us-west-2")
    known = standard_values(ALL)
    assert known.values == {"region": "us-west-2"}
    assert all("no AWS credentials found" in why for why in known.missing.values())
    monkeypatch.delenv("AWS_REGION")
    assert standard_values(["{region} {role_arn}"]).values == {}
