"""Where downloaded files are cached."""

from __future__ import annotations

import os
from pathlib import Path

from fmbench_lib.errors import FmbenchError
from fmbench_lib.host.paths import expanded


class ModelFileError(FmbenchError):
    """A model's weights are missing or corrupt."""


def cache_folder() -> Path:
    """The cache of downloaded files: `$FMBENCH_CACHE`, else `~/.cache/fmbench`. Not created here."""
    return expanded(os.environ.get("FMBENCH_CACHE") or Path.home() / ".cache" / "fmbench")
