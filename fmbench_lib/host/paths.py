"""Paths as people write them."""

from __future__ import annotations

from pathlib import Path

from fmbench_lib.errors import InputError


def expanded(name: str | Path) -> Path:
    """The path with its `~` or `~user` replaced by that home folder. Raises InputError where there is no such user."""
    try:
        return Path(name).expanduser()
    except RuntimeError:
        user = str(name).split("/", 1)[0]
        raise InputError(f"{name}: there is no home folder of {user}; write the whole path") from None
