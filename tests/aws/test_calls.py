"""Errors of AWS calls: one translator, which raises the caller's kind of error."""

from __future__ import annotations

import boto3.exceptions
import pytest
from botocore.exceptions import (
    ClientError,
    CredentialRetrievalError,
    EndpointConnectionError,
    NoCredentialsError,
    ReadTimeoutError,
)

from fmbench_lib.aws.calls import is_gone, translated, unless_gone
from fmbench_lib.errors import DeployError, FmbenchError, ForbiddenError, InputError, StorageError

KEY = "AKIADISTINCTIVEFAKE1"


def refusal(code: str, message: str = "no") -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": message}}, "Operation")


def message_of(error: Exception, raises: type[FmbenchError] = DeployError) -> str:
    with pytest.raises(FmbenchError) as caught, translated("reading it", raises, hide=["hush"]):
        raise error
    assert type(caught.value) in (raises, ForbiddenError)
    return str(caught.value)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (
            refusal("ExpiredToken"),
            "reading it: the AWS credentials are invalid or have expired (ExpiredToken: no); log in",
        ),
        (refusal("403", "Forbidden"), "reading it: not allowed: Forbidden; grant the caller's role or user this"),
        (refusal("SlowDown"), "reading it: AWS throttles the account's calls (no); try again"),
        (refusal("NoSuchBucket"), "reading it: there is no bucket of this name: no; create it, or name another"),
        (
            refusal("ResourceLimitExceeded"),
            "reading it: the account's quota does not allow it: no; request an increase",
        ),
        (refusal("Odd", "one\ntwo hush"), "reading it: Odd: one two <removed>"),
        (NoCredentialsError(), "reading it: no AWS credentials found: set AWS_PROFILE"),
        (
            CredentialRetrievalError(provider="sso", error_msg="expired"),
            "reading it: cannot obtain or renew AWS credentials: ",
        ),
        (
            EndpointConnectionError(endpoint_url="https://s3.example/"),
            "reading it: s3.example cannot be reached or does not answer (EndpointConnectionError)",
        ),
        (
            ReadTimeoutError(endpoint_url="https://s3.example/"),
            "reading it: s3.example cannot be reached or does not answer (ReadTimeoutError)",
        ),
        (boto3.exceptions.S3UploadFailedError("the part hush"), "reading it: the part <removed>"),
        (ConnectionResetError("reset"), "reading it: reset"),
        (InputError("AWS s3: invalid region"), "reading it: AWS s3: invalid region"),
    ],
)
def test_each_error_is_one_line_that_says_what_to_do(error: Exception, said: str) -> None:
    for raises in (DeployError, StorageError):
        message = message_of(error, raises)
        assert message.startswith(said)
        assert "\n" not in message


def test_only_deployments_have_an_error_of_their_own_for_denied_calls() -> None:
    for raises, kind in ((DeployError, ForbiddenError), (StorageError, StorageError)):
        with pytest.raises(raises) as caught, translated("reading it", raises):
            raise refusal("AccessDenied")
        assert type(caught.value) is kind


def test_errors_of_fmbench_and_programming_errors_pass_through() -> None:
    with pytest.raises(StorageError, match=r"^mine$"), translated("reading it", DeployError):
        raise StorageError("mine")
    with pytest.raises(KeyError), translated("reading it"):
        raise KeyError("x")


def test_what_does_not_exist_is_none_and_other_errors_stay() -> None:
    def missing() -> str:
        raise refusal("ValidationException", "Could not find endpoint x")

    def denied() -> str:
        raise refusal("AccessDenied", f"{KEY} may not")

    assert unless_gone(missing) is None
    assert unless_gone(lambda: "there") == "there"
    with pytest.raises(ClientError):
        unless_gone(denied)
    assert not is_gone(refusal("ValidationException", "the name is too long"))
