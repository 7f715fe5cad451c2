"""Objects in S3 that a deployment makes: recorded before they are uploaded, deleted only if this run made them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fmbench_lib.aws.calls import client, hidden, is_gone, saying
from fmbench_lib.errors import DeployError

Resource = dict[str, Any]

_RUN = "fmbench-run"
"""The object's metadata key that says which run put it there."""


def parts_of(address: str) -> tuple[str, str]:
    """Bucket and key of `s3://bucket/key`; raises DeployError for anything else."""
    bucket, _, key = address.removeprefix("s3://").partition("/")
    if not address.startswith("s3://") or not bucket:
        raise DeployError(f"{address} is no address in S3; write s3://bucket/folder")
    return bucket, key


def s3_object(bucket: str, key: str, region: str, run_id: str, *, in_parts: bool = False) -> Resource:
    """How an object of this run is written down; `in_parts` where its upload may leave parts behind."""
    named = {"kind": "s3_object", "bucket": bucket, "name": key, "region": region, "run_id": run_id}
    return {**named, "in_parts": True} if in_parts else named


def upload(resource: Resource, content: bytes) -> None:
    """Put a small object that has been recorded; raises DeployError."""
    where = f"s3://{resource['bucket']}/{resource['name']}"
    with saying(f"uploading {where}"):
        client("s3", resource["region"]).put_object(
            Bucket=resource["bucket"], Key=resource["name"], Body=content, Metadata={_RUN: resource["run_id"]}
        )


def upload_file(resource: Resource, path: Path) -> None:
    """Put a file of any size that has been recorded, in parts where it is large; raises DeployError."""
    from boto3.exceptions import Boto3Error
    from boto3.s3.transfer import S3Transfer

    where = f"s3://{resource['bucket']}/{resource['name']}"
    with saying(f"uploading {where}"):
        try:
            S3Transfer(client("s3", resource["region"])).upload_file(
                str(path), resource["bucket"], resource["name"], extra_args={"Metadata": {_RUN: resource["run_id"]}}
            )
        except Boto3Error as error:
            raise DeployError(f"uploading {where}: {hidden(str(error))}") from None


def exists(address: str, region: str) -> bool:
    """Whether anything is at an address in S3, a file or a folder; raises DeployError where that cannot be known."""
    bucket, key = parts_of(address)
    with saying(f"looking for {address}"):
        found = client("s3", region).list_objects_v2(Bucket=bucket, Prefix=key, MaxKeys=1)
    return bool(found.get("KeyCount"))


def remove_object(resource: Resource) -> None:
    """Delete an object that this run put there, and what an upload broken off has left; nothing else.

    Raises DeployError where it cannot be seen to be gone.
    """
    from botocore.exceptions import ClientError

    s3, where = client("s3", resource["region"]), {"Bucket": resource["bucket"], "Key": resource["name"]}
    with saying(f"deleting s3://{resource['bucket']}/{resource['name']}"):
        try:
            if resource.get("in_parts"):
                _abort_uploads(s3, resource)
            if s3.head_object(**where).get("Metadata", {}).get(_RUN) != resource["run_id"]:
                return
            s3.delete_object(**where)
        except ClientError as error:
            if not is_gone(error):
                raise


def _abort_uploads(s3: Any, resource: Resource) -> None:
    pending = s3.list_multipart_uploads(Bucket=resource["bucket"], Prefix=resource["name"]).get("Uploads", [])
    for one in pending:
        if one["Key"] == resource["name"]:
            s3.abort_multipart_upload(Bucket=resource["bucket"], Key=one["Key"], UploadId=one["UploadId"])
