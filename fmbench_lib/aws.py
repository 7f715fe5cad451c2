"""What every call to AWS needs: sessions, regions, addresses, credentials and signatures. All by botocore.

botocore is imported where it is used: a run without AWS neither needs it nor pays for it.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from fmbench_lib.errors import CredentialsError, InputError

if TYPE_CHECKING:
    from botocore.client import BaseClient
    from botocore.session import Session

RUNTIME_SERVICES = {"sagemaker": "sagemaker-runtime", "bedrock": "bedrock-runtime"}
"""What an experiment's platform is called by botocore where requests are answered."""

BODY_HASH_HEADER = "x-amz-content-sha256"

_REGION = r"[a-z]{2,5}(?:-[a-z]+)+-\d+"
_REGION_IN_HOST = re.compile(rf"(?:^|\.)({_REGION})\.(?:vpce\.)?(?:amazonaws|api\.aws|sc2s|c2s)")


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


def session() -> Session:
    """botocore's session: environment, config files and the profile of `AWS_PROFILE`. Raises InputError without it."""
    try:
        from botocore.session import Session
    except ImportError:
        raise InputError(
            "AWS needs boto3, which is not installed: pip install 'fmbench-lib[sagemaker]' (or [bedrock])"
        ) from None
    made = Session()
    made.register_component("data_loader", _service_descriptions())
    return made


@lru_cache(maxsize=1)
def _service_descriptions() -> Any:
    """botocore's descriptions of the services: megabytes, which every session of ours need not read anew."""
    from botocore.loaders import create_loader

    return create_loader(os.environ.get("AWS_DATA_PATH"))


def client(service: str, region: str | None, endpoint_url: str | None = None, **config: Any) -> BaseClient:
    """A client of an AWS service; `config` are options of botocore's `Config`.

    `AWS_ENDPOINT_URL`, `AWS_ENDPOINT_URL_<SERVICE>` and the same in the AWS config file hold where `endpoint_url` is
    None. Raises InputError for a region or profile that cannot be used.
    """
    made = session()
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError

    try:
        options = Config(**config) if config else None
        return made.create_client(service, region_name=region, endpoint_url=endpoint_url, config=options)
    except (BotoCoreError, ValueError) as error:
        raise InputError(f"AWS {service}: {error}") from None


def default_region() -> str | None:
    """The region of the environment (`AWS_REGION`, `AWS_DEFAULT_REGION`) or of the profile; None where none is set."""
    return os.environ.get("AWS_REGION") or session().get_config_variable("region")


def region_of_host(url: str) -> str | None:
    """The region that an address of AWS names; None for any other address."""
    found = _REGION_IN_HOST.search(urlsplit(url).hostname or "")
    return found[1] if found else None


def partition_of(region: str) -> str:
    """The partition of a region, as ARNs spell it: `aws`, `aws-cn`, `aws-us-gov`, …"""
    made = session()
    from botocore.exceptions import UnknownRegionError

    try:
        return str(made.get_partition_for_region(region))
    except UnknownRegionError:
        raise InputError(f"{region!r} is no AWS region; write one like us-east-1") from None


def dns_suffix_of(region: str) -> str:
    """What addresses end in where a region is: `amazonaws.com`, `amazonaws.com.cn`, …"""
    known: Any = client("sagemaker", region, ignore_configured_endpoint_urls=True)
    return str(urlsplit(known.meta.endpoint_url).hostname).partition(f".{region}.")[2]


def runtime_url(service: str, region: str, endpoint_url: str | None = None) -> str:
    """Where a service answers in a region, without a slash at the end: `https://host` or what replaces it.

    `service` is botocore's name, such as `bedrock-runtime`. `endpoint_url` comes first, then the environment's
    `AWS_ENDPOINT_URL_<SERVICE>` and `AWS_ENDPOINT_URL`, the AWS config file, and the partition's own address.
    """
    made: Any = client(service, region, endpoint_url)
    return str(made.meta.endpoint_url).rstrip("/")


def endpoint_invocation_url(endpoint_name: str, region: str, endpoint_url: str | None = None) -> str:
    """The address of a SageMaker endpoint's invocations, as an experiment's codec takes it."""
    base = runtime_url("sagemaker-runtime", region, endpoint_url)
    return f"{base}/endpoints/{quote(endpoint_name, safe='')}/invocations"


def model_url(model: str, region: str, endpoint_url: str | None = None) -> str:
    """The address of a Bedrock model, inference profile or ARN; the codec adds the operation to it."""
    return f"{runtime_url('bedrock-runtime', region, endpoint_url)}/model/{quote(model, safe='')}"


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
