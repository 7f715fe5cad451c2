"""The files that a run reads from buckets: fetched once, then read from this machine, so that a bucket may go away."""

from __future__ import annotations

import hashlib
from pathlib import Path

from fmbench_lib.errors import InputError, StorageError
from fmbench_lib.host.atomic_files import read_json, replacing, write_json
from fmbench_lib.models.cache import cache_folder
from fmbench_lib.storage.bucket import Address, Bucket
from fmbench_lib.workspace import Workspace


def input_file(workspace: Workspace, address: Address, what: str, region: str | None = None) -> Path | None:
    """A local copy of an object, None where there is no such object; `what` is its name in errors.

    The copy's path ends in the object's key. An object that a run has fetched once, or found missing, is not requested
    again. Raises InputError where the bucket does not answer.
    """
    known = _known(workspace)
    if str(address) in known:
        path = known[str(address)]
        if path is None or Path(path).is_file():
            return None if path is None else Path(path)
    copy = _fetched(workspace, address, what, region)
    if workspace.path.is_dir():
        write_json(workspace.inputs_file, {**_known(workspace), str(address): copy and str(copy)})
    return copy


def forget_inputs(workspace: Workspace) -> None:
    """Forget which objects were fetched or missing: what was missing may have been uploaded since."""
    workspace.inputs_file.unlink(missing_ok=True)


def secret_text(address: Address, what: str, region: str | None = None) -> str | None:
    """The text of an object that must not be written to disk; None where there is no such object. Raises InputError."""
    try:
        content = Bucket(address.bucket, region).read(address.key)
        return None if content is None else content.decode("utf-8")
    except (StorageError, UnicodeDecodeError) as error:
        raise InputError(f"{address}: the {what} cannot be read: {error}") from None


def _fetched(workspace: Workspace, address: Address, what: str, region: str | None) -> Path | None:
    bucket = Bucket(address.bucket, region)
    try:
        stored = bucket.look(address.key)
        if stored is None:
            return None
        state = hashlib.sha256(f"{address} {stored.etag}".encode()).hexdigest()[:16]
        path = cache_folder() / "inputs" / state / _safe(address)
        if not path.is_file():
            with replacing(path) as part:
                bucket.fetch(address.key, part)
    except StorageError as error:
        raise InputError(f"{address}: the {what} cannot be read: {error}") from None
    if workspace.run_file.exists():
        workspace.log_event("read from bucket", address=str(address), etag=stored.etag, bytes=stored.size)
    return path


def _safe(address: Address) -> Path:
    parts = [part for part in address.key.split("/") if part not in ("", ".")]
    if ".." in parts:
        raise InputError(f"{address}: a key with `..` in it cannot be fetched")
    return Path(*parts)


def _known(workspace: Workspace) -> dict[str, str | None]:
    return read_json(workspace.inputs_file) if workspace.inputs_file.exists() else {}
