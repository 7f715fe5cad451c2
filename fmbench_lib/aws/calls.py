"""Calls of AWS, and their errors in words: what went wrong, and what to do about it.

`translated` is the only place where errors of calls become errors of fmbench.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TypeVar
from urllib.parse import urlsplit

from fmbench_lib.aws.session import client
from fmbench_lib.aws.signing import LOG_IN, NO_CREDENTIALS, credentials_lost
from fmbench_lib.config.secret_forms import REMOVED, without_secrets
from fmbench_lib.config.secret_names import is_secret
from fmbench_lib.errors import DeployError, FmbenchError, ForbiddenError, InputError

Result = TypeVar("Result")

_GONE = frozenset({"ResourceNotFoundException", "ResourceNotFound", "NoSuchKey", "NoSuchBucket", "NotFound", "404"})
_GONE_TEXTS = ("could not find", "does not exist")
_LOST = frozenset({
    "ExpiredToken", "ExpiredTokenException", "InvalidClientTokenId", "UnrecognizedClientException", "InvalidToken",
    "InvalidSignatureException", "SignatureDoesNotMatch", "InvalidAccessKeyId", "AuthFailure", "RequestExpired",
    "TokenRefreshRequired",
})  # fmt: skip
_DENIED = frozenset({"AccessDenied", "AccessDeniedException", "AllAccessDisabled", "Forbidden", "403"})
_QUOTA = frozenset({"ResourceLimitExceeded", "ServiceQuotaExceededException", "LimitExceededException"})
_THROTTLED = frozenset({
    "Throttling", "ThrottlingException", "ThrottledException", "TooManyRequestsException", "TooManyRequests",
    "RequestThrottled", "RequestThrottledException", "RequestLimitExceeded", "BandwidthLimitExceeded",
    "PriorRequestNotComplete", "SlowDown", "429",
})  # fmt: skip
_LONGEST_REASON = 300

_REMEDIES: tuple[tuple[tuple[str, ...], str, str], ...] = (
    (
        ("insufficientinstancecapacity", "unable to provision requested ml compute capacity", "insufficient capacity"),
        "AWS has no free instance of this type there now",
        "try again later, or use another instance type or region",
    ),
    (
        ("service limit", "service quota", "quota"),
        "the account's quota does not allow it",
        "request an increase in the Service Quotas console, or use another instance type or region",
    ),
    (
        ("requested image", "repository with name", "imagenotfound"),
        "the container image does not exist",
        "correct image_uri: registry account, region, name and tag",
    ),
    (
        ("could not assume role", "assume the role", "sts:assumerole", "role exists and that its trust relationship"),
        "SageMaker may not assume the role",
        "correct sagemaker_execution_role, and let sagemaker.amazonaws.com assume it",
    ),
    (
        ("could not find model data", "could not access model data", "no objects found"),
        "the model's files do not exist or may not be read",
        "correct model_data, and let the role read the bucket",
    ),
    (
        ("nosuchbucket",),
        "there is no bucket of this name",
        "create it, or name another",
    ),
)
"""Parts of AWS's messages, what they mean, and what to do."""


@contextmanager
def translated(doing: str, raises: type[FmbenchError] = DeployError, hide: Sequence[str] = ()) -> Iterator[None]:
    """Turn an error of botocore, boto3 or a broken connection into `raises`, one line that begins with `doing`.

    Where `raises` is DeployError, a call that AWS denies raises ForbiddenError; one that it throttles has
    `throttled` set. An answer that is not in AWS's form is an error too: a proxy may answer in its place. `hide` are
    secrets that AWS may quote back: they are removed from the message.
    """
    from boto3.exceptions import Boto3Error
    from botocore.exceptions import BotoCoreError, ClientError
    from botocore.parsers import ResponseParserError

    try:
        yield
    except ClientError as error:
        detail = error.response.get("Error", {})
        code = str(detail.get("Code", ""))
        kind = ForbiddenError if code in _DENIED and raises is DeployError else raises
        message = str(detail.get("Message") or "") or ("" if code else _status_of(error))
        failure = kind(explained(doing, code, message, hide))
        failure.throttled = code in _THROTTLED
        raise failure from None
    except (BotoCoreError, Boto3Error, ConnectionError, TimeoutError, InputError) as error:
        raise raises(f"{doing}: {_unanswered(error, hide)}") from None
    except ResponseParserError as error:
        reason = hidden(str(error), hide)[:_LONGEST_REASON]
        raise raises(f"{doing}: the answer is not AWS's ({reason}); check the proxy and AWS_ENDPOINT_URL") from None


def _status_of(error: Exception) -> str:
    """What to say of an error that has neither code nor message: a proxy's page, which botocore could not read."""
    status = getattr(error, "response", {}).get("ResponseMetadata", {}).get("HTTPStatusCode")
    return f"HTTP {status} without an error of AWS"


def unless_gone(call: Callable[[], Result]) -> Result | None:
    """The result of an AWS call; None where AWS says that what it is about does not exist."""
    from botocore.exceptions import ClientError

    try:
        return call()
    except ClientError as error:
        if is_gone(error):
            return None
        raise


def is_gone(error: Exception) -> bool:
    """Whether an error of AWS says that the object of the call does not exist."""
    detail = getattr(error, "response", {}).get("Error", {})
    if detail.get("Code") in _GONE:
        return True
    message = str(detail.get("Message", "")).lower()
    return detail.get("Code") == "ValidationException" and any(part in message for part in _GONE_TEXTS)


def explained(doing: str, code: str, message: str, hide: Sequence[str] = ()) -> str:
    """An error of AWS as one line: what was attempted, what the error means, AWS's message, what to do."""
    message = hidden(message, hide).rstrip(".")
    if code in _LOST:
        return f"{doing}: the AWS credentials are invalid or have expired ({code}: {message}); {LOG_IN}"
    if code in _DENIED:
        return f"{doing}: not allowed: {message}; grant the caller's role or user this permission"
    if code in _THROTTLED:
        return f"{doing}: AWS throttles the account's calls ({message}); try again, with fewer experiments at once"
    for parts, meaning, remedy in _REMEDIES:
        if any(part in f"{code} {message}".lower() for part in parts) or (code in _QUOTA and "quota" in parts):
            return f"{doing}: {meaning}: {message}; {remedy}"
    return f"{doing}: {code + ': ' if code else ''}{message}"


def hidden(text: str, hide: Sequence[str] = ()) -> str:
    """A text on one line, without what looks like a secret and without the secrets in `hide`."""
    for secret in filter(None, hide):
        text = text.replace(secret, REMOVED)
    return " ".join(without_secrets(text).split())


def secrets_in(environment: Mapping[str, str]) -> list[str]:
    """The values of a container's environment that must not appear in a message."""
    return [value for name, value in environment.items() if value and is_secret(name)]


def caller(region: str) -> dict[str, str]:
    """The caller's identity (`Account`, `Arn`); the first call of a deployment, which shows whether credentials work.

    Raises DeployError.
    """
    with translated("getting the caller's AWS identity"):
        identity: dict[str, str] = client("sts", region).get_caller_identity()
    return identity


def _unanswered(error: Exception, hide: Sequence[str]) -> str:
    """What to say of a call that AWS did not answer, or that was never sent."""
    from botocore.exceptions import CredentialRetrievalError, NoCredentialsError, PartialCredentialsError

    if isinstance(error, NoCredentialsError | PartialCredentialsError):
        return NO_CREDENTIALS
    if isinstance(error, CredentialRetrievalError):
        return credentials_lost(hidden(str(error), hide))
    host = urlsplit(str(getattr(error, "kwargs", {}).get("endpoint_url") or "")).netloc
    if host:
        return f"{host} cannot be reached or does not answer ({type(error).__name__})"
    return hidden(str(error), hide)
