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

from fmbench_lib.models.cache import ModelFileError

HUB_ID = re.compile(r"[\w.-]+/[\w.-]+(/[\w./-]+)?")


def hub_model(model_id: str) -> Path:
    """A GGUF file of the Hugging Face hub: `org/repo/file.gguf`, or `org/repo` where there is but one."""
    parts = model_id.split("/")
    repo, name = "/".join(parts[:2]), "/".join(parts[2:])
    if name:
        return hub_file(repo, name)
    files = [file for file in _from_hub(repo, lambda hub: hub.list_repo_files(repo)) if file.endswith(".gguf")]
    if len(files) != 1:
        choice = f"has {', '.join(files[:12])}" if files else "has no .gguf file"
        raise ModelFileError(f"{repo} {choice}; write {repo}/<file>.gguf")
    return hub_file(repo, files[0])


def hub_file(repo: str, name: str) -> Path:
    """A file of a Hugging Face repository, from the hub's own cache where it is there already.

    Raises ModelFileError where it cannot be had; a gated one needs HF_TOKEN, which the hub's client reads itself.
    """
    try:
        return Path(_from_hub(repo, lambda hub: hub.hf_hub_download(repo, name, local_files_only=True), ask=False))
    except ModelFileError:
        return Path(_from_hub(repo, lambda hub: hub.hf_hub_download(repo, name)))


def _from_hub(repo: str, call: Callable[[Any], Any], *, ask: bool = True) -> Any:
    """What `call` gets from the hub's client. `ask`: see first whether there is a way to it, as it retries for long."""
    try:
        hub = import_module("huggingface_hub")
    except ImportError:
        raise ModelFileError(f"{repo} looks like a Hugging Face id; run: pip install huggingface_hub") from None
    try:
        host = urlsplit(import_module("huggingface_hub.constants").ENDPOINT).hostname
        if ask and not getproxies():
            socket.getaddrinfo(host, None)
        return call(hub)
    except socket.gaierror:
        raise ModelFileError(f"{repo}: {host} cannot be reached from here") from None
    except Exception as error:  # the client raises its own errors, its transport's and OSError alike
        raise ModelFileError(f"{repo} could not be fetched from Hugging Face: {first_line(error)}") from error


def first_line(error: BaseException) -> str:
    """What an exception of somebody else's says, as one line."""
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
