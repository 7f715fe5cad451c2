"""Child processes that run one of this package's modules."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

from fmbench_lib.host.disk_space import DISK_FULL_EXIT, disk_full

_ENDING_SECONDS = 5.0  # Python flushes, and joins its threads


def start_module(
    module: str, *arguments: str, stderr: IO[bytes], variables: Mapping[str, str] | None = None, **options: Any
) -> subprocess.Popen[bytes]:
    """Start `python -m module` with pipes for input and output, and with the import path of this process.

    `variables` are added to the environment.
    """
    paths = [str(Path(path).absolute()) for path in sys.path if path]
    return subprocess.Popen(
        [sys.executable, "-P", "-m", module, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=stderr,
        env={**os.environ, **(variables or {}), "PYTHONPATH": os.pathsep.join(paths)},
        **options,
    )


def how_it_ended(process: subprocess.Popen[bytes], stderr: Path) -> str:
    """How a process ended that should not have, with the last line of its errors.

    It has closed its output, so it is about to end; one that is not is killed after a few seconds.
    """
    try:
        code = process.wait(_ENDING_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        code = process.wait()
    if code == DISK_FULL_EXIT:
        return f"found no room to write: {disk_full(stderr, 0)}"
    how = f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
    last = stderr.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return how + (f": {last[-1]}" if last else "")
