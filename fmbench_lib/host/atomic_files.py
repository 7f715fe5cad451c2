"""Files that appear whole or not at all, and the lock that keeps two processes from the same work.

A file is written beside its final name, synchronised and renamed: a killed process leaves the old content.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import stat
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from fmbench_lib.host.disk_space import room_explained

_LOCK_POLL_S = 0.1


@contextlib.contextmanager
def replacing(path: Path, needed: int = 0) -> Iterator[Path]:
    """Yield a temporary file beside `path` to write to; it replaces `path` when the block ends without an error.

    Who may read the file stays as it was: a private one is private at every moment.
    Raises DiskFullError where there is no room for its `needed` bytes.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with room_explained(path, needed):
            path.parent.mkdir(parents=True, exist_ok=True)
            yield part
            with part.open("rb") as file:
                os.fsync(file.fileno())
            with contextlib.suppress(OSError):  # there was none, or its permissions are not ours to give
                part.chmod(stat.S_IMODE(path.stat().st_mode))
            part.replace(path)
    finally:
        with contextlib.suppress(OSError):  # of a folder that is gone, or cannot be written to any more
            part.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Replace a file's content by a text; raises OSError, and DiskFullError where there is no room for it."""
    with replacing(path, len(text)) as part:
        part.write_text(text, encoding="utf-8", errors="backslashreplace")


def read_json(path: Path) -> dict[str, Any]:
    """The object in a JSON file; raises OSError, and ValueError where it is not JSON."""
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content


def write_json(path: Path, content: Any) -> None:
    """Replace a file's content by strict JSON; raises ValueError for NaN and infinities."""
    write_text(path, json.dumps(content, indent=2, allow_nan=False) + "\n")


def read_rows(path: Path) -> Iterator[dict[str, Any]]:
    """The objects of a JSON Lines file, one at a time; raises OSError and ValueError."""
    with path.open(encoding="utf-8") as file:
        for line in file:
            yield json.loads(line)


def write_rows(path: Path, rows: Iterator[Mapping[str, Any]]) -> None:
    """Replace a file's content by JSON Lines, one object a line."""
    with replacing(path) as part, part.open("w", encoding="utf-8") as file:
        for row in rows:
            file.write(json.dumps(row, ensure_ascii=False) + "\n")


def each_text(content: Any, change: Callable[[str], str]) -> Any:
    """A copy of JSON-like content with `change` applied to every string in it, keys excepted."""
    if isinstance(content, Mapping):
        return {key: each_text(value, change) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [each_text(value, change) for value in content]
    return change(content) if isinstance(content, str) else content


@contextlib.contextmanager
def exclusive_lock(path: Path, patience: float) -> Iterator[None]:
    """Hold the lock file `path`; the kernel releases it when the process ends, however it ends.

    Raises TimeoutError when another process still holds it after `patience` seconds.
    """
    with path.open("w") as file:
        deadline = time.monotonic() + patience
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise TimeoutError(f"{path} is held by another process") from None
                time.sleep(_LOCK_POLL_S)
        yield
