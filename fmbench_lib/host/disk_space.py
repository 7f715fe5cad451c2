"""Room on a disk: looked at before something large is written, and explained where there is none."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator
from pathlib import Path

from fmbench_lib.errors import DiskFullError

_REASONS = {
    errno.ENOSPC: "the disk of {folder} is full",
    errno.EDQUOT: "the disk quota for {folder} is used up",
    errno.EFBIG: "files in {folder} may not become as large as that (ulimit -f)",
}

DISK_FULL_EXIT = 74  # EX_IOERR of sysexits.h
"""The exit code of a program of ours that found no room to write."""


def is_full(error: BaseException) -> bool:
    """Whether an error means that there was no room to write."""
    return isinstance(error, OSError) and error.errno in _REASONS


def free_bytes(path: Path) -> int | None:
    """The bytes that may be written where `path` is or will be; None where that cannot be found out."""
    for folder in (path, *path.parents):
        try:
            disk = os.statvfs(folder)
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError:
            return None
        return disk.f_bavail * disk.f_frsize
    return None


def disk_full(path: Path, needed: int, code: int = errno.ENOSPC) -> DiskFullError:
    """The error of a file at `path` that needs `needed` bytes, of which there is room for fewer. `code` is an errno."""
    reason = _REASONS.get(code, _REASONS[errno.ENOSPC]).format(folder=path.parent)
    if code == errno.EFBIG:
        return DiskFullError(reason)
    free = free_bytes(path) or 0
    missing = max(needed - free, 1)
    return DiskFullError(f"{reason}: {size_text(free)} free, at least {size_text(missing)} more needed")


@contextlib.contextmanager
def room_explained(path: Path, needed: int = 0) -> Iterator[None]:
    """A block that writes `path`, about `needed` bytes. Raises DiskFullError where there is no room for it."""
    try:
        yield
    except OSError as error:
        if not is_full(error):
            raise
        raise disk_full(path, needed, error.errno or errno.ENOSPC) from error


def check_room(folder: Path, needed: int, purpose: str) -> None:
    """Raise DiskFullError where the disk of `folder` has less than `needed` bytes for `purpose`."""
    free = free_bytes(folder)
    if free is not None and free < needed:
        raise DiskFullError(
            f"{purpose} needs about {size_text(needed)} on the disk of {folder}, which has {size_text(free)} free: "
            f"{size_text(needed - free)} are missing"
        )


def set_aside(path: Path, size: int) -> None:
    """Make a file that occupies `size` bytes, to be deleted when the last things must be written to a full disk.

    Raises DiskFullError where there is no room even for that. Does nothing where disks cannot set room aside.
    """
    with room_explained(path, size), path.open("wb") as file:
        try:
            os.posix_fallocate(file.fileno(), 0, size)
        except (AttributeError, OSError) as error:
            if is_full(error):
                raise


def size_text(size: int) -> str:
    """A number of bytes as people read it: `12.3 MB`; never rounded down to 0."""
    if size < 1000:
        return f"{size} bytes"
    value, unit = float(size), "bytes"
    for unit in ("kB", "MB", "GB", "TB"):  # noqa: B007
        value /= 1000
        if value < 999.5:
            break
    return f"{value:.1f} {unit}"
