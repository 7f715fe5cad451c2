"""Where downloaded files are cached."""

from __future__ import annotations

import functools
import hashlib
import os
from pathlib import Path

from fmbench_lib.errors import FmbenchError
from fmbench_lib.host.paths import expanded


class ModelFileError(FmbenchError):
    """A model's weights are missing or corrupt."""


def cache_folder() -> Path:
    """The cache of downloaded files: `$FMBENCH_CACHE`, else `~/.cache/fmbench`. Not created here."""
    return expanded(os.environ.get("FMBENCH_CACHE") or Path.home() / ".cache" / "fmbench")


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file, in hex. A process reads a file once, unless it has changed. Raises ModelFileError."""
    try:
        state = path.stat()
        return _sha256(path, state.st_size, state.st_mtime_ns)
    except OSError as error:
        raise ModelFileError(f"cannot read {path}: {error.strerror}") from error


@functools.lru_cache(maxsize=64)
def _sha256(path: Path, _size: int, _written_ns: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
