"""A bucket of S3, or of a server that speaks its protocol: the only module that calls operations of S3.

What goes wrong is a StorageError (or the bucket's own `raises`) of one line. Nothing is called before the first
operation, and boto3 is imported then.
"""

from __future__ import annotations

import io
import mimetypes
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, NamedTuple

from fmbench_lib.aws.calls import is_gone, translated, unless_gone
from fmbench_lib.aws.session import Patience, client
from fmbench_lib.errors import FmbenchError, InputError, StorageError

PART_BYTES = 8 * 2**20
"""Larger files travel in parts of this size."""

SOON = Patience(connect_s=5, read_s=20, attempts=2)
"""A run that waits for its bucket measures nothing, so its calls give up soon."""

_NO_BUCKET = "NoSuchBucket"
_BESIDE_A_RUN, _ALONE = 4, 10  # parts in flight: beside a measurement, and while nothing else happens


class Address(NamedTuple):
    """A location in S3: `s3://bucket/key`."""

    bucket: str
    key: str

    @classmethod
    def parse(cls, text: str) -> Address:
        """The location that an address names, without slashes around its key; raises InputError for any other text."""
        bucket, _, key = text.removeprefix("s3://").partition("/")
        if not is_address(text) or not bucket:
            raise InputError(f"{text} is not an S3 address; write s3://bucket/folder")
        return cls(bucket, key.strip("/"))

    def below(self, *parts: str) -> Address:
        """A location further down; empty parts and slashes at the ends of parts do not count."""
        return Address(self.bucket, "/".join(part.strip("/") for part in (self.key, *parts) if part.strip("/")))

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.key}"


def is_address(text: str) -> bool:
    """Whether a text is meant as a location in S3."""
    return text.startswith("s3://")


class Listed(NamedTuple):
    """An object of a listing; size in bytes."""

    key: str
    size: int
    etag: str


class Stored(NamedTuple):
    """What a bucket tells of an object; sizes in bytes."""

    size: int
    etag: str
    metadata: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Bucket:
    """One bucket; `region` is only where it is looked for first. Every method raises `raises`."""

    name: str
    region: str | None = None
    patience: Patience = SOON
    raises: type[FmbenchError] = StorageError

    @property
    def s3(self) -> Any:
        """The client of this moment; credentials in files may be renewed at any time."""
        return client("s3", self.region, patience=self.patience)

    def check(self, owner: str | None = None) -> None:
        """Raise where the bucket does not exist, may not be read, or belongs to another account than `owner`."""
        expected = {} if owner is None else {"ExpectedBucketOwner": owner}
        with translated(f"looking for bucket {self.name}", self.raises):
            answer = unless_gone(lambda: self.s3.head_bucket(Bucket=self.name, **expected))
        if answer is None:
            raise self.raises(f"there is no bucket {self.name}; create it, or name another")

    def look(self, key: str) -> Stored | None:
        """What is known of an object; None where there is none."""
        with self._translated("looking at", key):
            facts = unless_gone(lambda: self.s3.head_object(Bucket=self.name, Key=key))
        if facts is None:
            return None
        return Stored(int(facts["ContentLength"]), facts["ETag"].strip('"'), facts.get("Metadata", {}))

    def keys(self, prefix: str) -> Iterator[str]:
        """The keys that begin with a prefix, in their order."""
        yield from (entry.key for entry in self.listed(prefix))

    def listed(self, prefix: str) -> Iterator[Listed]:
        """The objects whose keys begin with a prefix, in the order of their keys."""
        with self._translated("listing", prefix):
            pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=self.name, Prefix=prefix)
            for page in pages:
                for entry in page.get("Contents", []):
                    yield Listed(entry["Key"], int(entry["Size"]), entry["ETag"].strip('"'))

    def has(self, prefix: str) -> bool:
        """Whether any key begins with a prefix."""
        with self._translated("looking for", prefix):
            page = self.s3.list_objects_v2(Bucket=self.name, Prefix=prefix, MaxKeys=1)
        return bool(page.get("KeyCount"))

    def folders(self, prefix: str) -> list[str]:
        """The names of the folders directly below a folder."""
        start = f"{prefix.strip('/')}/"
        with self._translated("listing", start):
            pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=self.name, Prefix=start, Delimiter="/")
            prefixes = [entry["Prefix"] for page in pages for entry in page.get("CommonPrefixes", [])]
        return [folder.removeprefix(start).strip("/") for folder in prefixes]

    def read(self, key: str) -> bytes | None:
        """The content of a small object; None where the bucket has none."""

        from botocore.exceptions import ClientError

        with self._translated("reading", key):
            try:
                content: bytes = self.s3.get_object(Bucket=self.name, Key=key)["Body"].read()
            except ClientError as error:
                if is_gone(error) and error.response["Error"].get("Code") != _NO_BUCKET:
                    return None
                raise
        return content

    def put(self, key: str, content: bytes, metadata: Mapping[str, str]) -> None:
        """Upload an object in one piece."""
        with self._translated("uploading", key):
            self.s3.put_object(Bucket=self.name, Key=key, Body=content, **_labels(key, metadata))

    def put_file(self, key: str, path: Path, metadata: Mapping[str, str], size: int | None = None) -> None:
        """Upload a file, in parts where it is large; with `size` its first bytes alone, as it may be growing."""
        from boto3.s3.transfer import create_transfer_manager

        labels = _labels(key, metadata)
        transfer = _transfer(_ALONE if size is None else _BESIDE_A_RUN)
        with self._translated("uploading", key), create_transfer_manager(self.s3, transfer) as manager:
            if size is None:
                manager.upload(str(path), self.name, key, extra_args=labels).result()
                return
            with path.open("rb") as file:
                manager.upload(_Head(file, size), self.name, key, extra_args=labels).result()

    def fetch(self, key: str, path: Path) -> Stored:
        """Write an object's content to a file, in parts where it is large; returns what was known of the object."""
        from boto3.s3.transfer import S3Transfer

        stored = self.look(key)
        if stored is None:
            raise self.raises(f"s3://{self.name}/{key} no longer exists")
        with self._translated("fetching", key):
            S3Transfer(self.s3, _transfer(_BESIDE_A_RUN)).download_file(self.name, key, str(path))
        return stored

    def remove(self, key: str) -> None:
        """Delete an object; one that does not exist is no error."""
        with self._translated("deleting", key):
            self.s3.delete_object(Bucket=self.name, Key=key)

    def abort_uploads(self, key: str) -> None:
        """Delete the parts that interrupted uploads of an object have left."""
        with self._translated("deleting parts of", key):
            s3 = self.s3
            page = unless_gone(lambda: s3.list_multipart_uploads(Bucket=self.name, Prefix=key)) or {}
            for upload in page.get("Uploads", []):
                if upload["Key"] == key:
                    s3.abort_multipart_upload(Bucket=self.name, Key=key, UploadId=upload["UploadId"])

    def _translated(self, doing: str, key: str) -> AbstractContextManager[None]:
        return translated(f"{doing} s3://{self.name}/{key}", self.raises)


def _transfer(in_flight: int) -> Any:
    from boto3.s3.transfer import TransferConfig

    return TransferConfig(multipart_threshold=PART_BYTES, multipart_chunksize=PART_BYTES, max_concurrency=in_flight)


def _labels(key: str, metadata: Mapping[str, str]) -> dict[str, Any]:
    """Metadata of an object, and its content type, so that a browser shows a report instead of saving it."""
    kind, packed = mimetypes.guess_type(key)
    return {"Metadata": dict(metadata), "ContentType": kind if kind and not packed else "application/octet-stream"}


class _Head(io.RawIOBase):
    """The first bytes of a file that may be growing, to be read once."""

    def __init__(self, file: IO[bytes], size: int) -> None:
        self._file, self._left = file, size

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        wanted = self._left if size is None or size < 0 else min(size, self._left)
        content = self._file.read(wanted)
        self._left -= len(content)
        return content
