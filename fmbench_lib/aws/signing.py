"""AWS credentials, and request signatures (Signature Version 4) made with them.

The load workers import this module, and start with the standard library alone: it imports nothing of the config.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from fmbench_lib.aws.session import session
from fmbench_lib.errors import CredentialsError

BODY_HASH_HEADER = "x-amz-content-sha256"
LOG_IN = (
    "log in again (fresh keys, or aws sso login), then --resume, or fmbench cleanup to delete what is still deployed"
)
NO_CREDENTIALS = (
    "no AWS credentials found: set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, "
    "or give the instance a role"
)


@dataclass(frozen=True, slots=True)
class Signing:
    """The scope of a request's signature (AWS Signature Version 4): `service` as the credential scope names it."""

    service: str
    region: str


@dataclass(frozen=True, slots=True)
class Credentials:
    """A set of keys; `token` comes with temporary ones."""

    access_key: str = field(repr=False)
    secret_key: str = field(repr=False)
    token: str | None = field(default=None, repr=False)


class CredentialSource:
    """The credentials of botocore's usual chain; temporary ones are renewed before they expire.

    Raises CredentialsError where there are none.
    """

    def __init__(self) -> None:
        from botocore.exceptions import BotoCoreError

        try:
            self._credentials: Any = session().get_credentials()
        except BotoCoreError as error:
            raise CredentialsError(credentials_lost(str(error))) from None
        if self._credentials is None:
            raise CredentialsError(NO_CREDENTIALS)

    def current(self) -> Credentials:
        """The credentials to sign with now; renewing them can take a moment.

        Raises CredentialsError where they have expired and cannot be renewed.
        """
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            frozen = self._credentials.get_frozen_credentials()
        except (BotoCoreError, ClientError, RuntimeError, OSError) as error:  # RuntimeError: renewed, but expired
            raise CredentialsError(credentials_lost(str(error))) from None
        return Credentials(frozen.access_key, frozen.secret_key, frozen.token)


def credentials_lost(reason: str) -> str:
    """The message for credentials that could not be obtained, or not renewed when they expired."""
    return f"cannot obtain or renew AWS credentials: {' '.join(reason.split())}; {LOG_IN}"


def body_hash(body: bytes) -> str:
    """A body's SHA-256 for the header `x-amz-content-sha256`; computed once, it need not be for each signature."""
    return hashlib.sha256(body).hexdigest()


def signature_headers(
    signing: Signing, credentials: Credentials, method: str, url: str, headers: Mapping[str, str]
) -> dict[str, str]:
    """The headers that sign a request, as of now.

    `headers` are signed, including Host and the body's hash; others may be added to the request unsigned.
    """
    from botocore.auth import SigV4Auth
    from botocore.awsrequest import AWSRequest

    request = AWSRequest(method, url, dict(headers))
    SigV4Auth(credentials, signing.service, signing.region).add_auth(request)
    return {
        name: str(request.headers[name])
        for name in ("X-Amz-Date", "X-Amz-Security-Token", "Authorization")
        if name in request.headers
    }


def signed_headers(
    signing: Signing, credentials: Credentials, method: str, url: str, headers: Mapping[str, str], body: bytes
) -> dict[str, str]:
    """The headers of a complete request, including those that sign it."""
    every = {**headers, "host": urlsplit(url).netloc, BODY_HASH_HEADER: body_hash(body)}
    return every | signature_headers(signing, credentials, method, url, every)
