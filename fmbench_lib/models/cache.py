"""Where downloaded files are cached."""

from __future__ import annotations

import os
from pathlib import Path

from fmbench_lib.errors import FmbenchError


class ModelFileError(FmbenchError):
    """A model's weights cannot be had, or are not what they should be."""


def cache_folder() -> Path:
    """Where what was fetched once is kept: `$FMBENCH_CACHE`, else `~/.cache/fmbench`. Not created here."""
    return Path(os.environ.get("FMBENCH_CACHE") or Path.home() / ".cache" / "fmbench").expanduser()
