"""Addresses in every partition, the environment's own endpoints, credentials, and signatures as AWS prints one."""

from __future__ import annotations

import datetime
from pathlib import Path

import pytest

from fmbench_lib.aws.addresses import endpoint_invocation_url, model_url, region_of_host, runtime_url
from fmbench_lib.aws.session import default_region, partition_of
from fmbench_lib.aws.signing import Credentials, CredentialSource, Signing, signature_headers, signed_headers
from fmbench_lib.errors import CredentialsError, InputError

pytestmark = pytest.mark.usefixtures("aws_environment")


@pytest.mark.parametrize(
    ("service", "region", "url"),
    [
        ("sagemaker-runtime", "us-east-1", "https://runtime.sagemaker.us-east-1.amazonaws.com"),
        ("sagemaker-runtime", "cn-north-1", "https://runtime.sagemaker.cn-north-1.amazonaws.com.cn"),
        ("sagemaker-runtime", "us-gov-west-1", "https://runtime.sagemaker.us-gov-west-1.amazonaws.com"),
        ("bedrock-runtime", "eu-central-1", "https://bedrock-runtime.eu-central-1.amazonaws.com"),
        ("bedrock-runtime", "us-gov-east-1", "https://bedrock-runtime.us-gov-east-1.amazonaws.com"),
    ],
)
def test_each_partition_has_its_own_domain(service: str, region: str, url: str) -> None:
    assert runtime_url(service, region) == url


def test_a_given_address_takes_precedence_over_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    assert runtime_url("bedrock-runtime", "us-east-1", "http://127.0.0.1:1/") == "http://127.0.0.1:1"
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:2")
    assert runtime_url("bedrock-runtime", "us-east-1") == "http://127.0.0.1:2"
    monkeypatch.setenv("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", "http://127.0.0.1:3")
    assert runtime_url("bedrock-runtime", "us-east-1") == "http://127.0.0.1:3"
    assert runtime_url("sagemaker-runtime", "us-east-1") == "http://127.0.0.1:2"
    monkeypatch.setenv("AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME", "http://127.0.0.1:4")
    assert runtime_url("sagemaker-runtime", "us-east-1") == "http://127.0.0.1:4"
    assert runtime_url("bedrock-runtime", "us-east-1", "http://127.0.0.1:1") == "http://127.0.0.1:1"


def test_a_model_id_is_quoted_into_its_address_as_a_whole() -> None:
    arn = "arn:aws:bedrock:us-west-2:123456789012:provisioned-model/abc123"
    assert model_url(arn, "us-west-2") == (
        "https://bedrock-runtime.us-west-2.amazonaws.com/model/"
        "arn%3Aaws%3Abedrock%3Aus-west-2%3A123456789012%3Aprovisioned-model%2Fabc123"
    )
    assert model_url("us.meta.llama3-1-8b-instruct-v1:0", "us-west-2").endswith(
        "/model/us.meta.llama3-1-8b-instruct-v1%3A0"
    )
    assert endpoint_invocation_url("mine", "us-west-2") == (
        "https://runtime.sagemaker.us-west-2.amazonaws.com/endpoints/mine/invocations"
    )


@pytest.mark.parametrize(
    ("url", "region"),
    [
        ("https://runtime.sagemaker.us-east-1.amazonaws.com/endpoints/x/invocations", "us-east-1"),
        ("https://runtime.sagemaker.cn-northwest-1.amazonaws.com.cn", "cn-northwest-1"),
        ("https://bedrock-runtime-fips.us-gov-west-1.amazonaws.com", "us-gov-west-1"),
        ("https://vpce-0a1-b2.bedrock-runtime.ap-southeast-2.vpce.amazonaws.com", "ap-southeast-2"),
        ("https://runtime.sagemaker.eusc-de-east-1.amazonaws.eu", "eusc-de-east-1"),
        ("http://127.0.0.1:8000/model/x", None),
        ("http://gpu-server-1.example.org", None),
    ],
)
def test_an_address_of_aws_names_its_region(url: str, region: str | None) -> None:
    assert region_of_host(url) == region


def test_the_partition_of_a_region() -> None:
    found = [partition_of(region) for region in ("eu-west-1", "cn-north-1", "us-gov-west-1")]
    assert found == ["aws", "aws-cn", "aws-us-gov"]
    with pytest.raises(InputError, match="'nowhere' is not an AWS region"):
        partition_of("nowhere")


def test_the_default_region_is_the_environments(monkeypatch: pytest.MonkeyPatch) -> None:
    assert default_region() is None
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-3")
    assert default_region() == "eu-west-3"
    monkeypatch.setenv("AWS_REGION", "eu-west-2")
    assert default_region() == "eu-west-2"


class TestSignature:
    def test_the_documented_example_of_version_4(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """IAM ListUsers of AWS's documentation: keys, time and signature are printed there."""
        now = datetime.datetime(2015, 8, 30, 12, 36, 0, tzinfo=datetime.UTC)
        monkeypatch.setattr("botocore.auth.get_current_datetime", lambda: now)
        found = signature_headers(
            Signing("iam", "us-east-1"),
            Credentials("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"),
            "GET",
            "https://iam.amazonaws.com/?Action=ListUsers&Version=2010-05-08",
            {"content-type": "application/x-www-form-urlencoded; charset=utf-8", "host": "iam.amazonaws.com"},
        )
        assert found == {
            "X-Amz-Date": "20150830T123600Z",
            "Authorization": "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/iam/aws4_request, "
            "SignedHeaders=content-type;host;x-amz-date, "
            "Signature=5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7",
        }

    def test_a_token_is_signed_and_sent(self) -> None:
        found = signed_headers(
            Signing("bedrock", "us-east-1"), Credentials("AK", "SK", "TOKEN"), "POST", "http://h:1/model/x", {}, b"{}"
        )
        assert found["X-Amz-Security-Token"] == "TOKEN"
        assert found["host"] == "h:1"
        assert "SignedHeaders=host;x-amz-content-sha256;x-amz-date;x-amz-security-token," in found["Authorization"]


class TestCredentials:
    def test_they_come_from_the_usual_chain_and_are_never_shown(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "a-secret")
        monkeypatch.setenv("AWS_SESSION_TOKEN", "a-token")
        found = CredentialSource().current()
        assert (found.access_key, found.secret_key, found.token) == ("AKIDEXAMPLE", "a-secret", "a-token")
        assert "secret" not in repr(found) + str(found)
        assert "token=" not in repr(found)

    def test_missing_credentials_say_what_to_do(self) -> None:
        with pytest.raises(CredentialsError, match="no AWS credentials found: set AWS_PROFILE"):
            CredentialSource()

    def test_a_missing_profile_is_named(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AWS_PROFILE", "nobody")
        with pytest.raises(CredentialsError, match=r"\(nobody\) could not be found"):
            CredentialSource()

    def test_temporary_credentials_are_renewed_and_others_reused(self, aws_process_credentials: Path) -> None:
        """A credential process, as single sign-on tools are configured; it runs again when the keys are stale."""
        aws_process_credentials.write_text(_process_output("first", minutes=1))  # within the time of mandatory renewal
        source = CredentialSource()
        assert source.current().access_key == "first"
        aws_process_credentials.write_text(_process_output("second", minutes=60))
        assert source.current().access_key == "second"
        aws_process_credentials.unlink()
        assert source.current().access_key == "second"

    def test_a_renewal_that_fails_is_one_line(self, aws_process_credentials: Path) -> None:
        aws_process_credentials.write_text(_process_output("first", minutes=1))
        source = CredentialSource()
        aws_process_credentials.unlink()
        with pytest.raises(CredentialsError) as caught:
            source.current()
        assert "custom-process" in str(caught.value)
        assert "log in again" in str(caught.value)
        assert "\n" not in str(caught.value)


def _process_output(key: str, minutes: int) -> str:
    until = datetime.datetime.now(datetime.UTC) + datetime.timedelta(minutes=minutes)
    return (
        f'{{"Version": 1, "AccessKeyId": "{key}", "SecretAccessKey": "s", "SessionToken": "t", '
        f'"Expiration": "{until.isoformat()}"}}'
    )
