"""What a run takes from where it runs, where nobody says: AWS region, execution role and buckets.

In SageMaker Studio, on a notebook instance and in a notebook job nobody gives options: there the environment,
SageMaker's own file about the machine and AWS say what stands in a config as `{region}`, `{role_arn}`,
`{write_bucket}` and `{read_bucket}`. Only what the config asks for is looked for, and nothing is invented: what cannot
be known stays open.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple

from fmbench_lib.aws.default_buckets import default_bucket
from fmbench_lib.aws.session import client as aws_client
from fmbench_lib.aws.session import default_region
from fmbench_lib.aws.signing import CredentialSource
from fmbench_lib.config.problems import Notice
from fmbench_lib.config.reading.substitution import STANDARD
from fmbench_lib.errors import CredentialsError, InputError

METADATA_FILE = Path("/opt/ml/metadata/resource-metadata.json")
"""Where SageMaker describes the app or notebook instance to what runs in it."""

_BUCKETS: Mapping[str, Literal["read", "write"]] = {"read_bucket": "read", "write_bucket": "write"}
_ASSUMED = re.compile(r"arn:(?P<partition>[\w-]+):sts::(?P<account>\d{12}):assumed-role/(?P<name>[^/]+)/")
_ARN = re.compile(r"arn:(?P<partition>[\w-]+):sagemaker:(?P<region>[\w-]+):(?P<account>\d{12}):")
_OF_A_PERSON = "AWSReservedSSO_"  # roles that people log in with: no service may take them
_MADE_BY_STUDIO = "AmazonSageMaker-ExecutionRole-"  # the console makes them below this path
_QUICKLY: dict[str, Any] = {
    "connect_timeout": 3,
    "read_timeout": 10,
    "retries": {"mode": "standard", "max_attempts": 2},
}


class Found(NamedTuple):
    """A value and where it is from, in words."""

    value: str
    origin: str


@dataclass(frozen=True, slots=True)
class Surroundings:
    """The standard placeholders that are known here, and why others are not."""

    found: Mapping[str, Found] = field(default_factory=dict)
    missing: Mapping[str, str] = field(default_factory=dict)

    @property
    def values(self) -> dict[str, str]:
        return {name: one.value for name, one in self.found.items()}

    @property
    def notices(self) -> tuple[Notice, ...]:
        """What a person is told of them: values that nobody gave, and why a value is not known."""
        told = [Notice(f"{{{name}}}", f"{one.value}, from {one.origin}") for name, one in self.found.items()]
        why = [Notice(f"{{{name}}}", f"not known here: {reason}") for name, reason in self.missing.items()]
        return (*told, *why)


def variable_of(placeholder: str) -> str:
    """The environment variable that says a standard placeholder where no option can be given."""
    return f"FMBENCH_{placeholder.upper()}"


def look_around(texts: Iterable[str], given: Mapping[str, str] | None = None, *, buckets: bool = True) -> Surroundings:
    """What is known here of the standard placeholders that stand in `texts` and are not `given`.

    AWS is asked only for a role or bucket that is needed and that nothing nearer says; without `buckets` for none.
    """
    text, hidden = "\n".join(texts), () if buckets else _BUCKETS
    names = [name for name in STANDARD if f"{{{name}}}" in text and name not in (given or {}) and name not in hidden]
    if not names:
        return Surroundings()
    place, found, missing = _Place(given or {}), {}, {}
    for name in names:
        said = os.environ.get(variable_of(name))
        try:
            one = Found(said, variable_of(name)) if said else _LOOKS.get(name, _nowhere)(place, name)
        except InputError as error:
            missing[name] = str(error)
            continue
        if one is not None:
            found[name] = one
    return Surroundings(found, missing)


class _Place:
    """Where this process runs; each thing is looked up when it is first asked for."""

    def __init__(self, given: Mapping[str, str]) -> None:
        self._given = given
        self._metadata: dict[str, Any] | None = None
        self._caller: dict[str, str] | None = None

    def metadata(self) -> dict[str, Any]:
        """What SageMaker says of the app or instance; empty elsewhere, and where it cannot be read."""
        if self._metadata is None:
            try:
                read = json.loads(METADATA_FILE.read_text(encoding="utf-8"))
            except (OSError, ValueError):
                read = {}
            self._metadata = read if isinstance(read, dict) else {}
        return self._metadata

    def resource(self) -> re.Match[str] | None:
        """The parts of the ARN of the app or instance."""
        return _ARN.match(str(self.metadata().get("ResourceArn", "")))

    def region(self) -> Found | None:
        """The region of the command line, environment, profile, or of the app."""
        if "region" in self._given:
            return Found(self._given["region"], "the command line")
        for name in ("FMBENCH_REGION", "AWS_REGION", "AWS_DEFAULT_REGION"):
            if os.environ.get(name):
                return Found(os.environ[name], name)
        try:
            profile = default_region()
        except InputError:  # without botocore there is no profile either
            profile = None
        if profile:
            return Found(profile, "the AWS profile")
        resource = self.resource()
        return Found(resource["region"], "SageMaker's description of this app") if resource else None

    def caller(self) -> dict[str, str]:
        """Who we are to AWS; raises InputError where that cannot be known."""
        if self._caller is None:
            region = self.region()
            if region is None:
                raise InputError("the AWS region is not known: set AWS_REGION")
            _see_credentials()
            with _asking("asking AWS who is calling"):
                sts: Any = aws_client("sts", region.value, **_QUICKLY)
                self._caller = sts.get_caller_identity()
        return self._caller

    def role(self) -> Found:
        """The role that this app, instance or job runs under; raises InputError where a service may not take it."""
        described = self.metadata().get("ExecutionRoleArn")
        if described:
            return Found(str(described), "SageMaker's description of this app")
        arn = self.caller()["Arn"]
        assumed = _ASSUMED.match(arn)
        if assumed is None or assumed["name"].startswith(_OF_A_PERSON):
            raise InputError(f"this runs under {arn}, which is no role that a service may take: give --role-arn")
        return self._with_path(assumed)

    def _with_path(self, assumed: re.Match[str]) -> Found:
        """The role's own ARN: a session's leaves out the path that the role's name has."""
        start = f"arn:{assumed['partition']}:iam::{assumed['account']}:role/"
        under = "the role that this runs under"
        region = self.region()
        try:
            with _asking("reading the role"):
                iam: Any = aws_client("iam", region.value if region else None, **_QUICKLY)
                return Found(str(iam.get_role(RoleName=assumed["name"])["Role"]["Arn"]), under)
        except InputError:
            path = "service-role/" if assumed["name"].startswith(_MADE_BY_STUDIO) else ""
            return Found(f"{start}{path}{assumed['name']}", f"{under}; its path is a guess (iam:GetRole)")

    def bucket(self, kind: Literal["read", "write"]) -> Found:
        """The bucket that is the account's by its name, if it is there; raises InputError where it is not."""
        region = self.region()
        return Found(default_bucket(kind, region.value if region else None), "the default of this account and region")


@contextmanager
def _asking(doing: str) -> Iterator[None]:
    """Turn what botocore raises into an InputError of one line that begins with `doing`."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except ClientError as error:
        detail = error.response.get("Error", {})
        raise InputError(f"{doing}: {detail.get('Code')}: {detail.get('Message')}") from None
    except BotoCoreError as error:
        raise InputError(f"{doing}: {' '.join(str(error).split())}") from None


def _see_credentials() -> None:
    """Raise InputError where there are no credentials: AWS is then not asked at all."""
    try:
        CredentialSource()
    except CredentialsError as error:
        raise InputError(str(error)) from None


def _nowhere(_place: _Place, _name: str) -> Found | None:
    return None


def _bucket(place: _Place, name: str) -> Found | None:
    return place.bucket(_BUCKETS[name])


_LOOKS: dict[str, Callable[[_Place, str], Found | None]] = {
    "region": lambda place, _: place.region(),
    "role_arn": lambda place, _: place.role(),
    "write_bucket": _bucket,
    "read_bucket": _bucket,
}
