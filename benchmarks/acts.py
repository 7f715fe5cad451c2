"""What can happen to a run, and when: signals, killed and stopped processes, a full disk, a removed folder."""

from __future__ import annotations

import contextlib
import resource
import shutil
import signal
import time
from collections.abc import Callable
from typing import Any

import psutil
from played_run import Running

STEPS = (
    "0_setup", "1_generate_data", "2_deploy_model", "3_run_inference", "4_model_metric_analysis", "5_cleanup",
)  # fmt: skip


def signals(*numbers: signal.Signals, when: Callable[[Running], bool] = Running.measuring, pause: float = 0.2) -> Any:
    """Send these signals to the command, one after the other."""

    def act(running: Running) -> None:
        running.wait_for(lambda: when(running))
        for number in numbers:
            with contextlib.suppress(psutil.Error, AttributeError):
                running.main.send_signal(number)  # type: ignore[union-attr]
            time.sleep(pause)

    return act


def stopped(*words: str, seconds: float) -> Callable[[Running], None]:
    """Stop processes for a while in the middle of a level."""

    def act(running: Running) -> None:
        running.wait_for(running.measuring)
        found = [process for word in words if (process := running.find(word)) is not None]
        for number in (signal.SIGSTOP, signal.SIGCONT):
            for process in found:
                with contextlib.suppress(psutil.Error):
                    process.send_signal(number)
            time.sleep(seconds if number == signal.SIGSTOP else 0)

    return act


def killed(word: str, after_s: float) -> Callable[[Running], None]:
    """Kill a process of the run, or the first of this kind to come, so long after the run's beginning."""

    def act(running: Running) -> None:
        time.sleep(after_s)
        running.wait_for(lambda: running.find(word))
        with contextlib.suppress(psutil.Error, AttributeError):
            running.find(word).kill()  # type: ignore[union-attr]

    return act


def filled(step: str) -> Callable[[Running], None]:
    """Fill the disk when a step begins; it is freed before the run is resumed."""

    def act(running: Running) -> None:
        running.wait_for(lambda: running.in_step(step))
        filler = running.folder / "results" / "filler"
        running.undo.append(lambda: filler.unlink(missing_ok=True))
        with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
            while True:
                file.write(bytes(4096))

    return act


def removed(when: Callable[[Running], bool]) -> Callable[[Running], None]:
    """Remove the run's directory."""

    def act(running: Running) -> None:
        running.wait_for(lambda: when(running))
        if running.run is not None:
            shutil.rmtree(running.run, ignore_errors=True)

    return act


def memory(kilobytes: int) -> Callable[[], None]:
    """`ulimit -v`."""
    return lambda: resource.setrlimit(resource.RLIMIT_AS, (kilobytes * 1024, kilobytes * 1024))


def in_step(step: str) -> Callable[[Running], bool]:
    """The moment at which a step is under way."""
    return lambda running: running.in_step(step)
