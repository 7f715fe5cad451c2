"""The buckets that a run uses where none is named: those of the account and region, found by their names."""

from __future__ import annotations

from typing import Literal

from fmbench_lib.aws.calls import translated
from fmbench_lib.aws.session import BRIEF, client, default_region
from fmbench_lib.aws.signing import CredentialSource
from fmbench_lib.errors import CredentialsError, InputError, StorageError
from fmbench_lib.storage.bucket import Bucket


def bucket_name(kind: str, region: str, account: str) -> str:
    """The name of the default bucket that is read from or written to (`kind`: read, write)."""
    return f"sagemaker-fmbench-{kind}-{region}-{account}"


def default_bucket(kind: Literal["read", "write"], region: str | None) -> str:
    """`sagemaker-fmbench-<kind>-<region>-<account>`, checked to exist and to belong to the account.

    Its name can be worked out, and so taken, by anybody. Raises InputError where it is not known or does not exist.
    """
    lacking = f"no {kind} bucket is named, and the default one"
    region = region or default_region()
    if region is None:
        raise InputError(f"{lacking} depends on the AWS region: set AWS_REGION, or write aws.region")
    try:
        CredentialSource()
    except CredentialsError as error:
        raise InputError(f"{lacking} depends on the account: {error}") from None
    with translated(f"{lacking} depends on the account", InputError):
        account = str(client("sts", region, patience=BRIEF).get_caller_identity()["Account"])
    name = bucket_name(kind, region, account)
    try:
        Bucket(name, region).check(owner=account)
    except StorageError as error:
        setting = "--write-bucket or aws.bucket" if kind == "write" else "s3_read_data.read_bucket"
        raise InputError(f"{lacking} cannot be used: {error} (cloudformation/fmbench.yml; {setting})") from None
    return name
