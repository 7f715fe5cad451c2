"""Values of the standard placeholders where nobody gives them: AWS region, execution role and buckets.

In SageMaker Studio, on a notebook instance and in a notebook job nobody gives options. There the environment,
SageMaker's own file about the machine and AWS supply `{region}`, `{role_arn}`, `{write_bucket}` and `{read_bucket}`.
Only the placeholders that a config uses are looked up, and nothing is invented: what is not known stays open.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple

from fmbench_lib.aws.calls import translated
from fmbench_lib.aws.instance_metadata import instance_region, instance_role
from fmbench_lib.aws.session import BRIEF, client, default_region
from fmbench_lib.aws.signing import CredentialSource
from fmbench_lib.config.problems import Notice
from fmbench_lib.config.reading.substitution import STANDARD
from fmbench_lib.errors import CredentialsError, InputError

METADATA_FILE = Path("/opt/ml/metadata/resource-metadata.json")
"""Where SageMaker describes the app or notebook instance to what runs in it."""

FindBucket = Callable[[Literal["read", "write"], str | None], str]
"""The name of the default bucket of a kind in a region; raises InputError where there is none."""

_BUCKETS: Mapping[str, Literal["read", "write"]] = {"read_bucket": "read", "write_bucket": "write"}
_ASSUMED = re.compile(r"arn:(?P<partition>[\w-]+):sts::(?P<account>\d{12}):assumed-role/(?P<name>[^/]+)/")
_ARN = re.compile(r"arn:(?P<partition>[\w-]+):sagemaker:(?P<region>[\w-]+):(?P<account>\d{12}):")
_OF_A_PERSON = "AWSReservedSSO_"  # roles that people log in with: no service may assume them
_MADE_BY_STUDIO = "AmazonSageMaker-ExecutionRole-"  # the console creates them below this path


class Found(NamedTuple):
    """A value and where it is from, in words."""

    value: str
    origin: str


@dataclass(frozen=True, slots=True)
class StandardValues:
    """The standard placeholders whose values are known on this machine, and why others are not."""

    found: Mapping[str, Found] = field(default_factory=dict)
    missing: Mapping[str, str] = field(default_factory=dict)

    @property
    def values(self) -> dict[str, str]:
        """The known values by placeholder."""
        return {name: found.value for name, found in self.found.items()}

    @property
    def notices(self) -> tuple[Notice, ...]:
        """What a user is told: values that nobody gave, and why a value is not known."""
        known = [Notice(f"{{{name}}}", f"{found.value}, from {found.origin}") for name, found in self.found.items()]
        unknown = [Notice(f"{{{name}}}", f"not known here: {reason}") for name, reason in self.missing.items()]
        return (*known, *unknown)


def standard_values(
    texts: Iterable[str], given: Mapping[str, str] | None = None, *, find_bucket: FindBucket | None
) -> StandardValues:
    """The values of the standard placeholders that occur in `texts` and are not `given`.

    AWS is called only for a role or bucket that is needed and that nothing nearer supplies. Without `find_bucket`
    buckets are not looked up.
    """
    text, hidden = "\n".join(texts), () if find_bucket else _BUCKETS
    names = [name for name in STANDARD if f"{{{name}}}" in text and name not in (given or {}) and name not in hidden]
    machine, found, missing = _Machine(given or {}, find_bucket), {}, {}
    for name in names:
        variable = f"FMBENCH_{name.upper()}"
        value = os.environ.get(variable)
        try:
            match = Found(value, variable) if value else machine.value(name)
        except InputError as error:
            missing[name] = str(error)
            continue
        if match is not None:
            found[name] = match
    return StandardValues(found, missing)


class _Machine:
    """Where this process runs; each fact is looked up when it is first needed."""

    def __init__(self, given: Mapping[str, str], find_bucket: FindBucket | None) -> None:
        self._given = given
        self._find_bucket = find_bucket
        self._metadata: dict[str, Any] | None = None
        self._caller: dict[str, str] | None = None

    def value(self, placeholder: str) -> Found | None:
        """The value of a standard placeholder; None where there is none. Raises InputError with the reason."""
        if placeholder == "region":
            return self.region()
        if placeholder == "role_arn":
            return self.role()
        return self.bucket(_BUCKETS[placeholder]) if placeholder in _BUCKETS else None

    def metadata(self) -> dict[str, Any]:
        """SageMaker's description of the app or instance; empty elsewhere, and where it cannot be read."""
        if self._metadata is None:
            try:
                content = json.loads(METADATA_FILE.read_text(encoding="utf-8"))
            except (OSError, ValueError):
                content = {}
            self._metadata = content if isinstance(content, dict) else {}
        return self._metadata

    def region(self) -> Found | None:
        """The region of the command line, environment, profile, of the app, or of the EC2 instance."""
        if "region" in self._given:
            return Found(self._given["region"], "the command line")
        for name in ("FMBENCH_REGION", "AWS_REGION", "AWS_DEFAULT_REGION"):
            if os.environ.get(name):
                return Found(os.environ[name], name)
        profile = default_region()
        if profile:
            return Found(profile, "the AWS profile")
        app = _ARN.match(str(self.metadata().get("ResourceArn", "")))
        if app:
            return Found(app["region"], "SageMaker's description of this app")
        instance = instance_region()
        return Found(instance, "the instance metadata of this EC2 instance") if instance else None

    def caller(self) -> dict[str, str]:
        """The caller's AWS identity; raises InputError where it is not known."""
        if self._caller is None:
            region = self.region()
            if region is None:
                raise InputError("the AWS region is not known: set AWS_REGION")
            _check_credentials()
            with translated("getting the caller's AWS identity", InputError):
                self._caller = client("sts", region.value, patience=BRIEF).get_caller_identity()
        return self._caller

    def role(self) -> Found:
        """The role that this app, instance or job runs under; raises InputError where a service may not assume it."""
        described = self.metadata().get("ExecutionRoleArn")
        if described:
            return Found(str(described), "SageMaker's description of this app")
        try:
            return self._role_of_caller()
        except InputError:
            instance = instance_role()
            if instance is None:
                raise
            return Found(instance, "the instance metadata of this EC2 instance; its path is a guess")

    def _role_of_caller(self) -> Found:
        """The role of the caller's credentials; raises InputError where there is none that a service may assume."""
        arn = self.caller()["Arn"]
        assumed = _ASSUMED.match(arn)
        if assumed is None or assumed["name"].startswith(_OF_A_PERSON):
            raise InputError(f"this runs under {arn}, which is not a role that a service may assume: give --role-arn")
        return self._with_path(assumed)

    def _with_path(self, assumed: re.Match[str]) -> Found:
        """The role's own ARN: a session's ARN leaves out the path before the role's name."""
        start = f"arn:{assumed['partition']}:iam::{assumed['account']}:role/"
        under = "the role that this runs under"
        region = self.region()
        try:
            with translated("reading the role", InputError):
                iam = client("iam", region.value if region else None, patience=BRIEF)
                return Found(str(iam.get_role(RoleName=assumed["name"])["Role"]["Arn"]), under)
        except InputError:
            path = "service-role/" if assumed["name"].startswith(_MADE_BY_STUDIO) else ""
            return Found(f"{start}{path}{assumed['name']}", f"{under}; its path is a guess (iam:GetRole)")

    def bucket(self, kind: Literal["read", "write"]) -> Found | None:
        """The account's default bucket of a kind; raises InputError where it does not exist."""
        region = self.region()
        if self._find_bucket is None:
            return None
        bucket = self._find_bucket(kind, region.value if region else None)
        return Found(bucket, "the default of this account and region")


def _check_credentials() -> None:
    """Raise InputError where there are no credentials: then AWS is not called at all."""
    try:
        CredentialSource()
    except CredentialsError as error:
        raise InputError(str(error)) from None
