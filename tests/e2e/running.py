"""Runs in the background, and the processes that they are made of."""

from __future__ import annotations

import json
import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar

import psutil

from fmbench_lib.emulator import Behaviour, Constant
from tests.e2e.conftest import command, environment

KERNEL = "kernel"
LOCAL = {"platform": "local", "model_id": "smollm2-135m-instruct"}
SLOW = Behaviour(ttft=Constant(0.2), itl=Constant(0.1))


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


def wait_until(condition: Callable[[], Any], seconds: float = 90.0) -> Any:
    """Wait for something another process does; fails the test when it does not come."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := condition():
            return found
        time.sleep(0.02)
    raise AssertionError("it did not come in time")


def levels(run: Path) -> dict[str, float]:
    """The finished levels and when each was written."""
    return {path.stem: path.stat().st_mtime_ns for path in run.glob("requests/*/*/*.parquet")}


def alive(pid: int) -> bool:
    """Whether a process runs; one that ended and that nobody has asked after does not."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


class Running:
    """A run in the background, and the processes that it is made of."""

    started: ClassVar[list[Running]] = []

    def __init__(self, config: Path, results: Path, *words: str) -> None:
        Running.started.append(self)
        self.results = results
        where = [] if "--resume" in words else ["--config-file", config, "--results-dir", results]
        self.process = subprocess.Popen(
            command(*where, *words),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=environment(),
            start_new_session=True,
        )

    @property
    def run(self) -> Path:
        (found,) = self.results.glob("*/*Z*")
        return found

    @property
    def kernel(self) -> psutil.Process | None:
        """The kernel of the step that is under way, which its server has forked."""
        server = self.child("fmbench_lib.pipeline.kernels")
        try:
            return next(iter(server.children()), None) if server is not None else None
        except psutil.NoSuchProcess:
            return None

    def child(self, word: str) -> psutil.Process | None:
        if word == KERNEL:
            return self.kernel
        try:
            below = psutil.Process(self.process.pid).children(recursive=True)
            return next((one for one in below if any(word in part for part in one.cmdline())), None)
        except psutil.NoSuchProcess:
            return None

    def measuring(self, after_levels: int = 1) -> bool:
        """Whether so many levels are done and another one is under way."""
        return (
            bool(list(self.results.glob("*/*Z*")))
            and len(levels(self.run)) >= after_levels
            and any(self.run.glob("requests/*/*/*.part/*.spool"))
            and self.child("sending.worker") is not None
        )

    def end(self) -> tuple[int, str]:
        out, _ = self.process.communicate(timeout=120)
        return self.process.returncode, out


def live_done(run: Path) -> int:
    try:
        done: int = json.loads((run / "progress.json").read_text())["done"]
    except (OSError, ValueError):
        return 0
    return done


def kill(running: Running, names: Sequence[str], *, wait: bool = True) -> None:
    """Kill these processes of a run at once, and wait until the run is over."""
    # Between two levels there are no workers for a moment.
    wait_until(lambda: all(name == "fmbench" or running.child(name) is not None for name in names))
    found = [psutil.Process(running.process.pid) if name == "fmbench" else running.child(name) for name in names]
    everyone = [*found, running.kernel, running.child("sending.worker")]
    for process in found:
        assert process is not None
        process.kill()
    if wait:
        running.end()
        wait_until(lambda: not any(process.is_running() for process in everyone if process is not None))
