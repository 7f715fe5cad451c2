"""AWS credentials, and request signatures (Signature Version 4) made with them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from fmbench_lib.errors import CredentialsError

if TYPE_CHECKING:
    pass
from fmbench_lib.aws.session import session

BODY_HASH_HEADER = "x-amz-content-sha256"


@dataclass(frozen=True, slots=True)
class Signing:
    """What a request's signature (AWS Signature Version 4) is for: `service` as the credential scope names it."""

    service: str
    region: str


@dataclass(frozen=True, slots=True)
class Credentials:
    """A set of keys; `token` comes with those that run out."""

    access_key: str = field(repr=False)
    secret_key: str = field(repr=False)
    token: str | None = field(default=None, repr=False)


class CredentialSource:
    """The credentials of botocore's usual chain, renewed when those that run out come near their end."""

    def __init__(self) -> None:
        made = session()
        from botocore.exceptions import BotoCoreError

        try:
            self._found: Any = made.get_credentials()
        except BotoCoreError as error:
            raise CredentialsError(_lost(error)) from None
        if self._found is None:
            raise CredentialsError(
                "no AWS credentials found: set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, "
                "or give the instance a role"
            )

    def current(self) -> Credentials:
        """The credentials to sign with now; renewing them can take a moment.

        Raises CredentialsError where they have run out and cannot be renewed.
        """
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            frozen = self._found.get_frozen_credentials()
        except (BotoCoreError, ClientError, RuntimeError, OSError) as error:  # RuntimeError: renewed, but run out
            raise CredentialsError(_lost(error)) from None
        return Credentials(frozen.access_key, frozen.secret_key, frozen.token)


def _lost(error: Exception) -> str:
    said = " ".join(str(error).split())
    return f"the AWS credentials cannot be had or renewed: {said}; log in again, then --resume"


def body_hash(body: bytes) -> str:
    """A body's hash as `x-amz-content-sha256` has it: made once, it spares each signature a walk over the body."""
    return hashlib.sha256(body).hexdigest()


def signature_headers(
    signing: Signing, credentials: Credentials, method: str, url: str, headers: Mapping[str, str]
) -> dict[str, str]:
    """The headers that make a request a signed one, as of now.

    `headers` are what is signed, Host and the body's hash among them; others may be added to the request unsigned.
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
    """All headers of a whole request, signed, for clients that send one at once."""
    every = {**headers, "host": urlsplit(url).netloc, BODY_HASH_HEADER: body_hash(body)}
    return every | signature_headers(signing, credentials, method, url, every)
