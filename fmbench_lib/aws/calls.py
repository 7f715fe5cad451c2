"""Calls of AWS's control planes, and their errors in words: what went wrong, and what to do about it."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

from fmbench_lib.aws.session import client as aws_client
from fmbench_lib.config.redaction import REMOVED, is_secret, without_secrets
from fmbench_lib.errors import DeployError, ForbiddenError

_KEPT_S = 60.0
_GONE = frozenset({"ResourceNotFoundException", "ResourceNotFound", "NoSuchKey", "NoSuchBucket", "NotFound", "404"})
_GONE_TEXTS = ("could not find", "does not exist")
_LOST = frozenset({
    "ExpiredToken", "ExpiredTokenException", "InvalidClientTokenId", "UnrecognizedClientException",
    "InvalidSignatureException", "SignatureDoesNotMatch", "InvalidAccessKeyId", "AuthFailure", "RequestExpired",
})  # fmt: skip
_DENIED = frozenset({"AccessDenied", "AccessDeniedException", "403"})
_QUOTA = frozenset({"ResourceLimitExceeded", "ServiceQuotaExceededException", "LimitExceededException"})
_THROTTLED = frozenset({"Throttling", "ThrottlingException", "TooManyRequestsException"})
_LOG_IN = (
    "log in again (fresh keys, aws sso login), then: fmbench --resume, or fmbench cleanup to take down what stands"
)

_REMEDIES: tuple[tuple[tuple[str, ...], str, str], ...] = (
    (
        ("insufficientinstancecapacity", "unable to provision requested ml compute capacity", "insufficient capacity"),
        "AWS has no free instance of this type there now",
        "try again later, or use another instance type or region",
    ),
    (
        ("service limit", "service quota", "quota"),
        "the account's quota does not allow it",
        "ask for more in the Service Quotas console, or use another instance type or region",
    ),
    (
        ("requested image", "repository with name", "imagenotfound"),
        "the container image is not there",
        "correct image_uri: registry account, region, name and tag",
    ),
    (
        ("could not assume role", "assume the role", "sts:assumerole", "role exists and that its trust relationship"),
        "SageMaker may not use the role",
        "correct sagemaker_execution_role, and let sagemaker.amazonaws.com assume it",
    ),
    (
        ("could not find model data", "could not access model data", "no objects found"),
        "the model's files are not there or may not be read",
        "correct model_data, and let the role read the bucket",
    ),
)
"""Parts of AWS's messages, what they mean, and what to do."""


def client(service: str, region: str) -> Any:
    """A client of a control plane, which tries again by itself where AWS throttles or a connection breaks.

    Making one takes long, so that it is kept, but only for a minute: credentials in files may be new by then.
    """
    environment = tuple(sorted(item for item in os.environ.items() if item[0].startswith("AWS_")))
    return _client(service, region, environment, int(time.monotonic() / _KEPT_S))


@lru_cache(maxsize=16)
def _client(service: str, region: str, _environment: tuple[tuple[str, str], ...], _minute: int) -> Any:
    return aws_client(service, region, retries={"mode": "standard", "max_attempts": 6}, connect_timeout=10)


@contextmanager
def saying(doing: str, hide: Sequence[str] = ()) -> Iterator[None]:
    """Turn what botocore raises into a DeployError of one line that begins with `doing`.

    `hide` are secrets that AWS may quote back: they are taken out of what it says.
    """
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except ClientError as error:
        detail = error.response["Error"]
        code = detail.get("Code", "")
        kind = ForbiddenError if code in _DENIED else DeployError
        raise kind(explained(doing, code, detail.get("Message", ""), hide)) from None
    except BotoCoreError as error:
        raise DeployError(_without_answer(doing, error, hide)) from None


def is_gone(error: Exception) -> bool:
    """Whether an error of AWS says that what was asked for does not exist."""
    detail = getattr(error, "response", {}).get("Error", {})
    said = str(detail.get("Message", "")).lower()
    if detail.get("Code") in _GONE:
        return True
    return detail.get("Code") == "ValidationException" and any(part in said for part in _GONE_TEXTS)


def explained(doing: str, code: str, message: str, hide: Sequence[str] = ()) -> str:
    """An error of AWS as one line: what was done, what it means, AWS's own words, what to do."""
    said = hidden(message, hide).rstrip(".")
    if code in _LOST:
        return f"{doing}: the AWS credentials are not valid or have run out ({code}: {said}); {_LOG_IN}"
    if code in _DENIED:
        return f"{doing}: not allowed: {said}; let the caller's role or user do it"
    if code in _THROTTLED:
        return f"{doing}: AWS throttles the account's calls ({said}); try again with fewer experiments at once"
    for parts, meaning, remedy in _REMEDIES:
        if any(part in f"{code} {said}".lower() for part in parts) or (code in _QUOTA and "quota" in parts):
            return f"{doing}: {meaning}: {said}; {remedy}"
    return f"{doing}: {code + ': ' if code else ''}{said}"


def hidden(text: str, hide: Sequence[str] = ()) -> str:
    """A text on one line, without what looks like a secret and without those of `hide`."""
    for secret in filter(None, hide):
        text = text.replace(secret, REMOVED)
    return " ".join(without_secrets(text).split())


def secrets_in(environment: Mapping[str, str]) -> list[str]:
    """The values of a container's environment that nobody may read in a message."""
    return [value for name, value in environment.items() if value and is_secret(name)]


def caller(region: str) -> dict[str, str]:
    """Who we are to AWS (`Account`, `Arn`): the first call, which shows whether the credentials are any good."""
    with saying("asking AWS who is calling"):
        found: dict[str, str] = client("sts", region).get_caller_identity()
    return found


def _without_answer(doing: str, error: Exception, hide: Sequence[str]) -> str:
    """What to say where AWS was not reached or not asked."""
    from botocore.exceptions import CredentialRetrievalError, NoCredentialsError, PartialCredentialsError

    if isinstance(error, NoCredentialsError | PartialCredentialsError):
        return f"{doing}: there are no AWS credentials: set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
    if isinstance(error, CredentialRetrievalError):
        return f"{doing}: the AWS credentials cannot be had or renewed: {hidden(str(error), hide)}; {_LOG_IN}"
    return f"{doing}: {hidden(str(error), hide)}"
