"""A bucket of S3, or of what speaks like it: objects looked at, put, fetched, listed and removed.

What goes wrong is a `StorageError` of one line. Nothing is asked before the first call, and boto3 is imported then.
"""

from __future__ import annotations

import io
import mimetypes
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import IO, Any, NamedTuple
from urllib.parse import urlsplit

from fmbench_lib.aws.session import client as aws_client
from fmbench_lib.config.redaction import without_secrets
from fmbench_lib.errors import InputError, StorageError

PART_BYTES = 8 * 2**20
"""Larger files travel in parts of this size."""

_KEPT_S = 60.0
_NOT_THERE = frozenset({"404", "NoSuchKey", "NotFound"})
_NO_BUCKET = "NoSuchBucket"
_DENIED = frozenset({"403", "AccessDenied", "AllAccessDisabled", "Forbidden"})
_LOST = frozenset({
    "ExpiredToken", "InvalidAccessKeyId", "InvalidToken", "SignatureDoesNotMatch", "TokenRefreshRequired",
})  # fmt: skip


class Address(NamedTuple):
    """A place in S3: `s3://bucket/key`."""

    bucket: str
    key: str

    @classmethod
    def parse(cls, text: str) -> Address:
        """The place that an address names; raises InputError for any other text."""
        bucket, _, key = text.removeprefix("s3://").partition("/")
        if not is_address(text) or not bucket:
            raise InputError(f"{text} is no address in S3; write s3://bucket/folder")
        return cls(bucket, key.strip("/"))

    def below(self, *parts: str) -> Address:
        """A place further down; empty parts and slashes at the ends of parts do not count."""
        return Address(self.bucket, "/".join(part.strip("/") for part in (self.key, *parts) if part.strip("/")))

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.key}"


def is_address(text: str) -> bool:
    """Whether a text is meant as a place in S3."""
    return text.startswith("s3://")


class Stored(NamedTuple):
    """What a bucket says of an object; sizes in bytes."""

    size: int
    etag: str
    metadata: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Bucket:
    """One bucket; `region` is only where it is looked for first."""

    name: str
    region: str | None = None
    _s3: Any = field(default=None, repr=False)

    @property
    def s3(self) -> Any:
        """The client; made anew every minute, as credentials in files may have been renewed."""
        environment = tuple(sorted(item for item in os.environ.items() if item[0].startswith("AWS_")))
        return self._s3 or _client(self.region, environment, int(time.monotonic() / _KEPT_S))

    def check(self) -> None:
        """Raise StorageError where the bucket is not there or may not be looked at."""
        with self._asking("looking for it"):
            self.s3.head_bucket(Bucket=self.name)

    def look(self, key: str) -> Stored | None:
        """What is known of an object; None where there is none."""
        from botocore.exceptions import ClientError

        with self._asking(f"looking at {key}"):
            try:
                found = self.s3.head_object(Bucket=self.name, Key=key)
            except ClientError as error:
                if error.response["Error"].get("Code") in _NOT_THERE:
                    return None
                raise
        return Stored(int(found["ContentLength"]), found["ETag"].strip('"'), found.get("Metadata", {}))

    def keys(self, prefix: str) -> Iterator[str]:
        """The keys that begin so, in their order."""
        with self._asking(f"listing {prefix}"):
            pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=self.name, Prefix=prefix)
            for page in pages:
                yield from (one["Key"] for one in page.get("Contents", []))

    def folders(self, prefix: str) -> list[str]:
        """The names of what lies directly below a folder and has something in it."""
        start = f"{prefix.strip('/')}/"
        with self._asking(f"listing {start}"):
            pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=self.name, Prefix=start, Delimiter="/")
            found = [one["Prefix"] for page in pages for one in page.get("CommonPrefixes", [])]
        return [one.removeprefix(start).strip("/") for one in found]

    def read(self, key: str) -> bytes | None:
        """The content of a small object; None where there is none."""
        from botocore.exceptions import ClientError

        with self._asking(f"reading {key}"):
            try:
                content: bytes = self.s3.get_object(Bucket=self.name, Key=key)["Body"].read()
            except ClientError as error:
                if error.response["Error"].get("Code") in _NOT_THERE:
                    return None
                raise
        return content

    def put(self, key: str, content: bytes, metadata: Mapping[str, str]) -> None:
        """Put an object in one piece."""
        with self._asking(f"putting {key}"):
            self.s3.put_object(Bucket=self.name, Key=key, Body=content, **_labels(key, metadata))

    def put_file(self, key: str, path: Path, size: int, metadata: Mapping[str, str]) -> None:
        """Put the first `size` bytes of a file, in parts; a file that grows meanwhile does no harm."""
        from boto3.s3.transfer import TransferConfig, create_transfer_manager

        config = TransferConfig(multipart_threshold=PART_BYTES, multipart_chunksize=PART_BYTES, max_concurrency=4)
        manager = create_transfer_manager(self.s3, config)
        with self._asking(f"putting {key}"), path.open("rb") as file, manager:
            manager.upload(_Head(file, size), self.name, key, extra_args=_labels(key, metadata)).result()

    def fetch(self, key: str, path: Path) -> Stored:
        """Write an object's content to a file, in parts where it is large; returns what it was."""
        found = self.look(key)
        if found is None:
            raise StorageError(f"s3://{self.name}/{key} is not there any more")
        from boto3.s3.transfer import S3Transfer, TransferConfig

        config = TransferConfig(multipart_threshold=PART_BYTES, multipart_chunksize=PART_BYTES, max_concurrency=4)
        with self._asking(f"fetching {key}"):
            S3Transfer(self.s3, config).download_file(self.name, key, str(path))
        return found

    def remove(self, key: str) -> None:
        """Remove an object; one that is not there is no error."""
        with self._asking(f"removing {key}"):
            self.s3.delete_object(Bucket=self.name, Key=key)

    @contextmanager
    def _asking(self, doing: str) -> Iterator[None]:
        """Turn what boto3 and botocore raise into a StorageError of one line that says what to do."""
        try:
            from boto3.exceptions import Boto3Error
            from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError
        except ImportError:
            raise StorageError("S3 needs boto3, which is not installed: pip install 'fmbench-lib[sagemaker]'") from None
        try:
            yield
        except ClientError as error:
            raise StorageError(self._refused(doing, error.response["Error"])) from None
        except (BotoCoreError, HTTPClientError, Boto3Error, InputError, ConnectionError, TimeoutError) as error:
            raise StorageError(self._unanswered(doing, error)) from None

    def _refused(self, doing: str, detail: Mapping[str, Any]) -> str:
        code, said = str(detail.get("Code", "")), " ".join(without_secrets(str(detail.get("Message", ""))).split())
        if code == _NO_BUCKET or (code in _NOT_THERE and doing == "looking for it"):
            return f"bucket {self.name}: there is none of this name; make it, or name another"
        if code in _DENIED:
            return f"bucket {self.name}: {doing} is not allowed; let the caller's role or user read and write there"
        if code in _LOST:
            return f"bucket {self.name}: the AWS credentials are not valid or have run out ({code}); log in again"
        return f"bucket {self.name}: {doing}: {code}: {said}"

    def _unanswered(self, doing: str, error: Exception) -> str:
        from botocore.exceptions import NoCredentialsError, PartialCredentialsError

        if isinstance(error, NoCredentialsError | PartialCredentialsError):
            return (
                f"bucket {self.name}: there are no AWS credentials: set AWS_PROFILE, or AWS_ACCESS_KEY_ID and "
                "AWS_SECRET_ACCESS_KEY"
            )
        host = urlsplit(str(getattr(error, "kwargs", {}).get("endpoint_url") or "")).netloc
        if host:
            return f"bucket {self.name}: {host} cannot be reached or does not answer ({type(error).__name__})"
        return f"bucket {self.name}: {doing}: {' '.join(without_secrets(str(error)).split())}"


@lru_cache(maxsize=8)
def _client(region: str | None, _environment: tuple[tuple[str, str], ...], _minute: int) -> Any:
    """A client that gives up soon: a run that waits for its bucket measures nothing."""
    return aws_client(
        "s3", region, connect_timeout=5, read_timeout=20, retries={"mode": "standard", "total_max_attempts": 2}
    )


def _labels(key: str, metadata: Mapping[str, str]) -> dict[str, Any]:
    """What stands beside an object: the kind of content too, so that a browser shows a report instead of saving it."""
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
