"""Files from the Hugging Face Hub."""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Callable
from dataclasses import dataclass
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


@dataclass(frozen=True, slots=True)
class HubDataset:
    """A data set's repository at one commit; `licence` is its card's, None where that has none."""

    repo: str
    revision: str
    files: tuple[str, ...]
    licence: str | None


def hub_dataset(repo: str, token: str | None = None) -> HubDataset:
    """What the Hub has of a data set now. Raises ModelFileError where it cannot be asked."""
    info = _from_hub(repo, lambda hub: hub.HfApi(endpoint=_endpoint(), token=token).dataset_info(repo))
    licence = getattr(info.card_data, "license", None)
    files = tuple(sibling.rfilename for sibling in info.siblings or ())
    return HubDataset(repo, str(info.sha), files, licence if isinstance(licence, str) else None)


def hub_dataset_file(dataset: HubDataset, name: str, token: str | None = None) -> Path:
    """A file of a data set in the hub's local cache; what is there of it already is not downloaded again.

    Raises ModelFileError where it cannot be downloaded or is corrupt.
    """

    def download(hub: Any) -> str:
        where = {"repo_type": "dataset", "revision": dataset.revision, "endpoint": _endpoint(), "token": token}
        path: str = hub.hf_hub_download(dataset.repo, name, **where)
        return path

    path = Path(_from_hub(f"{dataset.repo}/{name}", download))
    _check_blob(path, always=True)
    return path


def _endpoint() -> str:
    """The Hub's address: HF_ENDPOINT as it is now, else the client's own."""
    return os.environ.get("HF_ENDPOINT", "").rstrip("/") or str(import_module("huggingface_hub.constants").ENDPOINT)


def _check_blob(path: Path, *, always: bool = False) -> None:
    """Check a large file in the hub's cache, which is a link to a file that is called as its SHA-256.

    Only weights are checked at each use, unless `always`. Raises ModelFileError where it is corrupt.
    """
    blob = path.resolve()
    if (always or path.suffix == ".gguf") and _SHA256_NAME.fullmatch(blob.name) and sha256_of(blob) != blob.name:
        raise ModelFileError(f"{path} is corrupt: its sha256 is {sha256_of(blob)}; delete {blob} to download it again")


def _from_hub(repo: str, call: Callable[[Any], Any], *, online: bool = True) -> Any:
    """The result of `call` with the hub's client. `online`: resolve the hub's host first, as the client retries for
    long."""
    try:
        hub = import_module("huggingface_hub")
    except ImportError:
        raise ModelFileError(f"{repo} looks like a Hugging Face id; run: pip install huggingface_hub") from None
    try:
        host = urlsplit(_endpoint()).hostname
        if online and not getproxies():
            socket.getaddrinfo(host, None)
        return call(hub)
    except socket.gaierror:
        raise ModelFileError(f"cannot download {repo}: {host} cannot be reached from here") from None
    except Exception as error:  # the client raises its own errors, its transport's and OSError alike
        own = os.environ.get("HF_ENDPOINT")
        where = f"{own} (HF_ENDPOINT)" if own else "Hugging Face"
        raise ModelFileError(f"cannot download {repo} from {where}: {first_line(error)}") from error


def first_line(error: BaseException) -> str:
    """The first line of a third-party exception's message, or its type."""
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
