"""The file that a misspelt path probably meant."""

from __future__ import annotations

import contextlib
from pathlib import Path

from fmbench_lib.config.spelling import nearest


def nearest_file(path: Path) -> Path | None:
    """The file or folder of the nearest name in the same folder; None if none is close, or there is no such folder."""
    names: list[str] = []
    with contextlib.suppress(OSError):
        names = [entry.name for entry in path.parent.iterdir() if not entry.name.startswith(".")]
    close = nearest(path.name, names) or nearest(path.stem, [Path(name).stem for name in names], within=1)
    if close is not None and close not in names:
        close = next(name for name in names if Path(name).stem == close)
    return None if close is None else path.parent / close
