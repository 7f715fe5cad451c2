"""Copies of configs and scripts at `https://` and `s3://` addresses."""

from __future__ import annotations

import hashlib
import http.client
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from fmbench_lib.errors import InputError, StorageError
from fmbench_lib.models.cache import cache_folder
from fmbench_lib.storage.bucket import Address, Bucket

_TIMEOUT_S = 60.0
_MOST_BYTES = 4 << 20


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
    deadline = time.monotonic() + _TIMEOUT_S
    content = bytearray()
    try:
        with urllib.request.build_opener(_SameKind).open(address, timeout=_TIMEOUT_S) as response:
            while data := response.read1(1 << 16):
                content += data
                if len(content) > _MOST_BYTES:
                    raise InputError(f"{address}: not a config: it has more than {_MOST_BYTES:,} bytes")
                if time.monotonic() > deadline:
                    raise InputError(f"{address}: the config cannot be fetched: not all of it came in {_TIMEOUT_S:g} s")
    except (OSError, http.client.HTTPException, ValueError) as error:  # URLError is an OSError
        if isinstance(error, urllib.error.HTTPError):
            error.close()
        reason = getattr(error, "reason", None) or error or type(error).__name__
        raise InputError(f"{address}: the config cannot be fetched: {reason}") from error
    return bytes(content)


class _SameKind(urllib.request.HTTPRedirectHandler):
    """Follows a few redirects, and none from https to http, or to anything else."""

    max_redirections = 5

    def redirect_request(
        self, req: urllib.request.Request, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        scheme = urlsplit(newurl).scheme
        if scheme != "https" and scheme != req.type:
            fp.close()
            raise InputError(f"{req.full_url}: it leads to {newurl}, which is not fetched; give that address itself")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _from_s3(address: Address, what: str) -> bytes:
    try:
        content = Bucket(address.bucket).read(address.key)
    except StorageError as error:
        raise InputError(f"{address}: the {what} cannot be fetched: {error}") from None
    if content is None:
        raise InputError(f"{address}: the {what} cannot be fetched: there is nothing at this address")
    return content
