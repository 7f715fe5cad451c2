"""Objects in S3 that a deployment creates: recorded before they are uploaded, deleted only if this run created them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NotRequired, TypedDict, cast

from fmbench_lib.aws.session import PATIENT
from fmbench_lib.errors import DeployError, InputError
from fmbench_lib.storage.bucket import Address, Bucket

KIND = "s3_object"
_RUN = "fmbench-run"
"""The object's metadata key that names the run that uploaded it."""


class S3Object(TypedDict):
    """What is recorded of an object; `name` is its key, `in_parts` that its upload may leave parts behind."""

    kind: str
    bucket: str
    name: str
    region: str
    run_id: str
    in_parts: NotRequired[bool]


def is_s3_object(resource: Mapping[str, Any]) -> bool:
    """Whether what is recorded of an endpoint is an object in S3."""
    return resource.get("kind") == KIND


def parts_of(address: str) -> tuple[str, str]:
    """Bucket and key of `s3://bucket/key`, the key as it is written; raises DeployError for anything else."""
    try:
        bucket = Address.parse(address).bucket
    except InputError as error:
        raise DeployError(str(error)) from None
    return bucket, address.removeprefix(f"s3://{bucket}").removeprefix("/")


def s3_object(bucket: str, key: str, region: str, run_id: str, *, in_parts: bool = False) -> S3Object:
    """The record of an object of this run; `in_parts` where its upload may leave parts behind."""
    resource = S3Object(kind=KIND, bucket=bucket, name=key, region=region, run_id=run_id)
    if in_parts:
        resource["in_parts"] = True
    return resource


def upload(resource: S3Object, content: bytes) -> None:
    """Upload a small object that has been recorded; raises DeployError."""
    _bucket(resource["bucket"], resource["region"]).put(resource["name"], content, {_RUN: resource["run_id"]})


def upload_file(resource: S3Object, path: Path) -> None:
    """Upload a file of any size that has been recorded, in parts where it is large; raises DeployError."""
    _bucket(resource["bucket"], resource["region"]).put_file(resource["name"], path, {_RUN: resource["run_id"]})


def read_object(address: str, region: str) -> bytes | None:
    """The content of a small object at an address in S3; None where there is none. Raises DeployError."""
    bucket, key = parts_of(address)
    return _bucket(bucket, region).read(key)


def exists(address: str, region: str) -> bool:
    """Whether anything is at an address in S3, a file or a folder; raises DeployError where S3 does not say."""
    bucket, key = parts_of(address)
    return _bucket(bucket, region).has(key)


def remove_object(resource: Mapping[str, Any]) -> None:
    """Delete an object that this run uploaded, and the parts of an interrupted upload; nothing else.

    Raises DeployError where it cannot be deleted.
    """
    known = cast(S3Object, resource)
    bucket = _bucket(known["bucket"], known["region"])
    if known.get("in_parts"):
        bucket.abort_uploads(known["name"])
    stored = bucket.look(known["name"])
    if stored is not None and stored.metadata.get(_RUN) == known["run_id"]:
        bucket.remove(known["name"])


def _bucket(name: str, region: str) -> Bucket:
    return Bucket(name, region, patience=PATIENT, raises=DeployError)
