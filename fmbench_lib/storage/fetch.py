"""Copies of configs and scripts at `https://` and `s3://` addresses."""

from __future__ import annotations

import hashlib
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit

from fmbench_lib.errors import InputError, StorageError
from fmbench_lib.models.cache import cache_folder
from fmbench_lib.storage.bucket import Address, Bucket

_TIMEOUT_S = 60.0


def local_config(source: str) -> str:
    """The path of a config: an address is fetched, anything else is returned as it is.

    The copy is named by its content, so that a run can be resumed with the very text that it began with. Raises
    InputError, with the address, when it cannot be fetched.
    """
    scheme = urlsplit(source).scheme
    if scheme in ("http", "https"):
        return _copied(source, _from_web(source), "config")
    return local_copy(source, "config") if scheme == "s3" else source


def is_elsewhere(source: str) -> bool:
    """Whether a config is named by an address rather than by a path or a name."""
    return urlsplit(source).scheme in ("http", "https", "s3")


def local_copy(address: str, what: str) -> str:
    """The path of a copy of an object, named by its content; `what` is its name in errors.

    Raises InputError, with the address, when it cannot be fetched.
    """
    return _copied(address, _from_s3(Address.parse(address), what), what)


def _copied(address: str, content: bytes, what: str) -> str:
    folder = cache_folder() / f"{what}s" / hashlib.sha256(content).hexdigest()[:16]
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / (Path(urlsplit(address).path).name or "config.yml")
    path.write_bytes(content)
    return str(path)


def _from_web(address: str) -> bytes:
    try:
        with urllib.request.urlopen(address, timeout=_TIMEOUT_S) as response:
            content: bytes = response.read()
    except (urllib.error.URLError, OSError) as error:
        raise InputError(f"{address}: the config cannot be fetched: {getattr(error, 'reason', error)}") from error
    return content


def _from_s3(address: Address, what: str) -> bytes:
    try:
        content = Bucket(address.bucket).read(address.key)
    except StorageError as error:
        raise InputError(f"{address}: the {what} cannot be fetched: {error}") from None
    if content is None:
        raise InputError(f"{address}: the {what} cannot be fetched: there is nothing at this address")
    return content
