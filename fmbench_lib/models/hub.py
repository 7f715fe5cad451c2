"""Files from the Hugging Face Hub."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies

from fmbench_lib.models.cache import ModelFileError, sha256_of

_SHA256_NAME = re.compile(r"[0-9a-f]{64}")
HUB_ID = re.compile(r"[\w.-]+/[\w.-]+(/[\w./-]+)?")


def hub_model(model_id: str) -> Path:
    """A GGUF file from the Hugging Face Hub: `org/repo/file.gguf`, or `org/repo` where there is exactly one. Raises
    ModelFileError."""
    parts = model_id.split("/")
    repo, name = "/".join(parts[:2]), "/".join(parts[2:])
    if name:
        return hub_file(repo, name)
    files = [file for file in _from_hub(repo, lambda hub: hub.list_repo_files(repo)) if file.endswith(".gguf")]
    if len(files) != 1:
        choice = f"has {', '.join(files[:12])}" if files else "has no .gguf file"
        raise ModelFileError(f"{repo} {choice}; write {repo}/<file>.gguf")
    return hub_file(repo, files[0])


def hub_file(repo: str, name: str, token: str | None = None) -> Path:
    """A file of a Hugging Face repository, from the hub's local cache if it is there.

    Raises ModelFileError where it cannot be downloaded; a gated one needs a token: `token`, else HF_TOKEN, which
    the hub's client reads itself.
    """
    try:
        path = Path(_from_hub(repo, lambda hub: hub.hf_hub_download(repo, name, local_files_only=True), online=False))
    except ModelFileError:
        path = Path(_from_hub(repo, lambda hub: hub.hf_hub_download(repo, name, token=token)))
    _check_blob(path)
    return path


def _check_blob(path: Path) -> None:
    """Check a large file in the hub's cache, which is a link to a file that is called as its SHA-256.

    Raises ModelFileError where it is corrupt.
    """
    blob = path.resolve()
    if path.suffix == ".gguf" and _SHA256_NAME.fullmatch(blob.name) and sha256_of(blob) != blob.name:
        raise ModelFileError(f"{path} is corrupt: its sha256 is {sha256_of(blob)}; delete {blob} to download it again")


def _from_hub(repo: str, call: Callable[[Any], Any], *, online: bool = True) -> Any:
    """The result of `call` with the hub's client. `online`: resolve the hub's host first, as the client retries for
    long."""
    try:
        hub = import_module("huggingface_hub")
    except ImportError:
        raise ModelFileError(f"{repo} looks like a Hugging Face id; run: pip install huggingface_hub") from None
    try:
        host = urlsplit(import_module("huggingface_hub.constants").ENDPOINT).hostname
        if online and not getproxies():
            socket.getaddrinfo(host, None)
        return call(hub)
    except socket.gaierror:
        raise ModelFileError(f"cannot download {repo}: {host} cannot be reached from here") from None
    except Exception as error:  # the client raises its own errors, its transport's and OSError alike
        raise ModelFileError(f"cannot download {repo} from Hugging Face: {first_line(error)}") from error


def first_line(error: BaseException) -> str:
    """The first line of a third-party exception's message, or its type."""
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
